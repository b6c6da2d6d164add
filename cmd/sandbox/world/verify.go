package world

import (
	"cmp"
	"slices"
)

// Difference is something that may differ between the systems.
type Difference struct {
	Entity string `json:"entity,omitempty"` // "" means bookings
	Key    string `json:"key"`
	Field  string `json:"field,omitempty"` // "" means the whole record, "presence" where it is
	Why    string `json:"why,omitempty"`   // such as held or pinned; "" is "told"
}

// Presence stands for a field in messages about whether a record is there.
const Presence = "presence"

// Lossy is why a value differs that its system did not keep as it was sent.
const Lossy = "lossy"

// VerifyOptions say what is right. The zero value is the demo's rules.
type VerifyOptions struct {
	// Authority lists who is right about a field, best first; default the function Authority.
	Authority func(entity, field string) []string

	// Contested says for which fields a conflict rule decides between edits that
	// had not seen each other, whichever it is. Default none.
	Contested func(entity, field string) bool

	// Outvoted reports whether people were told that a rule decided against what an
	// edit made of a contested field, in favour of another value. An edit that nobody
	// was told of is lost.
	Outvoted func(e Edit, field string) bool

	// Conflict is the rule between such edits, where it is known: only the one that
	// it prefers may win. Default none.
	Conflict func(entity, field string) Conflict

	// Scope says which records belong in a system; default: as the systems declare it.
	Scope func(entity, system string, v Values) bool

	// Deletes lists the systems whose deletes count; default all.
	Deletes []string

	// Known are the differences that were reported to people: holds, refusals,
	// rejected changes. They do not count as disagreements, and a held delete not
	// as lost.
	Known []Difference

	// Decided are the fields of records about which a person decided between edits:
	// one of them counts, the others are overridden.
	Decided []Difference
}

func (o VerifyOptions) withDefaults() VerifyOptions {
	if o.Authority == nil {
		o.Authority = Authority
	}
	if o.Contested == nil {
		o.Contested = func(string, string) bool { return false }
	}
	if o.Outvoted == nil {
		o.Outvoted = func(Edit, string) bool { return false }
	}
	if o.Conflict == nil {
		o.Conflict = func(string, string) Conflict { return Conflict{} }
	}
	if o.Deletes == nil {
		o.Deletes = Systems()
	}
	return o
}

// InScope says which records belong in a system: Verify's default. The channels
// hold those of their own, all others hold everything.
func InScope(entity, system string, v Values) bool {
	for _, s := range systems() {
		if s.name != system {
			continue
		}
		for _, c := range s.collections {
			if c.entity == entity {
				return c.holds(v)
			}
		}
	}
	return false
}

// known finds a declared difference.
func (o VerifyOptions) known(at subject, field string) (why string, ok bool) {
	i := slices.IndexFunc(o.Known, func(d Difference) bool { return d.about(at, field) })
	if i < 0 {
		return "", false
	}
	return cmp.Or(o.Known[i].Why, "told"), true
}

// decided reports whether a person chose between edits of a field.
func (o VerifyOptions) decided(at subject, field string) bool {
	return slices.ContainsFunc(o.Decided, func(d Difference) bool { return d.about(at, field) })
}

func (d Difference) about(at subject, field string) bool {
	entity := cmp.Or(d.Entity, Bookings)
	return entity == at.entity && (d.Key == at.key || entity == Bookings && KeyOf(d.Key) == at.key) && (d.Field == "" || d.Field == field)
}

// Verify checks the proof on the world's own truth, as it stands now: every
// record agrees in all systems or is a known difference; every edit of a person
// is everywhere, or was replaced by a later edit or by the authority's value; no
// request took effect twice; no client deleted what no person had deleted, wrote
// over what it had not been shown, wrote to a record whose last answer it could
// not read, or brought in a value that nobody gave.
func Verify(w *World, o VerifyOptions) Report {
	w.mu.Lock()
	e := newEvidence(w)
	w.mu.Unlock()
	v := &verifier{evidence: e, opt: o.withDefaults(), rules: map[subject][]string{}}
	v.report.Requests, v.report.Serves, v.report.Faults, v.report.Known = e.requests, len(e.serves), e.faults, map[string]int{}
	v.agreement()
	v.edits()
	v.doubles()
	v.deletes()
	v.invented()
	v.blind()
	v.causes()
	return v.report
}

