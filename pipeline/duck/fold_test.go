//go:build duckdb_arrow

package duck

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

var (
	textType   = schemas.Type{Kind: schemas.String}
	numberType = schemas.Type{Kind: schemas.Int64}
)

// foldTables are one table per fold rule and kind of key.
func foldTables() []tables.Table {
	replica := tables.Replica(pipeline.StreamID{Entity: "b", System: "s"}, []schemas.Column{{Name: "payload", Type: textType}})
	hashed := tables.Table{Name: "hashed", Fold: tables.Newest, Key: []string{pipeline.ColKey, "part"}, Columns: []schemas.Column{
		{Name: pipeline.ColKHash, Type: numberType}, {Name: pipeline.ColKey, Type: textType},
		{Name: "part", Type: textType}, {Name: "payload", Type: textType}}}
	plain := tables.Table{Name: "plain", Fold: tables.Newest, Key: []string{"key", "part"}, Columns: []schemas.Column{
		{Name: "key", Type: textType}, {Name: "part", Type: textType}, {Name: "payload", Type: textType}}}
	every := tables.Table{Name: "every", Fold: tables.Append, Columns: []schemas.Column{
		{Name: pipeline.ColKHash, Type: numberType}, {Name: pipeline.ColKey, Type: textType}, {Name: "payload", Type: textType}}}
	return []tables.Table{replica, hashed, plain, every}
}

// observed is a row of the plain model.
type observed struct {
	key, payload string
	part         *string // _id of a replica
	version      *int64
	epoch        *int64
	asked        *time.Time
	kind         lake.FileKind
	seq          uint64
	ord, pos     int
}

// hashOf puts a few keys on the same hash, as it can happen.
func hashOf(key string) int64 {
	n := int64(key[0]-'a') / 2
	return (n - 2) * (1 << 61)
}

func deref[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// row is the row in the columns of a table.
func (o observed) row(t tables.Table) []any {
	out := make([]any, len(t.Columns))
	for i, c := range t.Columns {
		switch c.Name {
		case pipeline.ColKHash:
			out[i] = hashOf(o.key)
		case pipeline.ColKey, "key":
			out[i] = o.key
		case pipeline.ColID, "part":
			out[i] = deref(o.part)
		case pipeline.ColVersion:
			out[i] = deref(o.version)
		case pipeline.ColEpoch:
			out[i] = deref(o.epoch)
		case pipeline.ColAskedAt:
			out[i] = deref(o.asked)
		case "payload":
			out[i] = o.payload
		}
	}
	return out
}

// compare is the one comparator, said again in plain Go.
func (o observed) compare(p observed, rule tables.Fold) int {
	place := cmp.Or(cmp.Compare(o.seq, p.seq), cmp.Compare(o.ord, p.ord), cmp.Compare(o.pos, p.pos))
	if rule != tables.Ordered {
		return place
	}
	return cmp.Or(nullLowest(o.version, p.version, cmp.Compare[int64]), nullLowest(o.epoch, p.epoch, cmp.Compare[int64]),
		nullLowest(o.asked, p.asked, func(a, b time.Time) int { return a.Compare(b) }), place)
}

func nullLowest[T any](a, b *T, compare func(a, b T) int) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return compare(*a, *b)
}

func (o observed) id() string { return fmt.Sprint(o.key, "|", deref(o.part)) }

// choose is the fold in plain Go: the rows that count, and the others.
func choose(rows []observed, rule tables.Fold) (kept, replaced []observed) {
	if rule == tables.Append {
		return rows, nil
	}
	best := map[string]observed{}
	for _, o := range rows {
		if b, ok := best[o.id()]; !ok || o.compare(b, rule) > 0 {
			best[o.id()] = o
		}
	}
	for _, o := range rows {
		if best[o.id()].payload == o.payload {
			kept = append(kept, o)
		} else {
			replaced = append(replaced, o)
		}
	}
	return kept, replaced
}

func payloads(rows []observed) []string {
	out := make([]string, 0, len(rows))
	for _, o := range rows {
		out = append(out, o.payload)
	}
	slices.Sort(out)
	return out
}

func optional[T any](g *rapid.Generator[T]) *rapid.Generator[*T] { return rapid.Ptr(g, true) }

