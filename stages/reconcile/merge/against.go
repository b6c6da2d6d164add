package merge

import (
	"slices"
	"strings"
)

// stillHeld: a presence that waits for a person stays as it is while any system
// is unknown, since nobody can tell whether a side has changed. What a person
// decided waits with it only for the sides that it is about.
func (j *judging) stillHeld() bool {
	i := slices.IndexFunc(j.in.Findings, func(f Finding) bool { return f.Kind == "against_update" })
	blind := j.names(func(s *side) bool { return s.unknown != "" })
	if i < 0 || len(blind) == 0 {
		return false
	}
	hold := j.openHold("")
	if hold != nil && j.decisionOn("") != nil && !slices.ContainsFunc(blind, func(name string) bool { _, ok := hold.Contenders[name]; return ok }) {
		return false
	}
	j.held, j.waits = true, true
	if hold != nil {
		j.holds[""] = *hold
	}
	f := j.in.Findings[i]
	j.find(f.Kind, f.Severity, f.System, f.Observed)
	return true
}

// againstUpdate decides a delete that meets an update which had not seen it, by
// what a person said of these sides, else by the rule. True: the delete stands.
func (j *judging) againstUpdate(deleters, known, updaters []string) bool {
	contenders := j.presenceContenders(known, updaters)
	rule := j.rules.AgainstUpdate
	if d := j.decisionOn(""); d != nil && covers(d.Shown, contenders) {
		rule = map[string]string{"keep": "update", "delete": "delete"}[d.Choice.Take]
	}
	sides := "deleted in " + strings.Join(deleters, " ") + ", changed in " + strings.Join(updaters, " ")
	j.held, j.overruled = rule == "hold", rule == "delete"
	if j.held {
		j.holds[""] = Hold{Kind: "against_update", Contenders: contenders, Reason: sides,
			Golden: map[string]Shown{"": {State: map[bool]string{true: "live", false: "deleted"}[j.golden.Live]}}}
		open := slices.ContainsFunc(j.in.Findings, func(f Finding) bool { return f.Kind == "against_update" && f.Observed == sides })
		j.find("against_update", "high", deleters[0], sides)
		if open {
			return false
		}
	}
	j.out.Conflicts = append(j.out.Conflicts, Conflict{Kind: "presence", System: deleters[0], Chosen: &rule, Reason: sides})
	return rule == "delete"
}

// presenceContenders are the sides of a presence as a person is shown them.
func (j *judging) presenceContenders(deleters, updaters []string) map[string]Contender {
	out := map[string]Contender{}
	for _, name := range deleters {
		out[name] = Contender{ID: j.sides[name].base.ID, Fields: map[string]Contends{"": {BaseState: "live", State: "gone"}}}
	}
	for _, name := range updaters {
		row := j.sides[name].row
		out[name] = Contender{ID: row.ID, Version: row.Version, Hash: row.Hash, Fields: map[string]Contends{"": {BaseState: "live", State: "live"}}}
	}
	return out
}

// covers reports whether a person was shown every side as it is now.
func covers(shown, now map[string]Contender) bool {
	for name, c := range now {
		if s, ok := shown[name]; !ok || s.ID != c.ID || s.Hash != c.Hash {
			return false
		}
	}
	return true
}
