package world

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// doubles checks that no intent took effect twice, and counts the effects.
func (v *verifier) doubles() {
	seen := map[string]Effect{} // by what must be unique
	for _, e := range v.effects {
		v.count(e)
		if k := e.Headers["Idempotency-Key"]; k != "" {
			v.twice(seen, e, "idempotency key "+k)
		}
		if tag := e.Headers["If-Match"]; tag != "" && tag != "*" {
			v.twice(seen, e, "precondition "+tag+" of "+e.ID)
		}
	}
	v.doubleCreates()
}

// twice reports an effect whose identity another effect of its system had.
func (v *verifier) twice(seen map[string]Effect, e Effect, identity string) {
	if first, again := seen[e.System+" "+identity]; again {
		v.problem(CheckDoubleEffect, e.Key, "", e.System,
			requestOf(first)+" and "+requestOf(e)+" both took effect under "+identity)
	}
	seen[e.System+" "+identity] = e
}

func (v *verifier) count(e Effect) {
	switch e.Op {
	case Create:
		v.report.Effects.Creates++
	case Delete:
		v.report.Effects.Deletes++
	default:
		v.report.Effects.Updates++
		if len(e.Before.Changed(*e.After)) == 0 {
			v.report.Effects.NoChange++
		}
	}
}

// step is a version with its record.
type step struct {
	*Record
	at int
}

func (s step) version() Version { return s.Versions[s.at] }

// steps is every version of every record of a system, in the order of the world.
func (v *verifier) steps(system string) []step {
	var out []step
	for _, r := range v.byID[system] {
		for i := range r.Versions {
			out = append(out, step{r, i})
		}
	}
	slices.SortFunc(out, func(a, b step) int { return cmp.Compare(a.version().Number, b.version().Number) })
	return out
}

// doubleCreates replays which bookings were live, and finds creates by clients of
// a booking that was there already.
func (v *verifier) doubleCreates() {
	for _, system := range v.systems {
		live := map[string]map[string]bool{} // key -> IDs
		for _, s := range v.steps(system) {
			now := s.version()
			key := now.Booking.Key()
			if s.at > 0 {
				delete(live[s.Versions[s.at-1].Booking.Key()], s.ID)
			}
			if now.State != Live {
				continue
			}
			if live[key] == nil {
				live[key] = map[string]bool{}
			}
			if s.at == 0 && now.Cause.Kind == ByEffect && len(live[key]) > 0 {
				there := slices.Sorted(maps.Keys(live[key]))[0]
				v.problem(CheckDoubleEffect, key, Presence, system, fmt.Sprintf("%s created %s while %s was there",
					requestOf(v.effects[now.Cause.Seq-1]), s.ID, there))
			}
			live[key][s.ID] = true
		}
	}
}

// sight is that an answer showed a version.
type sight struct{ request, version int64 }

// blind checks that no client wrote over a person's value that it had not been shown.
func (v *verifier) blind() {
	sights := map[string]map[string][]sight{}
	for _, s := range v.serves {
		if !s.Delivered {
			continue
		}
		if sights[s.System] == nil {
			sights[s.System] = map[string][]sight{}
		}
		for _, r := range s.Records {
			sights[s.System][r.ID] = append(sights[s.System][r.ID], sight{s.Request, r.Version})
		}
	}
	for _, e := range v.effects {
		if e.Op == Create {
			continue
		}
		for _, f := range Fields() {
			if e.Op == Update && same(e.Before[f], e.After[f]) {
				continue
			}
			if !v.wasShown(e, f, sights[e.System][e.ID]) {
				v.problem(CheckBlind, e.Key, f.String(), e.System,
					requestOf(e)+" wrote over "+show(e.Before[f])+", which no answer had shown")
			}
		}
	}
}

// wasShown reports whether an answer before the effect showed the value that the
// effect replaced, since a person wrote it. A client's own value needs no showing.
func (v *verifier) wasShown(e Effect, f Field, sights []sight) bool {
	versions := v.byID[e.System][e.ID].Versions
	last := slices.IndexFunc(versions, func(x Version) bool { return x.Number == e.Version }) - 1
	first := last
	for first > 0 && same(versions[first-1].Booking[f], versions[last].Booking[f]) {
		first--
	}
	if versions[first].Cause.Kind == ByEffect {
		return true
	}
	return slices.ContainsFunc(sights, func(s sight) bool {
		return s.request < e.Request && versions[first].Number <= s.version && s.version <= versions[last].Number
	})
}

// causes checks the world itself: edits and effects explain every version.
func (v *verifier) causes() {
	for _, system := range v.systems {
		for _, s := range v.steps(system) {
			if why := v.unexplained(s); why != "" {
				v.problem(CheckCause, s.version().Booking.Key(), "", system,
					fmt.Sprintf("version %d of %s: %s", s.version().Number, s.ID, why))
			}
		}
	}
}

func (v *verifier) unexplained(s step) string {
	now := s.version()
	var before Booking
	if s.at > 0 {
		before = s.Versions[s.at-1].Booking
	}
	switch c := now.Cause; c.Kind {
	case BySeed:
		if s.at > 0 {
			return "a seed that is not the first version"
		}
		return ""
	case ByEdit:
		if c.Seq < 1 || c.Seq > int64(len(v.editLog)) {
			return "no such edit"
		}
		e := v.editLog[c.Seq-1]
		return mismatch(e.ID == s.ID && e.Version == now.Number, before, now, e.After, e.Op)
	case ByEffect:
		if c.Seq < 1 || c.Seq > int64(len(v.effects)) {
			return "no such effect"
		}
		e := v.effects[c.Seq-1]
		var after Values
		if e.After != nil {
			after = before.Changed(*e.After)
		}
		return mismatch(e.ID == s.ID && e.Version == now.Number, before, now, after, e.Op)
	}
	return "no cause"
}

// mismatch compares a version with what its cause says it did.
func mismatch(own bool, before Booking, now Version, set Values, op Op) string {
	next, err := before.With(set)
	switch {
	case !own:
		return "its cause names another version"
	case (op == Delete) != (now.State != Live):
		return "its state is not what its cause made"
	case err != nil:
		return err.Error()
	case op != Delete && len(next.Changed(now.Booking)) > 0:
		return "its values are not what its cause made"
	}
	return ""
}