// state is a table's files with the model's rows of each.
type state struct {
	table tables.Table
	rows  []observed
	count int
}

// drawRows are rows as a writer gets them; every payload is its own.
func (s *state) drawRows(t *rapid.T) []observed {
	instant := rapid.Map(rapid.Int64Range(0, 2), func(n int64) time.Time { return time.UnixMicro(n).UTC() })
	out := make([]observed, rapid.IntRange(1, 8).Draw(t, "rows"))
	for i := range out {
		s.count++
		out[i] = observed{payload: fmt.Sprintf("p%04d", s.count),
			key:     rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "key"),
			part:    optional(rapid.SampledFrom([]string{"", "1"})).Draw(t, "part"),
			version: optional(rapid.SampledFrom([]int64{-1 << 63, 0, 1, 2})).Draw(t, "version"),
			epoch:   optional(rapid.Int64Range(1, 2)).Draw(t, "epoch"), asked: optional(instant).Draw(t, "asked")}
	}
	return out
}

// put adds a file of rows to the lake and to the model.
func (s *state) put(f *fixture, kind lake.FileKind, seq uint64, rows []observed) {
	if len(rows) == 0 {
		return
	}
	if s.table.Columns[0].Name == pipeline.ColKHash {
		slices.SortStableFunc(rows, func(a, b observed) int { return cmp.Compare(hashOf(a.key), hashOf(b.key)) })
	}
	cells := make([][]any, len(rows))
	for i, o := range rows {
		cells[i] = o.row(s.table)
		o.kind, o.seq, o.ord, o.pos = kind, seq, len(f.files[s.table.Name]), i
		s.rows = append(s.rows, o)
	}
	f.add(s.table, kind, seq, cells)
}

// draw makes a lake: perhaps a fold of the past, then deltas.
func draw(t *rapid.T, f *fixture, table tables.Table) *state {
	s := &state{table: table}
	f.files[table.Name] = nil
	seq := uint64(1)
	if table.Fold != tables.Append && rapid.Bool().Draw(t, "folded") {
		past := s.drawRows(t)
		for i := range past {
			past[i].pos = i
		}
		kept, replaced := choose(past, table.Fold)
		s.put(f, lake.History, seq, replaced)
		half := rapid.IntRange(0, len(kept)).Draw(t, "half")
		s.put(f, lake.Folded, seq, slices.Clone(kept[:half]))
		s.put(f, lake.Folded, seq, slices.Clone(kept[half:]))
	}
	for range rapid.IntRange(0, 3).Draw(t, "deltas") {
		seq += uint64(rapid.IntRange(0, 1).Draw(t, "gap"))
		s.put(f, lake.Delta, seq, s.drawRows(t))
	}
	return s
}

func TestOneComparatorChoosesTheRowThatCounts(t *testing.T) {
	f := newFixture(t)
	e := open(t, f, Options{})
	for _, table := range foldTables() {
		t.Run(table.Name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				s := draw(rt, f, table)
				session := begin(t, e, f)
				defer session.Close()
				if err := session.Current(t.Context(), table, "it"); err != nil {
					rt.Fatal(err)
				}
				kept, _ := choose(s.rows, table.Fold)
				if d := gocmp.Diff(payloads(kept), ask(t, session, "SELECT payload FROM it ORDER BY payload"), nonNil()); d != "" {
					rt.Fatalf("current rows (-model +view):\n%s", d)
				}
				s.checkRows(rt, t, session)
				s.checkSpans(rt, t, session, payloads(kept))
			})
		})
	}
}

func nonNil() gocmp.Option {
	return gocmp.Transformer("nonNil", func(s []string) string { return strings.Join(s, "\n") })
}

// checkRows: the story is whole, and every row has its place.
func (s *state) checkRows(rt *rapid.T, t *testing.T, session *Session) {
	if err := session.Rows(t.Context(), s.table, "every"); err != nil {
		rt.Fatal(err)
	}
	want := make([]string, 0, len(s.rows))
	for _, o := range s.rows {
		want = append(want, fmt.Sprintf("%d|%d|%d|%s", o.seq, o.ord, o.pos, o.payload))
	}
	got := ask(t, session, "SELECT _seq, _ord, _pos, payload FROM every ORDER BY payload")
	slices.SortFunc(want, func(a, b string) int {
		return cmp.Compare(a[strings.LastIndex(a, "|"):], b[strings.LastIndex(b, "|"):])
	})
	if d := gocmp.Diff(want, got, nonNil()); d != "" {
		rt.Fatalf("places (-model +view):\n%s", d)
	}
}

