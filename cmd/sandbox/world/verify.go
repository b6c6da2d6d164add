package world

import (
	"cmp"
	"slices"
)

// Difference is something that may differ between the systems.
type Difference struct {
	Key   string `json:"key"`
	Field string `json:"field,omitempty"` // "" means the whole record, "presence" where it is
}

// Presence stands for a field in messages about whether a record is there.
const Presence = "presence"

// VerifyOptions say what is right. The zero value is the demo's rules.
type VerifyOptions struct {
	// Authority lists who is right about a field, best first; default the function Authority.
	Authority func(Field) []string

	// Scope says which bookings belong in a system; default: all in the PMS, and
	// in staybnb those of its channel.
	Scope func(system string, b Booking) bool

	// Deletes lists the systems whose deletes count; default both.
	Deletes []string

	// Known are the differences that were reported to people: holds, refusals,
	// rejected changes. They do not count as disagreements, and a held delete not
	// as lost.
	Known []Difference
}

func (o VerifyOptions) withDefaults() VerifyOptions {
	if o.Authority == nil {
		o.Authority = Authority
	}
	if o.Scope == nil {
		o.Scope = InScope
	}
	if o.Deletes == nil {
		o.Deletes = []string{PMS, Staybnb}
	}
	return o
}

// InScope is the demo's scope: the PMS holds every booking, staybnb its own.
func InScope(system string, b Booking) bool {
	return system == PMS || b.Get(Channel) == Staybnb
}

// known reports whether a difference was declared.
func (o VerifyOptions) known(key, field string) bool {
	return slices.ContainsFunc(o.Known, func(d Difference) bool {
		return KeyOf(d.Key) == key && (d.Field == "" || d.Field == field)
	})
}

// Verify checks the proof on the world's own truth, as it stands now: every
// record agrees in both systems or is a known difference; every edit of a person
// is in both, or was replaced by a later edit or by the authority's value; no
// request took effect twice; no client deleted what no person had deleted, wrote
// over what it had not been shown, or brought in a value that nobody gave.
func Verify(w *World, o VerifyOptions) Report {
	w.mu.Lock()
	e := newEvidence(w)
	w.mu.Unlock()
	v := &verifier{evidence: e, opt: o.withDefaults(), seen: map[Difference]bool{}}
	v.report.Requests, v.report.Serves, v.report.Faults = e.requests, len(e.serves), e.faults
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
	systems  []string
	keys     []string                        // all that ever were, sorted
	records  map[string]map[string][]*Record // by key, then system, in order of their numbers
	byID     map[string]map[string]*Record   // by system, then ID
	editLog  []Edit
	byKey    map[string][]Edit // edits, in order
	effects  []Effect
	serves   []Serve
	requests int
	faults   map[Kind]int
}

// newEvidence runs under the world's lock.
func newEvidence(w *World) *evidence {
	e := &evidence{systems: []string{PMS, Staybnb}, records: map[string]map[string][]*Record{},
		byID: map[string]map[string]*Record{}, byKey: map[string][]Edit{},
		editLog: slices.Clone(w.truth.edits), effects: slices.Clone(w.truth.effects), serves: slices.Clone(w.truth.serves),
		requests: len(w.truth.requests), faults: map[Kind]int{}}
	for _, r := range w.truth.requests {
		if r.Fault != "" {
			e.faults[r.Fault]++
		}
	}
	for _, system := range e.systems {
		e.byID[system] = map[string]*Record{}
		for _, r := range w.records(system) {
			e.enter(system, &r)
		}
	}
	for key := range e.records {
		e.keys = append(e.keys, key)
	}
	slices.Sort(e.keys)
	for _, edit := range e.editLog {
		e.byKey[edit.Key] = append(e.byKey[edit.Key], edit)
	}
	return e
}

func (e *evidence) enter(system string, r *Record) {
	key := r.Now().Booking.Key()
	if e.records[key] == nil {
		e.records[key] = map[string][]*Record{}
	}
	e.records[key][system] = append(e.records[key][system], r)
	e.byID[system][r.ID] = r
}

// live is the live records of a key in a system.
func (e *evidence) live(key, system string) []*Record {
	var out []*Record
	for _, r := range e.records[key][system] {
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
	report Report
	seen   map[Difference]bool
}

func (v *verifier) problem(check, key, field, system, detail string) {
	v.report.Problems = append(v.report.Problems, Problem{check, key, field, system, detail})
}

// agreement compares the systems, key by key and field by field.
func (v *verifier) agreement() {
	for _, key := range v.keys {
		before := len(v.report.Problems)
		held, known := v.present(key)
		if held == nil {
			continue
		}
		v.report.Keys++
		if len(held) == 2 {
			known = v.compare(key, held[0], held[1]) || known
		}
		switch {
		case len(v.report.Problems) > before:
			v.report.Disagree++
		case known:
			v.report.Known++
		default:
			v.report.Agree++
		}
	}
}

// present checks where a key is, and returns its live records, one per system.
func (v *verifier) present(key string) (held []*Record, known bool) {
	var there *Record
	for _, system := range v.systems {
		if live := v.live(key, system); len(live) > 0 {
			there = cmp.Or(there, live[0])
		}
	}
	if there == nil {
		return nil, false
	}
	for _, system := range v.systems {
		live := v.live(key, system)
		want := 0
		if v.opt.Scope(system, there.Now().Booking) {
			want = 1
		}
		if len(live) > 0 {
			held = append(held, live[0])
		}
		if len(live) == want {
			continue
		}
		if v.opt.known(key, Presence) {
			known = true
			continue
		}
		v.problem(CheckAgree, key, Presence, system, plural(len(live), "live record")+" where "+plural(want, "is", "are")+" right")
	}
	return held, known
}

func (v *verifier) compare(key string, a, b *Record) (known bool) {
	for _, f := range Fields() {
		v.report.Fields++
		x, y := a.Now().Booking[f], b.Now().Booking[f]
		if agrees(f, x, y) {
			continue
		}
		if v.opt.known(key, f.String()) {
			known = true
			v.report.KnownFields++
			continue
		}
		v.problem(CheckAgree, key, f.String(), "", a.System+" has "+show(x)+", "+b.System+" has "+show(y))
	}
	return known
}

// deletes checks that clients only deleted what a person had deleted elsewhere.
func (v *verifier) deletes() {
	for _, e := range v.effects {
		if e.Op != Delete {
			continue
		}
		asked := slices.ContainsFunc(v.byKey[e.Key], func(d Edit) bool {
			return d.Op == Delete && d.System != e.System && d.Version < e.Version
		})
		if !asked {
			v.problem(CheckUnaskedDelete, e.Key, Presence, e.System, requestOf(e)+" deleted a booking that nobody had deleted")
		}
	}
}

// invented checks that every value came from a person: one of the key's records,
// in any system, held it by seed or by an edit.
func (v *verifier) invented() {
	for _, key := range v.keys {
		for _, system := range v.systems {
			for _, r := range v.live(key, system) {
				for _, f := range Fields() {
					if !v.given(key, f, r.Now().Booking[f]) {
						v.problem(CheckInvented, key, f.String(), system, "shows "+show(r.Now().Booking[f])+", which no person ever wrote")
					}
				}
			}
		}
	}
}

func (v *verifier) given(key string, f Field, value *string) bool {
	for _, system := range v.systems {
		for _, r := range v.records[key][system] {
			for _, version := range r.Versions {
				if version.Cause.Kind != ByEffect && agrees(f, version.Booking[f], value) {
					return true
				}
			}
		}
	}
	return false
}
