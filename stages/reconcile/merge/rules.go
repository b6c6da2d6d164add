package merge

import (
	"cmp"
	"slices"
	"strings"
)

// Unit is what is judged as one: a field, or the fields of a group, and its rule.
type Unit struct {
	Fields []string // in the entity's order
	Kind   string   // authority, latest, priority, hold
	Order  []string // the systems that the rule names, best first
	SkewUS int64    // how far two clocks may be apart
}

// Name is the unit's fields, joined by commas.
func (u Unit) Name() string { return strings.Join(u.Fields, ",") }

// rank is a system's place in the rule's order; a person is before all.
func (u Unit) rank(source string) int {
	if source == person {
		return -1
	}
	if i := slices.Index(u.Order, source); i >= 0 {
		return i
	}
	return len(u.Order)
}

// person is the source of what a person decided.
const person = "person"

// contender is a party with a value for the unit; golden has no side.
type contender struct {
	side   *side
	name   string // "" is golden
	source string // whose value it is; of golden the best of its sources
	claim  Fields
	edit   Edit
	clock  bool // edit.Until is a time of the system's own
}

// contenders are all sides with news; golden is one if somebody of them had not
// seen it.
func (j *judging) contenders(u Unit) []contender {
	var all []contender
	unseen, set := false, overlap(u.Fields, func(f string) bool { return j.old.Fields.Get(f).Set() })
	j.each(func(s *side) {
		if s.says(u) {
			edit, clock := s.edited(u)
			all = append(all, contender{s, s.sys.Name, s.sys.Name, j.claim(s, u), edit, clock})
			unseen = unseen || overlap(u.Fields, func(f string) bool { return s.unseen[f] })
		}
	})
	if unseen && set {
		all = append(all, j.goldenContends(u))
	}
	return all
}

// edited: an edit lies between the version under which the field's base was
// judged and that of its observation. Without times, all that is known is when
// it was shown.
func (s *side) edited(u Unit) (Edit, bool) {
	if !s.sys.Timed || s.row.Version == nil {
		until := s.row.AskedUS
		if !s.sys.Timed {
			return Edit{Until: &until}, false
		}
		return Edit{Since: s.since(u), Until: &until}, false
	}
	return Edit{Since: s.since(u), Until: s.row.Version}, true
}

// since is the oldest version under which the changed fields were judged; nil
// where one is not known.
func (s *side) since(u Unit) *int64 {
	var oldest *int64
	for _, f := range u.Fields {
		if !s.news[f] {
			continue
		}
		_, version := s.judgedBefore(f)
		if version == nil {
			return nil
		}
		if oldest == nil || *version < *oldest {
			oldest = version
		}
	}
	return oldest
}

// goldenContends: golden ranks as the best of the sources that its provenance
// names, a person first.
func (j *judging) goldenContends(u Unit) contender {
	c := contender{claim: Fields{}, clock: true}
	var sources []string
	first := true
	for _, f := range u.Fields {
		c.claim[f] = j.old.Fields.Get(f)
		sources = append(sources, strings.Fields(j.old.Sources[f])...)
		if !c.claim[f].Set() {
			continue
		}
		e := j.old.Edited[f]
		if first {
			c.edit, first = e, false
			continue
		}
		c.edit = Edit{Since: least(c.edit.Since, e.Since), Until: greatest(c.edit.Until, e.Until)}
	}
	slices.SortFunc(sources, func(a, b string) int { return cmp.Or(cmp.Compare(u.rank(a), u.rank(b)), cmp.Compare(a, b)) })
	if len(sources) > 0 {
		c.source = sources[0]
	}
	return c
}

// least and greatest of two places in time; what is unknown makes both unknown.
func least(a, b *int64) *int64 {
	if a == nil || b == nil {
		return nil
	}
	m := min(*a, *b)
	return &m
}

func greatest(a, b *int64) *int64 {
	if a == nil || b == nil {
		return nil
	}
	m := max(*a, *b)
	return &m
}

// covers: a contender covers another if its own value, held in the other's
// system, would show as the other's.
func (j *judging) covers(u Unit, a, b contender) bool {
	if a.side == nil || a.name == b.name {
		return false // where golden would show as the other's, the other has no news
	}
	if b.side == nil {
		return !overlap(u.Fields, func(f string) bool { return a.claim[f] != b.claim[f] })
	}
	view := b.side.sys.View(with(j.old.Fields, a.claim), b.side.row.Stream)
	return !overlap(u.Fields, func(f string) bool {
		shown := b.side.seen.Get(f)
		return shown.Set() && view.Get(f) != shown
	})
}

// kept drops a contender only for a kept one that covers it: those that are
// covered and cover not back are looked at last, else golden first, then by name.
func (j *judging) kept(u Unit, all []contender) (kept, dropped []contender) {
	oneSided := func(c contender) int {
		for _, o := range all {
			if j.covers(u, o, c) && !j.covers(u, c, o) {
				return 1
			}
		}
		return 0
	}
	order := slices.Clone(all)
	slices.SortFunc(order, func(a, b contender) int {
		return cmp.Or(cmp.Compare(oneSided(a), oneSided(b)), cmp.Compare(a.name, b.name))
	})
	for _, c := range order {
		if slices.ContainsFunc(kept, func(k contender) bool { return j.covers(u, k, c) }) {
			dropped = append(dropped, c)
			continue
		}
		kept = append(kept, c)
	}
	return kept, dropped
}

// choose: one contender is taken; of several the rule chooses.
func (j *judging) choose(u Unit, all []contender) decision {
	kept, dropped := j.kept(u, all)
	late, proven := j.beaten(u, kept)
	slices.SortFunc(kept, func(a, b contender) int {
		return cmp.Or(cmp.Compare(late[a.name], late[b.name]), cmp.Compare(u.rank(a.source), u.rank(b.source)),
			cmp.Compare(a.source, b.source), cmp.Compare(b.name, a.name)) // a newer edit of golden's own source before golden
	})
	first := kept[0]
	d := decision{winner: first.side, kept: kept, sources: first.name, reason: u.Kind + ": " + first.source}
	slices.SortFunc(dropped, func(a, b contender) int { return cmp.Compare(a.name, b.name) })
	for _, c := range dropped {
		if c.side != nil && j.covers(u, first, c) {
			d.sources += " " + c.name
		}
	}
	switch {
	case u.Kind == "hold" && len(kept) > 1:
		d.reason = "hold"
	case u.Kind == "latest" || u.Kind == "authority":
		d.edit = first.edit
		d.reason = "latest: " + first.source
		if len(kept) > 1 && proven {
			d.reason += ", proven"
		} else if len(kept) > 1 {
			d.reason += ", assumed"
		}
	}
	return d
}

// beaten are those whose edit is provably older than another's, and those whose
// clock is beyond now (1). The newest is proven if it alone is left, and no
// clock was wrong.
func (j *judging) beaten(u Unit, kept []contender) (late map[string]int, proven bool) {
	late = map[string]int{}
	if u.Kind != "latest" && u.Kind != "authority" {
		return late, false
	}
	future := func(c contender) bool {
		return c.clock && c.edit.Until != nil && *c.edit.Until > j.rules.NowUS+u.SkewUS
	}
	left := 0
	for _, c := range kept {
		older := slices.ContainsFunc(kept, func(o contender) bool {
			return !future(o) && o.edit.Since != nil && c.edit.Until != nil && *c.edit.Until+u.SkewUS < *o.edit.Since
		})
		if future(c) || older {
			late[c.name] = 1
			continue
		}
		left++
	}
	return late, left == 1 && !slices.ContainsFunc(kept, future)
}
