package merge

import (
	"maps"
	"regexp"
	"strings"
)

// fields decides every field of a live record by its rule.
func (j *judging) fields() {
	if j.golden == nil || !j.golden.Live {
		return
	}
	j.old = j.golden.clone()
	j.each(func(s *side) {
		if s.takesPart() {
			j.findNews(s)
		}
	})
	decided := map[string]decision{}
	for _, u := range j.rules.Units {
		decided[u.Name()] = j.decide(u)
	}
	j.hold(decided)
	for _, u := range j.rules.Units {
		if _, held := j.holds[u.Name()]; !held {
			j.take(u, decided[u.Name()])
		}
	}
	j.unfold(j.old.Fields)
	for _, u := range j.rules.Units {
		j.record(u, decided[u.Name()])
	}
}

// decision is how a unit was decided.
type decision struct {
	winner  *side  // whose news golden takes; nil: golden stands
	reason  string // "authority: pms", "latest: airbnb, proven"
	sources string // who has the value: the winner first
	edit    Edit   // when it was made, where the rule asks
	ruled   bool   // by an authority
	kept    []contender
}

// findNews: a field is news if the system shows it, and it is neither what was
// judged last nor what golden would look like there. A system that joins has
// no news where golden has a value: those are differences to approve.
func (j *judging) findNews(s *side) {
	s.view = s.sys.View(j.old.Fields, s.row.Stream)
	joins := !s.sys.Joined && s.base == nil && !j.born
	for field, seen := range s.seen {
		base, _ := s.judgedBefore(field)
		if !seen.Set() || seen == base || seen == s.view.Get(field) || joins && j.old.Fields.Get(field).Set() {
			continue
		}
		s.news[field] = true
		s.unseen[field] = s.base == nil || base != s.view.Get(field) && !j.answered(s, field)
	}
}

// answered reports whether the system took golden's text in other letters or spaces
// than it was sent in, and golden is still what was sent: its people have seen golden.
func (j *judging) answered(s *side, field string) bool {
	reads := s.sys.Reads[field]
	if len(reads) != 1 {
		return false
	}
	d, ok := j.differences[[2]string{s.sys.Name, reads[0]}]
	return ok && d.Kind == "refused" && d.Reason == string(altered) && d.Golden != nil && d.Seen != nil &&
		s.sys.Write(j.old.Fields).Get(reads[0]) == Of(*d.Golden) && letters(*d.Golden) == letters(*d.Seen)
}

var spaces = regexp.MustCompile(`\s+`)

// letters is a text without the size of its letters and without spaces that say nothing.
func letters(text string) string {
	return strings.ToLower(strings.Trim(spaces.ReplaceAllString(text, " "), " "))
}

// says reports whether the system has news of the unit. While a field of a
// group does not map, it says nothing of the group.
func (s *side) says(u Unit) bool {
	return !s.blind(u) && overlap(u.Fields, func(f string) bool { return s.news[f] })
}

func (s *side) blind(u Unit) bool {
	return len(u.Fields) > 1 && overlap(u.Fields, func(f string) bool { return s.takesPart() && s.seen.Get(f).State == Unknown })
}

// claim is what the system would have golden be. Of a group, a field that it
// does not carry, or shows in words of its own, is golden's, else its base.
func (j *judging) claim(s *side, u Unit) Fields {
	claim := Fields{}
	for _, f := range u.Fields {
		base, _ := s.judgedBefore(f)
		switch {
		case j.leaves(s, f):
			claim[f] = j.old.Fields.Get(f)
		case s.seen.Get(f).Set():
			claim[f] = s.seen.Get(f)
		case base.State == Unsure:
			claim[f] = Val{State: Unset}
		default:
			claim[f] = base
		}
	}
	return claim
}

