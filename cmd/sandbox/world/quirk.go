package world

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// happens lets people act right before a request, where its fault says so.
func (w *World) happens(v *server, c *call) {
	r := w.rng("fault/people", c.n)
	switch c.fault.Kind {
	case Shift:
		w.shift(r, v, c)
	case Vanish, Rekey, Remake, Revive:
		if s := w.anyShelf(r, v, c); s != nil {
			w.meddle(r, c.fault.Kind, s)
		}
	}
}

// shift edits a row of an earlier page.
func (w *World) shift(r *rand.Rand, v *server, c *call) {
	rows, limit, err := v.matching(c)
	if err != nil {
		return
	}
	from, err := v.from(c, rows, limit)
	if err != nil {
		return
	}
	live := filter(rows[:min(from, len(rows))], func(x row) bool {
		return x.version.State == Live && !w.dead[subject{x.Entity, x.Key()}]
	})
	if len(live) > 0 {
		rec := pick(r, live)
		w.must(w.edit(c.shelf, rec.ID, c.shelf.newValue(r, pick(r, c.shelf.ent.habit.edits), rec.Now().Values, w.now)))
	}
}

// anyShelf is where the meddling of a fault happens: where the request looks, or
// anywhere in its system.
func (w *World) anyShelf(r *rand.Rand, v *server, c *call) *shelf {
	if c.shelf != nil {
		return c.shelf
	}
	if len(v.shelves) == 0 {
		return nil
	}
	return pick(r, v.shelves)
}

// meddle deletes a quiet record silently, gives it another key, makes it again, or
// brings back one that was deleted.
func (w *World) meddle(r *rand.Rand, k Kind, s *shelf) {
	if k == Revive {
		w.reviveAny(r, s)
		return
	}
	rec := w.anyRecord(r, s, func(rec *Record) bool { return !w.busy(s.ent.name, rec.Key()) })
	if rec == nil {
		return
	}
	switch k {
	case Vanish:
		w.must(w.remove(s, rec.ID, Vanished))
	case Rekey:
		key := s.ent.key[0]
		w.must(w.edit(s, rec.ID, Values{key: Text(rec.Now().Values.Get(key) + "-B")}))
	case Remake:
		w.must(w.remove(s, rec.ID, s.sys.gone()))
		w.must(w.create(s, rec.Now().Values))
	}
}

func (w *World) reviveAny(r *rand.Rand, s *shelf) {
	var gone []string
	for id, rec := range s.records {
		if rec.Now().State != Live && len(s.byKey[rec.Key()]) == 0 {
			gone = append(gone, id)
		}
	}
	if len(gone) > 0 {
		slices.Sort(gone)
		w.must(w.revive(s, pick(r, gone)))
	}
}

// bend leaves out a row of a page, or shows the last row of the page before again.
func (v *server) bend(c *call, earlier, cut []row) []row {
	switch {
	case c.suffers(Omit) && len(cut) > 0:
		at := v.w.rng("fault/omit", c.n).IntN(len(cut))
		return slices.Concat(cut[:at], cut[at+1:])
	case c.suffers(Repeat) && len(earlier) > 0:
		return slices.Concat(earlier[len(earlier)-1:], cut)
	}
	return cut
}

// spoil breaks a value of one of the records of an answer, and says of which: -1
// is none.
func (v *server) spoil(c *call, objects []any) int {
	if !c.suffers(Malform) || len(objects) == 0 {
		return -1
	}
	r := v.w.rng("fault/malform", c.n)
	at := r.IntN(len(objects))
	if object, ok := objects[at].(map[string]any); ok {
		place(object, pick(r, c.shelf.col.members).path, map[string]any{"$error": "conversion failed"})
	}
	return at
}

// Fold is a way in which a system keeps a value other than it was sent.
type Fold string

// The ways.
const (
	Truncate20 Fold = "truncate" // to 20 characters
	Upper      Fold = "upper"
	Trim       Fold = "trim"  // and blanks in a row become one
	Round      Fold = "round" // amounts, to whole ones
)

// folds are the functions of the ways; they give the value as it is where they do not fit.
func folds() map[Fold]func(string) string {
	return map[Fold]func(string) string{
		Truncate20: func(s string) string { r := []rune(s); return string(r[:min(len(r), 20)]) },
		Upper:      strings.ToUpper,
		Trim:       func(s string) string { return strings.Join(strings.Fields(s), " ") },
		Round: func(s string) string {
			if n, err := cents(s); err == nil {
				return decimal((n + 50) / 100 * 100)
			}
			return s
		},
	}
}

// fitting lists the ways that fit a kind of field.
func (k kind) fitting() []Fold {
	switch k.name {
	case "text":
		return []Fold{Truncate20, Upper, Trim}
	case "amount":
		return []Fold{Round}
	}
	return nil
}

// alter is what the system keeps of a write that sets some values. Keys are always
// kept.
func (v *server) alter(c *call, set, values Values) stored {
	k := stored{values: values}
	r := v.w.rng("fault/alter", c.n)
	for _, f := range c.shelf.ent.fields {
		value, isSet := set[f.name]
		if !isSet || slices.Contains(c.shelf.ent.key, f.name) || len(f.kind.fitting()) == 0 || !c.shelf.writes(f.name) {
			continue
		}
		var now *string
		switch {
		case c.suffers(Defaults) && value == nil && f.kind.name == "text":
			now = Text("n/a")
		case c.suffers(Normalise) && value != nil && (c.fault.Field == "" || c.fault.Field == f.name):
			now = Text(folds()[cmp.Or(c.fault.How, pick(r, f.kind.fitting()))](*value))
		}
		if now == nil || same(now, value) {
			continue
		}
		if k.asked == nil {
			k.asked = Values{}
			k.values = maps.Clone(values)
		}
		k.values[f.name], k.asked[f.name] = now, value
	}
	return k
}

// writes reports whether clients can set a field here.
func (s *shelf) writes(field string) bool {
	return slices.ContainsFunc(s.col.members, func(m member) bool { return m.field == field })
}
