package merge

import (
	"fmt"
	"math"
	"slices"
)

// Input is what a key's judging says of how much a stream tells at once.
type Input struct {
	System string
	Kind   string // news, nulls, deletes, stale
}

// Quarantine is a stream that said too much: nothing that it says is judged
// until a person looked.
type Quarantine struct {
	System, Kind, Reason string
}

// tally notes what each system told of the key: something new, a field that was
// cleared, that the record is gone, or something older than it said before. A
// record that is new to golden counts for none of them, nor does what a person
// was shown and approved, nor what waits for a person already.
func (j *judging) tally() {
	j.each(func(s *side) {
		if !s.sys.Joined || s.sys.Quarantined || j.approvedInput(s) {
			return
		}
		tell := func(kind string, is bool) {
			if is {
				j.out.Input = append(j.out.Input, Input{System: s.sys.Name, Kind: kind})
			}
		}
		tell("stale", slices.Contains(j.in.WentBack, s.sys.Name))
		if j.born || s.unknown != "" {
			return
		}
		tell("deletes", s.lost && !j.wasHeld())
		news, cleared := false, false
		for field := range s.news {
			if shown := s.seen.Get(field); !j.awaited(s, field, shown) {
				news, cleared = true, cleared || shown.State == Null
			}
		}
		tell("news", news)
		tell("nulls", cleared)
	})
}

// approvedInput: a person approved everything that the stream had said up to a
// moment, and it said nothing of this key since.
func (j *judging) approvedInput(s *side) bool {
	newest := int64(-1)
	for _, r := range j.in.Rows {
		if r.System == s.sys.Name {
			newest = max(newest, r.AskedUS)
		}
	}
	return newest <= s.sys.ApprovedUS
}

// awaited: the field waits for a person already, with what the side shows now.
func (j *judging) awaited(s *side, field string, shown Val) bool {
	h := j.openHold(j.unitOf(field).Name())
	if h == nil {
		return false
	}
	was, ok := h.Contenders[s.sys.Name].Fields[field]
	return ok && valOf(was.State, was.Value) == shown
}

// wasHeld: the presence of the record waits already, so its delete is not told anew.
func (j *judging) wasHeld() bool {
	return slices.ContainsFunc(j.in.Findings, func(f Finding) bool { return f.Kind == "against_update" })
}

// noted marks in the crosswalk when a system last told something of a record, for
// the guards' window: of the record that it shows, or of the one that is gone.
func (j *judging) noted() {
	for _, in := range j.out.Input {
		if in.Kind != "news" && in.Kind != "deletes" {
			continue
		}
		key := [2]string{in.System, j.sides[in.System].told}
		if l, ok := j.links[key]; ok {
			l.ToldUS = j.rules.NowUS
			j.links[key] = l
		}
	}
}

// Guarded is what input guards stand on.
type Guarded struct {
	Limits  map[string]Limit                      // by kind of input; a kind without one is not guarded
	Records map[string]int                        // live records of a system
	Recent  map[string]map[string]map[string]bool // system -> kind -> keys told in the window before
}

// Quarantines finds the streams that say too much at once, in this run or over
// the window. What they said is then judged by nobody: the caller judges again
// with these systems in quarantine.
func (r *Rules) Quarantines(on Guarded, all []Judged) []Quarantine {
	var out []Quarantine
	for _, s := range r.Systems {
		for _, kind := range []string{"deletes", "news", "nulls", "stale"} {
			keys := map[string]bool{}
			now := 0
			for _, judged := range all {
				if slices.Contains(judged.Verdict.Input, Input{s.Name, kind}) {
					keys[judged.Key] = true
					now++
				}
			}
			for key := range on.Recent[s.Name][kind] {
				keys[key] = true
			}
			limit, guarded := on.Limits[kind]
			most := math.Max(float64(limit.AtLeast), limit.Percent*float64(on.Records[s.Name])/100)
			if guarded && now > 0 && float64(len(keys)) > most {
				out = append(out, Quarantine{System: s.Name, Kind: kind, Reason: fmt.Sprintf("%d keys, at most %d", len(keys), int64(most))})
				break
			}
		}
	}
	return out
}
