package merge

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline"
)

// Check is a condition over golden. Passes is nil where it can not be told.
type Check struct {
	Name   string
	Reads  []string
	Passes func(golden Fields) *bool
}

// people takes in what people decided: news whose source is a person. It
// judges every contender that it showed, also of a system that is unknown now:
// the base of the ID that showed it becomes the value as shown.
func (j *judging) people() {
	for _, d := range j.in.Decisions {
		u := j.unit(d.Field)
		if j.openHold(d.Field) == nil || u == nil || j.golden == nil {
			continue
		}
		for _, f := range u.Fields {
			j.decidedBy(d, f)
		}
		for system, shown := range d.Shown {
			base := j.golden.Bases[system]
			if base == nil || base.ID != shown.ID {
				continue
			}
			for f, v := range shown.Fields {
				if val := valOf(v.State, v.Value); val.Set() && j.sides[system].sys.maps(f) {
					base.set(f, val, shown.Version)
				}
			}
		}
	}
}

func (j *judging) decidedBy(d Decision, field string) {
	v := j.golden.Fields.Get(field)
	if said, ok := d.Choice.Value[field]; ok {
		if v = (Val{State: Null}); said != nil {
			v = Of(*said)
		}
	}
	if d.Choice.Leave || v.State == Unset {
		return
	}
	at := d.AtUS
	j.golden.Fields[field], j.golden.Sources[field], j.golden.Edited[field] = v, person, Edit{Since: &at, Until: &at}
}

// Taken are the values of the hold's fields if a person takes this side: what
// it shows, else golden's, else its base. Fields that nobody ever set are left out.
func (c Contender) Taken(golden map[string]Shown) map[string]*string {
	out := map[string]*string{}
	for f, v := range c.Fields {
		switch {
		case valOf(v.State, v.Value).Set():
			out[f] = v.Value
		case valOf(golden[f].State, golden[f].Value).Set():
			out[f] = golden[f].Value
		case valOf(v.BaseState, v.Base).Set():
			out[f] = v.Base
		}
	}
	return out
}

func valOf(state string, value *string) Val {
	if State(state) == Value {
		return Of(*value)
	}
	return Val{State: State(state)}
}

func (j *judging) unit(name string) *Unit {
	i := slices.IndexFunc(j.rules.Units, func(u Unit) bool { return u.Name() == name })
	if i < 0 {
		return nil
	}
	return &j.rules.Units[i]
}

// hold stops what waits for a person: by its rule, because a hold goes on, because
// nobody can tell news from what we sent, because golden has more than the winner
// shows, because two systems undo each other, or because the merge would break a check
// that held before.
func (j *judging) hold(decided map[string]decision) {
	broken := j.broken(decided)
	for _, u := range j.rules.Units {
		d := decided[u.Name()]
		old := j.goingOn(u)
		contends := overlap(j.contending(u, d), func(string) bool { return true })
		doubtful := j.doubtful(u, d)
		switch {
		case old != nil && (lasting(old.Kind) && contends || j.unreadable(*old)):
			j.holdUnit(u, d, old, old.Kind, old.Reason)
		case u.Kind == "hold" && len(d.kept) > 1:
			j.holdUnit(u, d, old, "hold", "the rule is hold")
		case doubtful != "":
			j.holdUnit(u, d, old, "in_doubt", doubtful+" altered what we made it with, or somebody edited it")
		case d.winner != nil && j.partial(d.winner, u):
			j.holdUnit(u, d, old, "lossy", "golden has more than "+d.winner.sys.Name+" shows")
		case d.winner != nil && j.swings(d.winner, u):
			j.holdUnit(u, d, old, "oscillation", d.winner.sys.Name+" and "+j.opponent(u)+" undo each other")
		case broken != "" && d.winner != nil && j.checked(u):
			j.holdUnit(u, d, old, "check", "check: "+broken)
		}
	}
}

// lasting reports whether a kind of hold goes on while anybody contends, though what
// opened it is over.
func lasting(kind string) bool { return kind == "hold" || kind == "oscillation" }

// doubtful is the first system that contends with a field which we made it with, which
// a look after a lost answer showed otherwise, and which nobody has judged since; "" if
// none does.
func (j *judging) doubtful(u Unit, d decision) string {
	for _, name := range j.contending(u, d) {
		s := j.sides[name]
		if overlap(u.Fields, func(f string) bool {
			base, _ := s.judgedBefore(f)
			return s.news[f] && base.State == Unsure
		}) {
			return name
		}
	}
	return ""
}

// swings reports whether the system's news is a value that we have replaced there
// twice within the guards' window, by the same other value.
func (j *judging) swings(s *side, u Unit) bool {
	return overlap(u.Fields, func(f string) bool {
		return s.news[f] && overlap(s.sys.Reads[f], func(column string) bool {
			now := s.row.Stream.Get(column)
			return now.Set() && slices.ContainsFunc(slices.Collect(maps.Values(j.replaced(s, column, now))), func(times int) bool { return times >= 2 })
		})
	})
}