// evidence is a copy of the truth, indexed.
type evidence struct {
	entities []*entity
	shelves  []*shelf                         // as they are declared; only for what is declared
	keys     []subject                        // all that ever were, sorted
	records  map[subject]map[string][]*Record // by system, in order of their numbers
	byID     map[*shelf]map[string]*Record
	said     map[subject][]*Version // versions that a person or the system itself made, under the key that they had
	editLog  []Edit
	byKey    map[subject][]Edit // edits, in order; a changed key is a delete of the old one
	effects  []Effect
	serves   []Serve
	requests int
	faults   map[Kind]int
}

// newEvidence runs under the world's lock.
func newEvidence(w *World) *evidence {
	e := &evidence{entities: w.entities, shelves: w.shelves, records: map[subject]map[string][]*Record{},
		byID: map[*shelf]map[string]*Record{}, said: map[subject][]*Version{}, byKey: map[subject][]Edit{},
		editLog: slices.Clone(w.truth.edits), effects: slices.Clone(w.truth.effects), serves: slices.Clone(w.truth.serves),
		requests: len(w.truth.requests), faults: map[Kind]int{}}
	for _, f := range slices.Concat(w.weather.past, w.weather.faults) {
		if f.Fired > 0 {
			e.faults[f.Fault.Kind] += f.Fired
		}
	}
	for _, s := range w.shelves {
		e.byID[s] = map[string]*Record{}
		for _, r := range s.copies() {
			e.enter(s, &r)
		}
	}
	for at := range e.records {
		e.keys = append(e.keys, at)
	}
	slices.SortFunc(e.keys, func(a, b subject) int {
		return cmp.Or(cmp.Compare(a.entity, b.entity), cmp.Compare(a.key, b.key))
	})
	for _, edit := range e.editLog {
		at := subject{edit.Entity, edit.Key}
		e.byKey[at] = append(e.byKey[at], edit)
		if edit.Was != "" {
			left := edit
			left.Key, left.Op = edit.Was, Delete
			e.byKey[subject{edit.Entity, edit.Was}] = append(e.byKey[subject{edit.Entity, edit.Was}], left)
		}
	}
	return e
}

func (e *evidence) enter(s *shelf, r *Record) {
	at := subject{s.ent.name, r.Key()}
	if e.records[at] == nil {
		e.records[at] = map[string][]*Record{}
	}
	e.records[at][s.sys.name] = append(e.records[at][s.sys.name], r)
	e.byID[s][r.ID] = r
	for i := range r.Versions {
		if v := &r.Versions[i]; v.Cause.Kind != ByEffect || len(v.Asked) > 0 {
			key := subject{s.ent.name, s.ent.keyOf(v.Values)}
			e.said[key] = append(e.said[key], v)
		}
	}
}

// of lists the shelves of an entity.
func (e *evidence) of(entity string) []*shelf {
	var out []*shelf
	for _, s := range e.shelves {
		if s.ent.name == entity {
			out = append(out, s)
		}
	}
	return out
}

// shelf finds where an effect or an edit happened.
func (e *evidence) shelf(entity, system string) *shelf {
	for _, s := range e.shelves {
		if s.ent.name == entity && s.sys.name == system {
			return s
		}
	}
	return nil
}

// live is the live records of a key in a system.
func (e *evidence) live(at subject, system string) []*Record {
	var out []*Record
	for _, r := range e.records[at][system] {
		if r.Now().State == Live {
			out = append(out, r)
		}
	}
	return out
}

// verifier collects what is wrong.
type verifier struct {
	*evidence
	opt    VerifyOptions
	rules  map[subject][]string // by entity and field
	report Report
}

// authority is who is right about a field, best first.
func (v *verifier) authority(entity, field string) []string {
	at := subject{entity, field}
	systems, ok := v.rules[at]
	if !ok {
		systems = v.opt.Authority(entity, field)
		v.rules[at] = systems
	}
	return systems
}

// belongs reports whether a record belongs in a system.
func (v *verifier) belongs(s *shelf, values Values) bool {
	if v.opt.Scope == nil {
		return s.col.holds(values)
	}
	return v.opt.Scope(s.ent.name, s.sys.name, values)
}

func (v *verifier) problem(check string, at subject, field, system, detail string) {
	v.report.Problems = append(v.report.Problems, Problem{check, at.entity, at.key, field, system, detail})
}
