package world

import "slices"

// edits checks that no edit was lost.
func (v *verifier) edits() {
	for _, e := range v.editLog {
		v.report.Edits.Total++
		fate, field, detail := v.fateOf(e)
		switch fate {
		case kept:
			v.report.Edits.Kept++
		case replaced:
			v.report.Edits.Replaced++
		case overridden:
			v.report.Edits.Overridden++
		case deleted:
			v.report.Edits.Deleted++
		case held:
			v.report.Edits.Known++
		case lost:
			v.problem(CheckLostEdit, e.Key, field, e.System, detail)
		}
	}
}

// fate is what became of an edit; of several fields the worst counts.
type fate int

const (
	kept       fate = iota
	deleted         // a person deleted the booking afterwards
	replaced        // by a later edit
	overridden      // by the authority's value
	held            // a known difference
	lost
)

func (v *verifier) fateOf(e Edit) (worst fate, field, detail string) {
	if e.Op == Delete {
		return v.fateOfDelete(e)
	}
	if v.gone(e.Key) {
		if v.deletedByPerson(e.Key) {
			return deleted, "", ""
		}
		return lost, Presence, describe(e) + ", and the booking is gone from both systems though no person deleted it"
	}
	for _, f := range Fields() {
		want, set := e.After[f.String()]
		if !set || want == nil && e.Op == Create {
			continue
		}
		one, why := v.fateOfField(e, f, want)
		if one > worst {
			worst, field, detail = one, f.String(), why
		}
	}
	return worst, field, detail
}

// fateOfDelete: the booking is gone everywhere, or a person made it anew.
func (v *verifier) fateOfDelete(e Edit) (fate, string, string) {
	again := slices.ContainsFunc(v.byKey[e.Key], func(later Edit) bool { return later.Op == Create && later.Seq > e.Seq })
	switch {
	case again:
		return replaced, "", ""
	case !slices.Contains(v.opt.Deletes, e.System):
		return overridden, "", ""
	}
	for _, system := range v.systems {
		if len(v.live(e.Key, system)) == 0 {
			continue
		}
		if v.opt.known(e.Key, Presence) {
			return held, "", ""
		}
		return lost, Presence, describe(e) + ", and it is live in " + system
	}
	return kept, "", ""
}

func (v *verifier) gone(key string) bool {
	return !slices.ContainsFunc(v.systems, func(system string) bool { return len(v.live(key, system)) > 0 })
}

// deletedByPerson reports whether a person deleted the booking, in any system and
// at any time: an edit of a booking that is deleted elsewhere goes with it.
func (v *verifier) deletedByPerson(key string) bool {
	return slices.ContainsFunc(v.byKey[key], func(d Edit) bool { return d.Op == Delete })
}

// fateOfField looks at the value in every system that has the booking.
func (v *verifier) fateOfField(e Edit, f Field, want *string) (worst fate, detail string) {
	for _, system := range v.systems {
		for _, r := range v.live(e.Key, system) {
			now := r.Now().Booking[f]
			one := v.fateOfValue(e, f, want, now)
			if one == lost && v.opt.known(e.Key, f.String()) {
				one = held
			}
			if one >= worst {
				worst, detail = one, describe(e)+" set it to "+show(want)+", and "+system+" has "+show(now)
			}
		}
	}
	return worst, detail
}

func (v *verifier) fateOfValue(e Edit, f Field, want, now *string) fate {
	if agrees(f, want, now) {
		return kept
	}
	rules := v.ruling(e.Key, f)
	for _, later := range v.byKey[e.Key] {
		if value, set := later.After[f.String()]; set && later.Seq > e.Seq && agrees(f, value, now) &&
			(e.System != rules || later.System == rules) {
			return replaced
		}
	}
	if e.System != rules && v.ruled(e, f, rules, now) {
		return overridden
	}
	return lost
}

// ruling is the system that decides about a field of a key: the first authority
// that ever had the booking.
func (v *verifier) ruling(key string, f Field) string {
	for _, system := range v.opt.Authority(f) {
		if len(v.records[key][system]) > 0 {
			return system
		}
	}
	return ""
}

// ruled reports whether the authority held a value when the edit was made, or
// later. A null counts only where a person had cleared the field there: one that
// was never filled decides nothing.
func (v *verifier) ruled(e Edit, f Field, rules string, value *string) bool {
	if value == nil && !v.cleared(e.Key, f, rules) {
		return false
	}
	for _, r := range v.records[e.Key][rules] {
		for i, version := range r.Versions {
			ended := i+1 < len(r.Versions) && r.Versions[i+1].Number < e.Version
			if !ended && agrees(f, version.Booking[f], value) {
				return true
			}
		}
	}
	return false
}

func (v *verifier) cleared(key string, f Field, system string) bool {
	return slices.ContainsFunc(v.byKey[key], func(e Edit) bool {
		value, set := e.After[f.String()]
		return e.System == system && e.Op == Update && set && value == nil
	})
}
