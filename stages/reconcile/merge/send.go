package merge

import (
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline"
)

// follow moves base to what was judged: what a system shows becomes the
// ancestor of its next news, whether it won or not, unless it contends in a
// hold. The version moves only with a payload that carried the field.
func (j *judging) follow() {
	if j.golden == nil {
		return
	}
	j.each(func(s *side) {
		judged := j.golden.Live && s.takesPart()
		overruled := j.overruled && s.old && s.base != nil && s.base.ID == s.row.ID
		if !judged && !overruled {
			return
		}
		base := baseOf(s.row)
		for field := range s.sys.Reads {
			old, version := s.judgedBefore(field)
			v := s.seen.Get(field)
			if moves := v.Set() || v.State == Unset; !moves || s.frozen[field] || s.blind(j.unitOf(field)) {
				base.set(field, old, version)
				continue
			}
			if s.row.carried(s.sys.Reads[field]) {
				version = s.row.Version
			}
			base.set(field, v, version)
		}
		base.Frozen = s.frozen
		if s.base != nil && s.base.ID != base.ID && j.before.Live {
			old, now := s.base.ID, base.ID
			j.out.Conflicts = append(j.out.Conflicts, Conflict{Kind: "replaced", System: s.sys.Name, Base: &old, Seen: &now, Reason: "the record has a new ID"})
		}
		j.golden.Bases[s.sys.Name] = base
	})
}

// judgedBefore is the field's base, and the version under which it was judged.
func (s *side) judgedBefore(field string) (Val, *int64) {
	if s.base == nil {
		return Val{State: Unset}, nil
	}
	return s.base.Fields.Get(field), s.base.Versions[field]
}

// send compares golden with what every known system shows, and lists what
// would have to be written, or what stays apart and why.
func (j *judging) send() {
	if j.golden == nil {
		return
	}
	j.each(func(s *side) {
		if !s.addressed() {
			return
		}
		refused := map[string]Difference{}
		for key, d := range j.differences {
			if key[0] == s.sys.Name {
				delete(j.differences, key)
				if d.Kind != "overridden" {
					refused[d.Field] = d
				}
			}
		}
		switch {
		case s.old:
			j.sendDelete(s, refused)
		case j.golden.Live && s.row == nil:
			j.sendCreate(s, refused)
		case j.golden.Live:
			j.sendUpdate(s, refused)
		}
	})
}

// propose asks for a write, unless the system or a person refused this very effect.
func (j *judging) propose(w Want, refused map[string]Difference) {
	effect := Effect(w.System, j.in.Key, w.Op, w.Before, w.After)
	if d, ok := refused[""]; ok && d.Golden != nil && *d.Golden == effect {
		j.differ(d)
		return
	}
	j.out.Wants = append(j.out.Wants, w)
}

// sendDelete: golden gave the key up, and the system still shows the old
// record. Only records of the crosswalk are ever deleted, by ID.
func (j *judging) sendDelete(s *side, refused map[string]Difference) {
	if !s.sys.Delete || j.links[[2]string{s.sys.Name, s.row.ID}].State != "live" {
		j.differ(Difference{System: s.sys.Name, Kind: "overridden", Seen: &s.row.ID, Reason: "deleted elsewhere; this system declares no delete"})
		j.listLeftover(s)
		return
	}
	j.deleteThere(s, false, refused)
}

// listLeftover lists what a record says otherwise that golden gave up and nobody may
// delete, where a new life began beside it.
func (j *judging) listLeftover(s *side) {
	if !j.golden.Live || !s.sys.Scope(j.golden.Fields) {
		return
	}
	mapped := s.sys.Shows(s.row.Stream)
	for _, field := range j.differing(s, mapped) {
		j.differ(Difference{System: s.sys.Name, Field: field, Kind: "overridden", Golden: j.golden.Fields.Get(field).Pointer(),
			Seen: mapped.Get(field).Pointer(), Reason: "of a record that was deleted elsewhere"})
	}
}

