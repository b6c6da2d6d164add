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
			v.problem(CheckLostEdit, subject{e.Entity, e.Key}, field, e.System, detail)
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
	at := subject{e.Entity, e.Key}
	if e.Op == Delete {
		return v.fateOfDelete(at, e)
	}
	if v.gone(at) {
		if v.deletedByPerson(at) {
			return deleted, "", ""
		}
		return lost, Presence, describe(e) + ", and the record is gone from all systems though no person deleted it"
	}
	s := v.shelf(e.Entity, e.System)
	for _, f := range s.ent.fields {
		want, set := e.After[f.name]
		if !set || e.Op == Create && (want == nil || v.remade(s.ent, e, f.name, want)) {
			continue
		}
		one, why := v.fateOfField(s.ent, e, f.name, want)
		if one > worst {
			worst, field, detail = one, f.name, why
		}
	}
	if e.Was != "" { // and the record of the old key has gone with it
		if one, name, why := v.fateOfDelete(subject{e.Entity, e.Was}, e); one > worst {
			worst, field, detail = one, name, why
		}
	}
	return worst, field, detail
}

// remade reports whether a record that was made again says of a field what the one
// before it in that system said last: that is no edit.
func (v *verifier) remade(ent *entity, e Edit, field string, want *string) bool {
	return slices.ContainsFunc(v.records[subject{e.Entity, e.Key}][e.System], func(r *Record) bool {
		i := slices.IndexFunc(r.Versions, func(x Version) bool { return x.State != Live })
		return r.ID != e.ID && i > 0 && r.Versions[i].Number < e.Version && ent.agrees(field, r.Versions[i-1].Values[field], want)
	})
}

// fateOfDelete: the record is gone everywhere, or a person made it anew.
func (v *verifier) fateOfDelete(at subject, e Edit) (fate, string, string) {
	again := slices.ContainsFunc(v.byKey[at], func(later Edit) bool {
		return (later.Op == Create || later.Was != "" && later.Op == Update) && later.Seq > e.Seq
	})
	switch {
	case again:
		return replaced, "", ""
	case !slices.Contains(v.opt.Deletes, e.System):
		return overridden, "", ""
	}
	for _, s := range v.of(e.Entity) {
		if len(v.live(at, s.sys.name)) == 0 {
			continue
		}
		if _, known := v.opt.known(at, Presence); known {
			return held, "", ""
		}
		return lost, Presence, describe(e) + ", and it is live in " + s.sys.name
	}
	return kept, "", ""
}

func (v *verifier) gone(at subject) bool {
	return !slices.ContainsFunc(v.of(at.entity), func(s *shelf) bool { return len(v.live(at, s.sys.name)) > 0 })
}

// deletedByPerson reports whether a person deleted the record, in any system and
// at any time: an edit of a record that is deleted elsewhere goes with it.
func (v *verifier) deletedByPerson(at subject) bool {
	return slices.ContainsFunc(v.byKey[at], func(d Edit) bool { return d.Op == Delete })
}

// fateOfField looks at the value in every system that has the record and shows the field.
func (v *verifier) fateOfField(ent *entity, e Edit, field string, want *string) (worst fate, detail string) {
	at := subject{e.Entity, e.Key}
	for _, s := range v.of(e.Entity) {
		if !s.col.shows(field) {
			continue
		}
		for _, r := range v.live(at, s.sys.name) {
			one := v.fateOfValue(ent, at, e, field, want, *r.Now())
			if _, known := v.opt.known(at, field); one == lost && known {
				one = held
			} else if one == lost && v.opt.decided(at, field) {
				one = overridden
			}
			if one >= worst {
				worst, detail = one, describe(e)+" set it to "+show(want)+", and "+s.sys.name+" has "+show(r.Now().Values[field])
			}
		}
	}
	return worst, detail
}