// replaced counts our writes that replaced a column's value, by what they put there.
func (j *judging) replaced(s *side, column string, was Val) map[string]int {
	times := map[string]int{}
	for _, c := range j.in.Changes {
		to, sent := c.After[column]
		if c.System != s.sys.Name || c.State != "applied" || c.Op != pipeline.OpUpdate || !sent || c.AtUS <= j.rules.NowUS-j.rules.WindowUS {
			continue
		}
		if ValuesJSON(pipeline.Values{"": c.Before[column]}) == ValuesJSON(pipeline.Values{"": was.Pointer()}) {
			times[ValuesJSON(pipeline.Values{"": to})]++
		}
	}
	return times
}

// opponent is who golden took the unit from: the first of the sources by name.
func (j *judging) opponent(u Unit) string {
	var names []string
	for _, f := range u.Fields {
		if source, _, _ := strings.Cut(j.old.Sources[f], " "); source != "" {
			names = append(names, source)
		}
	}
	if len(names) == 0 {
		return "golden"
	}
	return slices.Min(names)
}

// goingOn is the unit's hold that is open and not decided.
func (j *judging) goingOn(u Unit) *Hold {
	old := j.openHold(u.Name())
	if old == nil || j.decisionOn(u.Name()) != nil || j.born {
		return nil
	}
	return old
}

// unreadable: a side of the hold is unknown now.
func (j *judging) unreadable(h Hold) bool {
	for system := range h.Contenders {
		if s, ok := j.sides[system]; ok && s.unknown != "" {
			return true
		}
	}
	return false
}

// contending are the sides whose news would change the unit.
func (j *judging) contending(u Unit, d decision) []string {
	if !d.ruled {
		return j.names(func(s *side) bool { return s.says(u) })
	}
	return j.names(func(s *side) bool { return s.says(u) && d.sources == s.sys.Name })
}

