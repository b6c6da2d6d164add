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
	if first, again := seen[e.Entity+" "+e.System+" "+identity]; again {
		v.problem(CheckDoubleEffect, subject{e.Entity, e.Key}, "", e.System,
			requestOf(first)+" and "+requestOf(e)+" both took effect under "+identity)
	}
	seen[e.Entity+" "+e.System+" "+identity] = e
}

func (v *verifier) count(e Effect) {
	switch e.Op {
	case Create:
		v.report.Effects.Creates++
	case Delete:
		v.report.Effects.Deletes++
	default:
		v.report.Effects.Updates++
		if len(e.Before.Changed(e.After)) == 0 {
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

// steps is every version of every record of a shelf, in the order of the world.
func (v *verifier) steps(s *shelf) []step {
	var out []step
	for _, r := range v.byID[s] {
		for i := range r.Versions {
			out = append(out, step{r, i})
		}
	}
	slices.SortFunc(out, func(a, b step) int { return cmp.Compare(a.version().Number, b.version().Number) })
	return out
}

// doubleCreates replays which records were live, and finds creates by clients of
// one that was there already.
func (v *verifier) doubleCreates() {
	shown := v.sights()
	for _, s := range v.shelves {
		live := map[string]map[string]Version{} // key -> ID -> the version since which it is live
		for _, x := range v.steps(s) {
			now := x.version()
			key := s.ent.keyOf(now.Values)
			since := now
			if x.at > 0 {
				was := live[s.ent.keyOf(x.Versions[x.at-1].Values)]
				if old, ok := was[x.ID]; ok && s.ent.keyOf(old.Values) == key {
					since = old
				}
				delete(was, x.ID)
			}
			if now.State != Live {
				continue
			}
			if live[key] == nil {
				live[key] = map[string]Version{}
			}
			if x.at == 0 && now.Cause.Kind == ByEffect {
				e := v.effects[now.Cause.Seq-1]
				for _, there := range slices.Sorted(maps.Keys(live[key])) {
					if !v.meanwhile(subject{s.ent.name, key}, live[key][there], shown[s][there], e) {
						v.problem(CheckDoubleEffect, subject{s.ent.name, key}, Presence, s.sys.name, fmt.Sprintf("%s created %s while %s was there", requestOf(e), x.ID, there))
						break
					}
				}
			}
			live[key][x.ID] = since
		}
	}
}

// meanwhile reports whether a person made a record that no answer had shown when a
// client made it too, and people were told that it is there twice: neither can know
// of the other.
func (v *verifier) meanwhile(at subject, made Version, shown []sight, e Effect) bool {
	_, told := v.opt.known(at, Presence)
	return told && made.Cause.Kind != ByEffect && !slices.ContainsFunc(shown, func(x sight) bool {
		return x.request < e.Request && x.version >= made.Number
	})
}

// sight is that an answer showed a version, or a broken one.
type sight struct {
	request, version int64
	spoiled          bool
}

// sights lists for each record which of its versions arrived.
func (v *verifier) sights() map[*shelf]map[string][]sight {
	all := map[*shelf]map[string][]sight{}
	for _, served := range v.serves {
		s := v.shelf(served.Entity, served.System)
		if !served.Delivered || s == nil {
			continue
		}
		if all[s] == nil {
			all[s] = map[string][]sight{}
		}
		for _, r := range served.Records {
			all[s][r.ID] = append(all[s][r.ID], sight{served.Request, r.Version, r.Spoiled})
		}
	}
	return all
}

// blind checks that no client wrote over a person's value that it had not been
// shown, or to a record of which the last answer was broken.
func (v *verifier) blind() {
	all := v.sights()
	for _, e := range v.effects {
		if e.Op == Create {
			continue
		}
		s := v.shelf(e.Entity, e.System)
		sights := all[s][e.ID]
		at := subject{e.Entity, e.Key}
		for _, f := range s.ent.fields {
			if e.Op == Update && same(e.Before[f.name], e.After[f.name]) {
				continue
			}
			if !v.wasShown(s, e, f.name, sights) {
				v.problem(CheckBlind, at, f.name, e.System,
					requestOf(e)+" wrote over "+show(e.Before[f.name])+", which no answer had shown")
			}
		}
		if last := lastBefore(sights, e.Request); last != nil && last.spoiled {
			v.problem(CheckUnknown, at, "", e.System, fmt.Sprintf("%s wrote to %s, which request %d had last shown with a broken value", requestOf(e), e.ID, last.request))
		}
	}
}

func lastBefore(sights []sight, request int64) *sight {
	for i := len(sights) - 1; i >= 0; i-- {
		if sights[i].request < request {
			return &sights[i]
		}
	}
	return nil
}

// wasShown reports whether an answer before the effect showed the value that the
// effect replaced, since a person wrote it. A client's own value needs no showing.
func (v *verifier) wasShown(s *shelf, e Effect, field string, sights []sight) bool {
	versions := v.byID[s][e.ID].Versions
	last := slices.IndexFunc(versions, func(x Version) bool { return x.Number == e.Version }) - 1
	first := last
	for first > 0 && same(versions[first-1].Values[field], versions[last].Values[field]) {
		first--
	}
	if versions[first].Cause.Kind == ByEffect {
		return true
	}
	return slices.ContainsFunc(sights, func(x sight) bool {
		return !x.spoiled && x.request < e.Request && versions[first].Number <= x.version && x.version <= versions[last].Number
	})
}

// causes checks the world itself: edits and effects explain every version.
func (v *verifier) causes() {
	for _, s := range v.shelves {
		for _, x := range v.steps(s) {
			if why := v.unexplained(x); why != "" {
				v.problem(CheckCause, subject{s.ent.name, s.ent.keyOf(x.version().Values)}, "", s.sys.name,
					fmt.Sprintf("version %d of %s: %s", x.version().Number, x.ID, why))
			}
		}
	}
}

func (v *verifier) unexplained(x step) string {
	now := x.version()
	before := Values{}
	if x.at > 0 {
		before = x.Versions[x.at-1].Values
	}
	switch c := now.Cause; c.Kind {
	case BySeed:
		if x.at > 0 {
			return "a seed that is not the first version"
		}
		return ""
	case ByEdit:
		if c.Seq < 1 || c.Seq > int64(len(v.editLog)) {
			return "no such edit"
		}
		e := v.editLog[c.Seq-1]
		return mismatch(e.ID == x.ID && e.Version == now.Number, before, now, e.After, e.Op)
	case ByEffect:
		if c.Seq < 1 || c.Seq > int64(len(v.effects)) {
			return "no such effect"
		}
		e := v.effects[c.Seq-1]
		return mismatch(e.ID == x.ID && e.Version == now.Number, before, now, e.After, e.Op)
	}
	return "no cause"
}

// mismatch compares a version with what its cause says it did.
func mismatch(own bool, before Values, now Version, set Values, op Op) string {
	switch {
	case !own:
		return "its cause names another version"
	case (op == Delete) != (now.State != Live):
		return "its state is not what its cause made"
	case op != Delete && len(before.With(set).Changed(now.Values)) > 0:
		return "its values are not what its cause made"
	}
	return ""
}