func (v *verifier) fateOfValue(ent *entity, at subject, e Edit, field string, want *string, version Version) fate {
	now := version.Values[field]
	if sent, altered := version.Asked[field]; altered {
		now = sent
	}
	if ent.agrees(field, want, now) {
		return kept
	}
	if v.setBack(ent, e, field) {
		return replaced
	}
	if rule := v.opt.Conflict(e.Entity, field); rule.Rule != "" {
		return v.fateByRule(rule, ent, at, e, field, now)
	}
	rules := v.ruling(at, field)
	for _, later := range v.byKey[at] {
		if value, set := later.After[field]; set && later.Seq > e.Seq && ent.agrees(field, value, now) &&
			(e.System != rules || later.System == rules || v.opt.Contested(e.Entity, field)) {
			return replaced
		}
	}
	if v.opt.Contested(e.Entity, field) {
		switch {
		case v.followed(at, e, field):
			return replaced
		case v.opt.Outvoted(e, field):
			return overridden
		}
		return lost
	}
	if e.System != rules && v.ruled(ent, at, e, field, rules, now) {
		return overridden
	}
	return lost
}

// followed reports whether people of the same system edited the field of the record
// again: it is the later edit that answers.
func (v *verifier) followed(at subject, e Edit, field string) bool {
	return slices.ContainsFunc(v.byKey[at], func(later Edit) bool {
		_, set := later.After[field]
		return set && later.Seq > e.Seq && later.System == e.System && later.ID == e.ID
	})
}

// setBack reports whether people set a field back before anybody was shown what the
// edit made of it: the answers before and after it show the same.
func (v *verifier) setBack(ent *entity, e Edit, field string) bool {
	r := v.recordOf(e)
	before, after := v.shownAround(e)
	if r == nil || before < 0 || after < 0 || !ent.agrees(field, r.numbered(before)[field], r.numbered(after)[field]) {
		return false
	}
	was := r.numbered(before)[field]
	for _, version := range r.Versions {
		if version.Number <= before || version.Number > after {
			continue
		}
		byPerson := slices.ContainsFunc(v.byKey[subject{e.Entity, e.Key}], func(o Edit) bool { return o.System == e.System && o.Version == version.Number })
		now := version.Values[field]
		if !byPerson && !ent.agrees(field, was, now) {
			return false
		}
		was = now
	}
	return true
}

// shownAround gives the last version of the edited record that an answer showed
// before the edit, and the first one since; -1 where there was none.
func (v *verifier) shownAround(e Edit) (before, after int64) {
	before, after = -1, -1
	for _, served := range v.serves {
		if !served.Delivered || served.Entity != e.Entity || served.System != e.System {
			continue
		}
		for _, shown := range served.Records {
			switch {
			case shown.ID != e.ID:
			case shown.Version < e.Version:
				before = max(before, shown.Version)
			case after < 0 || shown.Version < after:
				after = shown.Version
			}
		}
	}
	return before, after
}

// recordOf is the record that an edit was made in.
func (v *verifier) recordOf(e Edit) *Record {
	all := v.records[subject{e.Entity, e.Key}][e.System]
	i := slices.IndexFunc(all, func(r *Record) bool { return r.ID == e.ID })
	if i < 0 {
		return nil
	}
	return all[i]
}

// ruling is the system that decides about a field of a key: the first authority
// that ever had the record and shows the field.
func (v *verifier) ruling(at subject, field string) string {
	for _, system := range v.authority(at.entity, field) {
		if s := v.shelf(at.entity, system); s != nil && s.col.shows(field) && len(v.records[at][system]) > 0 {
			return system
		}
	}
	return ""
}

// ruled reports whether the authority held a value when the edit was made, or
// later. A null counts only where a person had cleared the field there: one that
// was never filled decides nothing.
func (v *verifier) ruled(ent *entity, at subject, e Edit, field, rules string, value *string) bool {
	if value == nil && !v.cleared(at, field, rules) {
		return false
	}
	for _, r := range v.records[at][rules] {
		for i, version := range r.Versions {
			ended := i+1 < len(r.Versions) && r.Versions[i+1].Number < e.Version
			if !ended && ent.agrees(field, version.Values[field], value) {
				return true
			}
		}
	}
	return false
}

func (v *verifier) cleared(at subject, field, system string) bool {
	return slices.ContainsFunc(v.byKey[at], func(e Edit) bool {
		value, set := e.After[field]
		return e.System == system && e.Op == Update && set && value == nil
	})
}
