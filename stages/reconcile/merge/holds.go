package merge

import "slices"

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