// checkSpans: ranges of the hash show every row that counts once.
func (s *state) checkSpans(rt *rapid.T, t *testing.T, session *Session, want []string) {
	if s.table.Columns[0].Name != pipeline.ColKHash {
		return
	}
	var got []string
	for _, span := range Spans(rapid.IntRange(1, 5).Draw(rt, "spans")) {
		if err := session.Current(t.Context(), s.table, "part", Range(span.Lowest, span.Highest)); err != nil {
			rt.Fatal(err)
		}
		got = append(got, ask(t, session, "SELECT payload FROM part")...)
	}
	slices.Sort(got)
	if d := gocmp.Diff(want, got, nonNil()); d != "" {
		rt.Fatalf("ranges (-model +views):\n%s", d)
	}
}

func TestCompactionChangesNoCurrentRowAndKeepsTheStory(t *testing.T) {
	f := newFixture(t)
	e := open(t, f, Options{})
	for _, table := range foldTables() {
		t.Run(table.Name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				draw(rt, f, table)
				plan, rest := drawPlan(rt, f.files[table.Name], table)
				if len(plan.Inputs) == 0 {
					return
				}
				before := story(t, e, f, table)
				made, err := e.Fold(t.Context(), table, plan, 1, f.writer())
				if err != nil {
					rt.Fatal(err)
				}
				place := plan.Inputs[len(plan.Inputs)-1].Seq
				for i := range made {
					made[i].Seq = place
				}
				f.files[table.Name] = append(append(rest.before, made...), rest.after...)
				if d := gocmp.Diff(before, story(t, e, f, table), nonNil()); d != "" {
					rt.Fatalf("(-before +after):\n%s", d)
				}
				checkOneFoldedRowPerKey(rt, t, e, f, table, made)
			})
		})
	}
}

type rest struct{ before, after []lake.File }

// drawPlan takes a run of files from the first one on.
func drawPlan(t *rapid.T, files []lake.File, table tables.Table) (lake.Compaction, rest) {
	plan := lake.Compaction{Table: table.Name, Fold: table.Fold != tables.Append}
	var r rest
	upTo := rapid.IntRange(0, len(files)).Draw(t, "upTo")
	for i, f := range files {
		switch {
		case f.Kind == lake.History:
			r.before = append(r.before, f)
		case i < upTo || f.Kind == lake.Folded:
			plan.Inputs = append(plan.Inputs, f)
		default:
			r.after = append(r.after, f)
		}
	}
	return plan, r
}

// story is what a person sees: the rows that count, and of every key its rows in
// the order of observation.
func story(t *testing.T, e *Engine, f *fixture, table tables.Table) []string {
	s := begin(t, e, f)
	defer s.Close()
	ctx := context.Background()
	if err := s.Current(ctx, table, "it"); err != nil {
		t.Fatal(err)
	}
	if err := s.Rows(ctx, table, "every"); err != nil {
		t.Fatal(err)
	}
	r := &reading{table: table}
	out := ask(t, s, "SELECT "+r.columns()+" FROM it ORDER BY payload")
	return append(out, ask(t, s, "SELECT "+r.columns()+" FROM every ORDER BY "+r.order())...)
}

func checkOneFoldedRowPerKey(rt *rapid.T, t *testing.T, e *Engine, f *fixture, table tables.Table, made []lake.File) {
	if table.Fold == tables.Append {
		return
	}
	var folded []lake.File
	for _, m := range made {
		if m.Kind == lake.Folded {
			folded = append(folded, m)
		}
	}
	s := begin(t, e, inputsOf{Inputs: folded})
	defer s.Close()
	if err := s.Rows(t.Context(), table, "folded"); err != nil {
		rt.Fatal(err)
	}
	r := &reading{table: table}
	if twice := ask(t, s, "SELECT "+quoteAll(r.key())+" FROM folded GROUP BY ALL HAVING count(*) > 1"); len(twice) > 0 {
		rt.Fatalf("folded twice: %v", twice)
	}
}