// deleteThere asks for the delete of the record that the system shows.
func (j *judging) deleteThere(s *side, asks bool, refused map[string]Difference) {
	if j.links[[2]string{s.sys.Name, s.row.ID}].State != "live" {
		return
	}
	before := pipeline.Values{}
	for _, reads := range s.sys.Reads {
		for _, column := range reads {
			if v := s.row.Stream.Get(column); v.Set() {
				before[column] = v.Pointer()
			}
		}
	}
	j.propose(Want{System: s.sys.Name, ID: s.row.ID, Op: pipeline.OpDelete, Before: before, After: pipeline.Values{}, Seen: s.row, Asks: asks}, refused)
}

// sendCreate: golden belongs into the system, and it is not there. What the
// system itself deleted is not put back unless the project says so.
func (j *judging) sendCreate(s *side, refused map[string]Difference) {
	if !s.sys.Create || !s.sys.Scope(j.golden.Fields) {
		return
	}
	last, deletedThere := j.lastLink(s)
	if deletedThere && !j.rules.Recreate {
		j.find("deleted_elsewhere", "low", s.sys.Name, "")
		j.differ(Difference{System: s.sys.Name, Kind: "overridden", Reason: "deleted there; recreate: hold"})
		return
	}
	after := pipeline.Values{}
	for column, v := range s.sys.Write(j.golden.Fields) {
		if v.Set() {
			after[column] = v.Pointer()
		}
	}
	if len(after) == 0 || overlap(sortedKeys(after), func(column string) bool { return j.mute(s, column) }) {
		return // there is nothing to create, or it would send a field that waits for a person
	}
	// A system that cannot be read now still holds what it was judged by.
	joined := j.count(func(o *side) bool { return o.sys.Joined && (o.takesPart() || o.unknown != "" && o.base != nil) })
	j.propose(Want{System: s.sys.Name, Op: pipeline.OpCreate, Before: pipeline.Values{}, After: after, LinkUS: last, Unjoined: joined == 0}, refused)
}

// lastLink is when the system last had the key, and whether it lost it in the
// present life by a delete that was not ours.
func (j *judging) lastLink(s *side) (at int64, deletedThere bool) {
	for _, l := range j.links {
		if l.System != s.sys.Name {
			continue
		}
		at = max(at, l.AtUS)
		if (l.State == "gone" || l.State == "moved") && !j.tombstone.names(l.System, l.ID) {
			deletedThere = true
		}
	}
	return at, deletedThere
}

// sendUpdate: changed fields only, set ones only, and none that the system's
// payloads never carried, that did not map, or that may lag behind our own write.
func (j *judging) sendUpdate(s *side, refused map[string]Difference) {
	if !s.sys.Scope(j.golden.Fields) {
		j.leaveScope(s, refused)
		return
	}
	mapped := s.sys.Shows(s.row.Stream)
	differing := j.differing(s, mapped)
	written := s.sys.Write(j.golden.Fields)
	before, after, covered := pipeline.Values{}, pipeline.Values{}, map[string]bool{}
	var flaps []string
	for _, column := range sortedKeys(s.sys.Feeds) {
		to, from := written.Get(column), s.row.Stream.Get(column)
		d, stands := refused[column]
		stands = stands && to.Set() && from.Set() && samePointer(d.Golden, to.Pointer()) && samePointer(d.Seen, from.Pointer())
		if stands && j.mute(s, column) {
			j.differ(d) // it waits, and what was refused before stays refused
		}
		if !s.sys.Update || !to.Set() || !from.Set() || to == from || !s.concerns(column, differing) || j.mute(s, column) {
			continue
		}
		for field, reads := range s.sys.Reads {
			covered[field] = covered[field] || slices.Contains(reads, column)
		}
		if stands {
			j.differ(d)
			if d.Reason == flapping {
				flaps = append(flaps, column)
			}
			continue
		}
		before[column], after[column] = from.Pointer(), to.Pointer()
	}
	if len(flaps) > 0 {
		j.find("flapping", "high", s.sys.Name, strings.Join(flaps, " "))
	}
	for _, field := range differing {
		_, listed := j.differences[[2]string{s.sys.Name, field}]
		waits := overlap(s.sys.Reads[field], func(column string) bool { return j.mute(s, column) })
		if v := mapped.Get(field); !covered[field] && !listed && !waits {
			j.differ(Difference{System: s.sys.Name, Field: field, Kind: "overridden",
				Golden: j.golden.Fields.Get(field).Pointer(), Seen: v.Pointer(), Reason: "not written to this system"})
		}
	}
	j.listUnreadGroups(s, mapped)
	j.listNeverShown(s, mapped)
	if len(after) > 0 {
		j.propose(Want{System: s.sys.Name, ID: s.row.ID, Op: pipeline.OpUpdate, Before: before, After: after, Seen: s.row}, refused)
	}
}