// leaves reports whether the system leaves a field of a group to golden: it does not
// carry the field, or shows golden's value in its own words.
func (j *judging) leaves(s *side, field string) bool {
	seen, golden := s.seen.Get(field), j.old.Fields.Get(field)
	return golden.Set() && (!seen.Set() || seen == s.view.Get(field) && seen != golden)
}

// partial reports whether golden has more of a field with news than the system can
// show: what is beyond that its people never saw.
func (j *judging) partial(s *side, u Unit) bool {
	return !s.sys.TakesLossy && overlap(u.Fields, func(f string) bool {
		golden := j.old.Fields.Get(f)
		if !s.news[f] || golden.State != Value {
			return false
		}
		if loss, ok := s.sys.Loss[f]; ok {
			golden = Of(loss.Words(golden.Text))
		}
		return s.view.Get(f) != golden
	})
}

// decide applies the rule. Only news of an authority changes its fields; the
// news of others is overridden. Elsewhere all sides with news contend: one
// contender is taken, and of several the rule chooses.
func (j *judging) decide(u Unit) decision {
	if ruler := j.ruler(u); ruler != nil {
		d := decision{reason: "authority: " + ruler.sys.Name, sources: ruler.sys.Name, ruled: true}
		if ruler.says(u) {
			d.winner = ruler
		}
		return d
	}
	contenders := j.contenders(u)
	if len(contenders) == 0 {
		return decision{}
	}
	return j.choose(u, contenders)
}

// ruler is the first of the list that takes part: it holds the key, maps the
// field, and shows a value or has itself cleared it. One that is unknown now
// still rules by what it last showed.
func (j *judging) ruler(u Unit) *side {
	if u.Kind != "authority" {
		return nil
	}
	for _, name := range u.Order {
		s, ok := j.sides[name]
		if ok && overlap(u.Fields, func(f string) bool { return s.sys.maps(f) && s.stands(f).Set() }) {
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

// take makes the winner's claim golden.
func (j *judging) take(u Unit, d decision) {
	if d.winner == nil {
		return
	}
	for f, v := range j.claim(d.winner, u) {
		j.golden.Fields[f] = v
		if j.leaves(d.winner, f) {
			continue // golden's own, as it was
		}
		delete(j.golden.Sources, f)
		delete(j.golden.Edited, f)
		if v.State == Unset {
			continue
		}
		j.golden.Sources[f] = d.sources
		if d.edit != (Edit{}) {
			j.golden.Edited[f] = d.edit
		}
	}
}

// record leaves a row for every side of a conflict, and for every system's news
// that did not become golden. A hold leaves them when it opens or its sides change.
func (j *judging) record(u Unit, d decision) {
	kept := map[string]bool{}
	for _, c := range d.kept {
		kept[c.name] = len(d.kept) > 1
	}
	held, waits := j.holds[u.Name()]
	for _, field := range u.Fields {
		j.each(func(s *side) {
			if !s.news[field] || s.blind(u) {
				return
			}
			lost := s.seen.Get(field) != s.sys.View(j.golden.Fields, s.row.Stream).Get(field)
			switch {
			case waits && j.fresh(held):
				j.conflict("held", field, s, held.Reason)
			case !waits && kept[s.sys.Name]:
				j.conflict("conflict", field, s, d.reason)
			case !waits && lost:
				j.conflict("overridden", field, s, d.reason)
			}
		})
	}
}

func (j *judging) conflict(kind, field string, s *side, reason string) {
	base, _ := s.judgedBefore(field)
	j.out.Conflicts = append(j.out.Conflicts, Conflict{Field: field, Kind: kind, System: s.sys.Name, Base: base.Pointer(),
		Seen: s.seen.Get(field).Pointer(), Golden: j.old.Fields.Get(field).Pointer(), Chosen: j.golden.Fields.Get(field).Pointer(), Reason: reason})
}

// with is golden with a claim in it.
func with(golden, claim Fields) Fields {
	out := golden.clone()
	maps.Copy(out, claim)
	return out
}
