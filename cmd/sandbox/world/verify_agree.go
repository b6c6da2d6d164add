package world

import "slices"

// agreement compares the systems, key by key and field by field.
func (v *verifier) agreement() {
	for _, e := range v.entities {
		figures := EntityFigures{Entity: e.name}
		shelves := v.of(e.name)
		for _, at := range v.keys {
			if at.entity == e.name {
				v.one(e, shelves, at, &figures)
			}
		}
		v.report.Entities = append(v.report.Entities, figures)
	}
}

// one compares the records of a key.
func (v *verifier) one(e *entity, shelves []*shelf, at subject, f *EntityFigures) {
	before := len(v.report.Problems)
	held, known := v.present(shelves, at)
	if held == nil {
		return
	}
	f.Keys++
	for _, field := range e.fields {
		known = v.compare(e, field.name, at, held, f) || known
	}
	switch {
	case len(v.report.Problems) > before:
		f.Disagree++
	case known:
		f.Known++
	default:
		f.Agree++
	}
}

// holding is a live record with its shelf.
type holding struct {
	*shelf
	record *Record
}

// present checks where a key is, and returns its live records, one per system.
func (v *verifier) present(shelves []*shelf, at subject) (held []holding, known bool) {
	for _, s := range shelves {
		if live := v.live(at, s.sys.name); len(live) > 0 {
			held = append(held, holding{s, live[0]})
		}
	}
	if len(held) == 0 {
		return nil, false
	}
	for _, s := range shelves {
		live, want := len(v.live(at, s.sys.name)), 0
		if v.belongs(s, held[0].record.Now().Values) {
			want = 1
		}
		if live == want {
			continue
		}
		if why, ok := v.opt.known(at, Presence); ok {
			known = true
			v.report.Known[why]++
			continue
		}
		v.problem(CheckAgree, at, Presence, s.sys.name, plural(live, "live record")+" where "+plural(want, "is", "are")+" right")
	}
	return held, known
}

// compare compares a field in all systems that show it with the one that is right.
func (v *verifier) compare(e *entity, field string, at subject, held []holding, f *EntityFigures) (known bool) {
	right := v.right(e, field, held)
	if right < 0 {
		return false
	}
	want := held[right].record.Now().Values[field]
	for i, h := range held {
		if i == right || !h.col.shows(field) {
			continue
		}
		f.Fields++
		now := h.record.Now()
		if e.agrees(field, now.Values[field], want) {
			continue
		}
		if why, ok := v.excused(e, field, at, *now, want); ok {
			known = true
			v.report.Known[why]++
			continue
		}
		v.problem(CheckAgree, at, field, "", held[right].sys.name+" has "+show(want)+", "+h.sys.name+" has "+show(now.Values[field]))
	}
	return known
}

// excused says why a value may differ from the right one.
func (v *verifier) excused(e *entity, field string, at subject, now Version, want *string) (why string, ok bool) {
	if sent, altered := now.Asked[field]; altered && e.agrees(field, sent, want) {
		return Lossy, true
	}
	return v.opt.known(at, field)
}

// right is the place of the first authority that shows the field; -1 is none.
func (v *verifier) right(e *entity, field string, held []holding) int {
	for _, system := range v.authority(e.name, field) {
		if i := slices.IndexFunc(held, func(h holding) bool { return h.sys.name == system && h.col.shows(field) }); i >= 0 {
			return i
		}
	}
	return slices.IndexFunc(held, func(h holding) bool { return h.col.shows(field) })
}

// deletes checks that clients only deleted what a person had deleted elsewhere, or
// had given another key.
func (v *verifier) deletes() {
	for _, e := range v.effects {
		if e.Op != Delete {
			continue
		}
		at := subject{e.Entity, e.Key}
		asked := slices.ContainsFunc(v.byKey[at], func(d Edit) bool {
			return d.Op == Delete && d.System != e.System && d.Version < e.Version
		})
		if !asked {
			v.problem(CheckUnaskedDelete, at, Presence, e.System, requestOf(e)+" deleted a record that nobody had deleted")
		}
	}
}

// invented checks that every value came from a person, or from what the system
// itself made of one: a record that had the key, in any system, held it by seed, by
// an edit, or altered.
func (v *verifier) invented() {
	for _, at := range v.keys {
		for _, s := range v.of(at.entity) {
			for _, r := range v.live(at, s.sys.name) {
				for _, f := range s.ent.fields {
					if now := r.Now().Values[f.name]; !v.given(s.ent, at, f.name, now) {
						v.problem(CheckInvented, at, f.name, s.sys.name, "shows "+show(now)+", which no person ever wrote")
					}
				}
			}
		}
	}
}

func (v *verifier) given(e *entity, at subject, field string, value *string) bool {
	for _, version := range v.said[at] {
		_, altered := version.Asked[field]
		if (version.Cause.Kind != ByEffect || altered) && e.agrees(field, version.Values[field], value) {
			return true
		}
	}
	return false
}