// listUnreadGroups lists what differs in groups of which another field does not
// map: such a group is neither news nor sent.
func (j *judging) listUnreadGroups(s *side, mapped Fields) {
	for _, field := range j.apart(s, mapped) {
		_, listed := j.differences[[2]string{s.sys.Name, field}]
		if s.blind(j.unitOf(field)) && !j.fieldWaits(field) && !listed {
			j.differ(Difference{System: s.sys.Name, Field: field, Kind: "overridden", Golden: j.golden.Fields.Get(field).Pointer(),
				Seen: mapped.Get(field).Pointer(), Reason: "another field of its group cannot be read"})
		}
	}
}

// listNeverShown lists the fields that would be written, and that no payload of the
// system ever carried: nobody can tell whether they differ, so they are not sent.
func (j *judging) listNeverShown(s *side, mapped Fields) {
	view := s.sys.View(j.golden.Fields, s.row.Stream)
	for field := range s.sys.Reads {
		_, listed := j.differences[[2]string{s.sys.Name, field}]
		if mapped.Get(field).State == Absent && view.Get(field).State == Value && s.sys.writes(field) && !listed {
			j.differ(Difference{System: s.sys.Name, Field: field, Kind: "overridden", Golden: j.golden.Fields.Get(field).Pointer(),
				Reason: "never shown by this system, so it is not sent"})
		}
	}
}

// differing are the fields that are apart, and that may be sent.
func (j *judging) differing(s *side, mapped Fields) []string {
	return slices.DeleteFunc(j.apart(s, mapped), func(field string) bool { return j.silent(s, field) })
}

// apart are the fields that the system shows otherwise than it would if it held golden.
func (j *judging) apart(s *side, mapped Fields) []string {
	view := s.sys.View(j.golden.Fields, s.row.Stream)
	var fields []string
	for _, field := range sortedKeys(s.sys.Reads) {
		want, shown := view.Get(field), mapped.Get(field)
		if want.Set() && shown.Set() && want != shown && !s.lagging[field] {
			fields = append(fields, field)
		}
	}
	return fields
}

// concerns reports whether writing the column serves a differing field, and
// touches none that lags.
func (s *side) concerns(column string, differing []string) bool {
	for field := range s.lagging {
		if slices.Contains(s.sys.Reads[field], column) {
			return false
		}
	}
	return slices.ContainsFunc(differing, func(field string) bool {
		return slices.Contains(s.sys.Reads[field], column) || slices.Contains(s.sys.Feeds[column], field)
	})
}

// leaveScope: a record that belonged into the system and does no more. It is kept
// there, with a finding, and still contends; or it is deleted there, by itself or
// once a person approved that. Nothing leaves while a field that the scope reads
// waits for a person.
func (j *judging) leaveScope(s *side, refused map[string]Difference) {
	was := j.before != nil && j.before.Live && s.sys.Scope(j.before.Fields)
	known := slices.ContainsFunc(j.in.Findings, func(f Finding) bool { return f.Kind == "left_scope" && f.System == s.sys.Name })
	if !was && !known {
		return
	}
	j.find("left_scope", "low", s.sys.Name, s.row.ID)
	if s.sys.Leave != "keep" && s.sys.Delete && !slices.ContainsFunc(s.sys.ScopeReads, j.fieldWaits) {
		j.deleteThere(s, s.sys.Leave == "hold", refused)
	}
}

// fieldWaits reports whether a field of golden, or one of its group, waits for a person.
func (j *judging) fieldWaits(field string) bool {
	for held := range j.holds {
		if slices.Contains(strings.Split(held, ","), field) {
			return true
		}
	}
	return false
}

func samePointer(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
