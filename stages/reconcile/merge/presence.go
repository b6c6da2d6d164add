package merge

import (
	"slices"

	"github.com/trueup-data/trueup/pipeline"
)

// presence decides whether golden has the key: from what golden was, and what
// the known systems show.
func (j *judging) presence() {
	if j.stillHeld() {
		return
	}
	switch {
	case j.golden == nil:
		j.birth()
	case j.golden.Live:
		j.deletions()
	default:
		j.afterlife()
	}
	if !j.held {
		j.each(j.relink)
	}
}

// birth: a key that one or more systems hold comes into being.
func (j *judging) birth() {
	if j.count((*side).takesPart) == 0 {
		return
	}
	j.golden = newGolden(0)
	j.born = true
}

// deletions: systems that held the key and are proven to hold it no more.
// Where the system has the authority, golden goes, unless another system
// changed the record meanwhile.
func (j *judging) deletions() {
	deleters := j.names(func(s *side) bool { return s.unknown == "" && s.row == nil && s.base != nil && (s.gone || s.moved) })
	ruling := slices.DeleteFunc(slices.Clone(deleters), func(name string) bool { return !slices.Contains(j.rules.Deletes, name) })
	for _, name := range deleters {
		j.sides[name].lost, j.sides[name].told = true, j.sides[name].base.ID
	}
	updaters := j.names(func(s *side) bool { return s.takesPart() && j.updated(s) })
	if len(ruling) > 0 && len(updaters) > 0 {
		if !j.againstUpdate(ruling, ruling, updaters) {
			if j.held {
				return
			}
			ruling = nil
		}
	}
	for _, name := range deleters {
		s := j.sides[name]
		delete(j.golden.Bases, name)
		s.base = nil
	}
	if len(ruling) > 0 {
		j.die(ruling[0])
	}
}

// updated: the system shows something that was not judged, or a new ID, or it was touched since.
func (j *judging) updated(s *side) bool {
	if s.first {
		return true
	}
	for field, v := range s.seen {
		if v.Set() && v != s.base.Fields.Get(field) {
			return true
		}
	}
	if s.row.Version != nil && s.base.Version != nil {
		return *s.row.Version > *s.base.Version
	}
	return s.row.Hash != s.base.Hash
}

// die: golden gives the key up; the tombstone names every ID that held it.
func (j *judging) die(source string) {
	j.golden.Live = false
	ids := map[string][]string{}
	for _, key := range sortedPairs(j.links) {
		if j.links[key].State != "moved" && !j.movedAway(key) {
			ids[key[0]] = append(ids[key[0]], key[1])
		}
	}
	j.tombstone = &Tombstone{IDs: ids, Source: source, Live: true}
	j.each(func(s *side) { s.old = s.unknown == "" && s.row != nil })
	for _, s := range j.sides {
		if s.row != nil {
			j.tombstone = j.tombstone.with(s.sys.Name, s.row.ID)
		}
	}
}

// movedAway: the ID lives under another key now.
func (j *judging) movedAway(key [2]string) bool {
	return slices.ContainsFunc(j.in.Rows, func(r Row) bool { return r.System == key[0] && r.ID == key[1] && r.Op == pipeline.Moved })
}

// afterlife: golden gave the key up. An ID that the tombstone does not name, or
// one that had been gone in between, begins a new life; an old one is deleted,
// unless somebody changed it since it was last judged.
func (j *judging) afterlife() {
	if len(j.names((*side).takesPart)) > 0 {
		j.rebirth()
		return
	}
	updaters := j.names(func(s *side) bool { return s.old && s.base != nil && s.base.ID == s.row.ID && j.updated(s) })
	if len(updaters) == 0 {
		return
	}
	if j.againstUpdate([]string{j.tombstone.Source}, nil, updaters) {
		return
	}
	if !j.held {
		j.golden.Live = true
		j.tombstone = &Tombstone{IDs: j.stillThere(), Source: j.tombstone.Source}
		j.each(func(s *side) { s.old = s.old && s.base == nil })
	}
}

// stillThere are the IDs of the tombstone that were not gone in between: the
// same life goes on, and a system that deleted its record did so in this life.
func (j *judging) stillThere() map[string][]string {
	ids := map[string][]string{}
	for system, named := range j.tombstone.IDs {
		for _, id := range named {
			if j.links[[2]string{system, id}].State != "gone" {
				ids[system] = append(ids[system], id)
			}
		}
	}
	return ids
}

// rebirth: base is empty for everybody, golden's version goes on.
func (j *judging) rebirth() {
	j.born = true
	j.golden = newGolden(j.golden.Version)
	j.tombstone = &Tombstone{IDs: j.tombstone.IDs, Source: j.tombstone.Source}
	j.each(func(s *side) {
		s.base, s.first = nil, true
		if s.takesPart() {
			s.seen = j.shown(s)
		}
	})
}

// relink writes what a known system shows into the crosswalk.
func (j *judging) relink(s *side) {
	if s.unknown != "" && s.unknown != "missing" {
		return
	}
	for i := range j.in.Rows {
		r := &j.in.Rows[i]
		if r.System != s.sys.Name {
			continue
		}
		state := j.links[[2]string{r.System, r.ID}].State
		ended := state == "gone" || state == "deleted"
		switch {
		case r.Op == pipeline.Moved:
			j.link(r.System, r.ID, "moved", r.AskedUS)
		case r.Op == pipeline.Missing && !ended:
			j.link(r.System, r.ID, "missing", r.AskedUS)
		case r.Op == pipeline.Delete && !ended:
			j.link(r.System, r.ID, "gone", r.AskedUS)
		case s.row == r:
			j.link(r.System, r.ID, "live", r.AskedUS)
		}
	}
}

func (j *judging) names(is func(s *side) bool) []string {
	var names []string
	j.each(func(s *side) {
		if is(s) {
			names = append(names, s.sys.Name)
		}
	})
	return names
}

func (j *judging) count(is func(s *side) bool) int { return len(j.names(is)) }