// broken names the checks that golden passes, and would not pass any more.
func (j *judging) broken(decided map[string]decision) string {
	merged := j.old.Fields.clone()
	for _, u := range j.rules.Units {
		if w := decided[u.Name()].winner; w != nil {
			maps.Copy(merged, j.claim(w, u))
		}
	}
	var names []string
	for _, c := range j.rules.Checks {
		before, after := c.Passes(j.old.Fields), c.Passes(merged)
		if before != nil && *before && after != nil && !*after {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (j *judging) checked(u Unit) bool {
	return slices.ContainsFunc(j.rules.Checks, func(c Check) bool {
		return overlap(u.Fields, func(f string) bool { return slices.Contains(c.Reads, f) })
	})
}

// holdUnit keeps golden and every side as it is shown now; who cannot be read,
// as it was.
func (j *judging) holdUnit(u Unit, d decision, old *Hold, kind, reason string) {
	h := Hold{Field: u.Name(), Kind: kind, Reason: reason, Golden: map[string]Shown{}, Contenders: map[string]Contender{}}
	golden := j.old
	if golden == nil {
		golden = j.golden
	}
	for _, f := range u.Fields {
		v := golden.Fields.Get(f)
		h.Golden[f] = Shown{State: string(v.State), Value: v.Pointer()}
		if source := golden.Sources[f]; source != "" {
			h.Golden[f] = Shown{string(v.State), v.Pointer(), &source}
		}
	}
	if old != nil {
		for system, c := range old.Contenders {
			if s, ok := j.sides[system]; ok && (s.unknown != "" || j.held) {
				h.Contenders[system] = c
			}
		}
	}
	for _, name := range j.contending(u, d) {
		h.Contenders[name] = j.sides[name].contends(u)
	}
	j.holds[u.Name()] = h
}

// contends is the side as a hold keeps it.
func (s *side) contends(u Unit) Contender {
	c := Contender{ID: s.row.ID, Version: s.row.Version, Hash: s.row.Hash, Fields: map[string]Contends{}}
	for _, f := range u.Fields {
		base, _ := s.judgedBefore(f)
		shown := s.seen.Get(f)
		if _, ok := s.seen[f]; !ok {
			shown = Val{State: Absent}
		}
		c.Fields[f] = Contends{string(base.State), base.Pointer(), string(shown.State), shown.Pointer()}
	}
	return c
}

// fresh reports whether the hold opened, or what its sides show changed.
func (j *judging) fresh(h Hold) bool {
	old := j.openHold(h.Field)
	return old == nil || old.Kind != h.Kind || !reflect.DeepEqual(shows(old.Contenders), shows(h.Contenders))
}

// shows is what the contenders of a hold show: no versions and no hashes.
func shows(sides map[string]Contender) map[string]Contender {
	out := map[string]Contender{}
	for system, c := range sides {
		fields := map[string]Contends{}
		for f, v := range c.Fields {
			fields[f] = Contends{State: v.State, Value: v.Value}
		}
		out[system] = Contender{ID: c.ID, Fields: fields}
	}
	return out
}

// stay: while the presence of the record waits, its other holds stay as they are.
func (j *judging) stay() {
	for _, u := range j.rules.Units {
		if old := j.goingOn(u); old != nil {
			j.holdUnit(u, decision{ruled: true}, old, old.Kind, old.Reason)
		}
	}
}

// freeze marks the bases of all contenders: they stay where they are.
func (j *judging) freeze() {
	j.each(func(s *side) {
		for name, h := range j.holds {
			if _, ok := h.Contenders[s.sys.Name]; !ok {
				continue
			}
			for _, f := range strings.Split(name, ",") {
				if s.sys.maps(f) {
					s.frozen[f] = true
				}
			}
		}
		if j.golden != nil && j.golden.Bases[s.sys.Name] != nil {
			j.golden.Bases[s.sys.Name].Frozen = s.frozen
		}
	})
}

// silent reports whether the system may not be sent the field: it waits for a
// person, or belongs to a group that the system does not say.
func (j *judging) silent(s *side, field string) bool {
	u := j.unitOf(field)
	_, held := j.holds[u.Name()]
	return held || s.blind(u)
}

func (j *judging) unitOf(field string) Unit {
	i := slices.IndexFunc(j.rules.Units, func(u Unit) bool { return slices.Contains(u.Fields, field) })
	return j.rules.Units[i]
}

// mute reports whether nobody may write the column now: it serves a silent field.
func (j *judging) mute(s *side, column string) bool {
	for _, field := range j.rules.Fields {
		if (slices.Contains(s.sys.Feeds[column], field) || slices.Contains(s.sys.Reads[field], column)) && j.silent(s, field) {
			return true
		}
	}
	return false
}

// pin keeps the differences that a person left, as they were shown, until
// either side changes.
func (j *judging) pin() {
	for _, d := range j.in.Decisions {
		if !d.Choice.Leave || j.openHold(d.Field) == nil || j.golden == nil || j.unit(d.Field) == nil {
			continue
		}
		for system, shown := range d.Shown {
			for _, r := range j.in.Rows {
				if r.System == system && r.ID == shown.ID {
					j.pinRow(j.sides[system].sys, r, shown)
				}
			}
		}
	}
}

func (j *judging) pinRow(sys System, r Row, shown Contender) {
	mapped, written := sys.Shows(r.Stream), sys.Write(j.golden.Fields)
	for field, v := range shown.Fields {
		if left := valOf(v.State, v.Value); !left.Set() || mapped.Get(field) != left {
			continue
		}
		for column, feeds := range sys.Feeds {
			to, from := written.Get(column), r.Stream.Get(column)
			serves := slices.Contains(feeds, field) || slices.Contains(sys.Reads[field], column)
			if serves && to.Set() && from.Set() && to != from {
				j.differ(Difference{System: sys.Name, Field: column, Kind: "pinned", Golden: to.Pointer(), Seen: from.Pointer(), Reason: "left by a person"})
			}
		}
	}
}

// holdsAfter are the holds as they stand: those that opened or went on, those
// that nobody contends in any more, and the closed ones of before.
func (j *judging) holdsAfter() []Hold {
	var out []Hold
	for _, old := range j.in.Holds {
		if _, again := j.holds[old.Field]; again {
			continue
		}
		if old.State == "open" {
			old.State, old.Reason = "closed", "nobody contends any more"
			switch old.Kind {
			case "check":
				old.Reason = "no check would break any more"
			case "lossy":
				old.Reason = "nothing would be lost any more"
			}
			if d := j.decisionOn(old.Field); d != nil {
				old.Reason, old.Decision = "decided by a person", d.ID
			}
		}
		out = append(out, old)
	}
	for _, field := range sortedKeys(j.holds) {
		out = append(out, j.goesOn(j.holds[field]))
	}
	return out
}

// goesOn: a hold that was open before keeps its beginning, unless a person
// decided it and its sides went on meanwhile.
func (j *judging) goesOn(h Hold) Hold {
	h.State, h.FirstRun = "open", j.rules.Run
	d := j.decisionOn(h.Field)
	if old := j.openHold(h.Field); old != nil {
		h.Decision = old.Decision
		if d == nil {
			h.FirstRun = old.FirstRun
		}
	}
	if d != nil {
		h.Decision = d.ID
	}
	return h
}

func (j *judging) openHold(field string) *Hold {
	i := slices.IndexFunc(j.in.Holds, func(h Hold) bool { return h.Field == field && h.State == "open" })
	if i < 0 {
		return nil
	}
	return &j.in.Holds[i]
}

// decisionOn is what a person decided of an open hold since the last reconcile.
func (j *judging) decisionOn(field string) *Decision {
	i := slices.IndexFunc(j.in.Decisions, func(d Decision) bool { return d.Field == field })
	if i < 0 || j.openHold(field) == nil || field == "" && j.waits {
		return nil
	}
	return &j.in.Decisions[i]
}
