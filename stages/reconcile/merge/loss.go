package merge

import "strings"

// unfold: what golden takes from a field with a declared loss is what the system
// shows, not the form in which it is compared.
func (j *judging) unfold(old Fields) {
	j.each(func(s *side) {
		if !s.takesPart() {
			return
		}
		for field, loss := range s.sys.Loss {
			seen, now := s.seen.Get(field), j.golden.Fields.Get(field)
			shown := s.row.Stream.Get(loss.Column)
			if loss.Text && j.firstSource(field) == s.sys.Name && seen.State == Value && seen == now && now != old.Get(field) && !s.lagging[field] && shown.State == Value {
				j.golden.Fields[field] = shown
			}
		}
	})
}

// firstSource is the system that golden took a field from.
func (j *judging) firstSource(field string) string {
	first, _, _ := strings.Cut(j.golden.Sources[field], " ")
	return first
}
