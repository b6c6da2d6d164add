package merge

import (
	"cmp"
	"slices"
)

// fields decides every field of a live record by its rule.
func (j *judging) fields() {
	if j.golden == nil || !j.golden.Live {
		return
	}
	old := j.golden.Fields.clone()
	views := map[string]Fields{}
	j.each(func(s *side) {
		if s.takesPart() {
			views[s.sys.Name] = s.sys.View(old, s.row.Stream)
			j.findNews(s, old, views[s.sys.Name])
		}
	})
	decided := map[string]decision{}
	for _, field := range j.rules.Fields {
		decided[field] = j.decide(field, old.Get(field), views)
	}
	j.unfold(old)
	for _, field := range j.rules.Fields {
		j.record(field, old.Get(field), decided[field])
	}
}

// decision is how a field was decided.
type decision struct {
	winner *side  // whose news golden took; nil: golden stands
	reason string // "authority: pms", "latest: airbnb"
	beat   bool   // golden was a contender, and lost
}

// findNews: a field is news if the system shows it, and it is neither what was
// judged last nor what golden would look like there. A system that joins has
// no news where golden has a value: those are differences to approve.
func (j *judging) findNews(s *side, golden, view Fields) {
	joins := !s.sys.Joined && s.base == nil && !j.born
	for field, seen := range s.seen {
		base := Val{State: Unset}
		if s.base != nil {
			base = s.base.Fields.Get(field)
		}
		if !seen.Set() || seen == base || seen == view.Get(field) || joins && golden.Get(field).Set() {
			continue
		}
		s.news[field] = true
	}
}

// decide applies the rule authority: only news of the ruling system changes
// the field; the news of others is overridden. Where none of the list takes
// part, the newest of the contenders is taken.
func (j *judging) decide(field string, golden Val, views map[string]Fields) decision {
	if ruler := j.ruler(field); ruler != nil {
		d := decision{reason: "authority: " + ruler.sys.Name}
		if ruler.news[field] {
			d.winner = ruler
			j.take(field, ruler)
		}
		return d
	}
	contenders := j.contenders(field)
	if len(contenders) == 0 {
		return decision{}
	}
	contends := golden.Set() && j.unseen(field, views)
	if contends {
		contenders = append(contenders, j.goldenContends(field))
	}
	slices.SortStableFunc(contenders, func(a, b contender) int { return j.newerFirst(field, a, b) })
	d := decision{winner: contenders[0].side, reason: "latest: " + contenders[0].name, beat: contends && contenders[0].side != nil}
	if d.winner != nil {
		j.take(field, d.winner)
	}
	return d
}

// ruler is the first of the list that takes part: it holds the key, maps the
// field, and shows a value or has itself cleared it. One that is unknown now
// still rules by what it last showed.
func (j *judging) ruler(field string) *side {
	for _, name := range j.rules.Authority[field] {
		s, ok := j.sides[name]
		if !ok || !s.sys.maps(field) {
			continue
		}
		if s.stands(field).Set() {
			return s
		}
	}
	return nil
}

// stands is what the system says of the field as far as anybody knows.
func (s *side) stands(field string) Val {
	shown := s.seen.Get(field)
	switch {
	case s.takesPart() && shown.State != Absent && shown.State != Unknown:
		return shown
	case (s.takesPart() || s.unknown != "") && s.base != nil:
		return s.base.Fields.Get(field)
	}
	return Val{State: Unset}
}

// contender is a party with a value for the field; golden has no side.
type contender struct {
	side    *side
	name    string
	version *int64
}

func (j *judging) contenders(field string) []contender {
	var all []contender
	j.each(func(s *side) {
		if s.news[field] {
			all = append(all, contender{s, s.sys.Name, s.row.Version})
		}
	})
	return all
}

// unseen: some system with news had not seen golden's value when it was judged last.
func (j *judging) unseen(field string, views map[string]Fields) bool {
	for _, c := range j.contenders(field) {
		if c.side.base == nil || c.side.base.Fields.Get(field) != views[c.name].Get(field) {
			return true
		}
	}
	return false
}

// goldenContends: golden is as new as the record that its value came from.
func (j *judging) goldenContends(field string) contender {
	source := j.golden.Sources[field]
	c := contender{name: source}
	if s, ok := j.sides[source]; ok && s.base != nil {
		c.version = s.base.Version
	}
	return c
}

// newerFirst orders contenders: by version, then golden, then the order of the
// rule's list, then the order of names.
func (j *judging) newerFirst(field string, a, b contender) int {
	rank := func(c contender) int {
		if i := slices.Index(j.rules.Authority[field], c.name); i >= 0 {
			return i
		}
		return len(j.rules.Authority[field])
	}
	version := func(c contender) int64 {
		if c.version == nil {
			return -1 << 63
		}
		return *c.version
	}
	isSide := func(c contender) int {
		if c.side == nil {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(version(b), version(a)), cmp.Compare(isSide(a), isSide(b)),
		cmp.Compare(rank(a), rank(b)), cmp.Compare(a.name, b.name))
}

func (j *judging) take(field string, s *side) {
	j.golden.Fields[field], j.golden.Sources[field] = s.seen.Get(field), s.sys.Name
}

// record keeps every system's news that did not become golden, and golden's
// own value where it lost against news that had not seen it.
func (j *judging) record(field string, old Val, d decision) {
	chosen := j.golden.Fields.Get(field)
	j.each(func(s *side) {
		lost := s.news[field] && s.seen.Get(field) != s.sys.View(j.golden.Fields, s.row.Stream).Get(field)
		if lost || d.beat && d.winner == s {
			j.conflict(field, s, old, chosen, d.reason)
		}
	})
}

func (j *judging) conflict(field string, s *side, old, chosen Val, reason string) {
	base := Val{State: Unset}
	if s.base != nil {
		base = s.base.Fields.Get(field)
	}
	j.out.Conflicts = append(j.out.Conflicts, Conflict{Field: field, Kind: "overridden", System: s.sys.Name,
		Base: base.Pointer(), Seen: s.seen.Get(field).Pointer(), Golden: old.Pointer(), Chosen: chosen.Pointer(), Reason: reason})
}

// changed reports whether golden differs from what is stored.
func (j *judging) changed() bool {
	if j.in.Golden == nil || j.in.Golden.Live != j.golden.Live {
		return true
	}
	return slices.ContainsFunc(j.rules.Fields, func(f string) bool {
		return j.golden.Fields.Get(f) != j.in.Golden.Fields.Get(f)
	})
}
