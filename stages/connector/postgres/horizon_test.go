package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/stages/connector/postgres/pgtest"
)

// Rows whose time is that of their transaction, and whose number is a sequence's.
const stamped = `CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text, note text, cents bigint,
	updated_at timestamptz DEFAULT now(), number bigserial);`

var numbered = parts{fields: "{id: string, code: string, note: string, cents: int64, number: int64}", incremental: "{cursor_field: number, lookback_window: 0s}"}

// The first lesson of every tool that reads a database by time: a row that was
// stamped before the read and committed after it must still arrive.
func TestARowCommittedLateUnderAnOlderTimeIsRead(t *testing.T) {
	for name, p := range map[string]parts{"time": {}, "number": numbered} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, stamped)
			s := stream(t, w.dsn(), p)
			s.margin = 0
			late := w.server.Connect(t, w.name)
			pgtest.Exec(t, late, "BEGIN; INSERT INTO items (code) VALUES ('late')")
			w.exec("INSERT INTO items (code) VALUES ('early')")
			first := mustRead(t, s, after(pipeline.Checkpoint{}), "code")
			if !slices.Equal(first.rows, []string{"2|early"}) {
				t.Fatalf("first: %v", first.rows)
			}
			pgtest.Exec(t, late, "COMMIT")
			second := mustRead(t, s, after(first.last()), "code")
			if !slices.Contains(second.rows, "1|late") {
				t.Errorf("after %+v only %v came", first.last(), second.rows)
			}
			if !second.last().Cursor.Set {
				t.Error("the cursor stays though nobody is in a transaction any more")
			}
		})
	}
}

func TestTheCursorStaysWhileATransactionHidesItsStart(t *testing.T) {
	w := newWorld(t, stamped)
	w.exec("INSERT INTO items (code) VALUES ('a')")
	w.exec("DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN; GRANT SELECT ON items TO poor")
	t.Cleanup(func() { w.exec("DROP OWNED BY poor; DROP ROLE poor") })
	s := stream(t, strings.Replace(w.dsn(), "trueup:", "poor:", 1), parts{})
	s.margin = 0
	other := w.server.Connect(t, w.name)
	pgtest.Exec(t, other, "BEGIN; SELECT 1")
	r := mustRead(t, s, after(pipeline.Checkpoint{}), "code")
	if r.last().Cursor.Set || len(r.rows) != 1 || !strings.Contains(r.end.Reason, "pg_read_all_stats") {
		t.Errorf("rows %v, checkpoint %+v, reason %q", r.rows, r.last(), r.end.Reason)
	}
	pgtest.Exec(t, other, "COMMIT")
	if r := mustRead(t, s, after(pipeline.Checkpoint{}), "code"); !r.last().Cursor.Set {
		t.Errorf("nobody is in a transaction and the cursor stays: %q", r.end.Reason)
	}
	pgtest.Exec(t, other, "BEGIN; SELECT 1")
	w.exec("GRANT pg_read_all_stats TO poor")
	if r := mustRead(t, s, after(pipeline.Checkpoint{}), "code"); !r.last().Cursor.Set {
		t.Errorf("the role may see it and the cursor stays: %q", r.end.Reason)
	}
}

func TestTheCursorStaysWhileATransactionIsPrepared(t *testing.T) {
	w := newWorld(t, stamped)
	s := stream(t, w.dsn(), parts{})
	s.margin = 0
	w.exec("INSERT INTO items (code) VALUES ('a')")
	prepared := w.server.Connect(t, w.name)
	pgtest.Exec(t, prepared, "BEGIN; INSERT INTO items (code) VALUES ('b'); PREPARE TRANSACTION 'p'")
	if r := mustRead(t, s, after(pipeline.Checkpoint{})); r.last().Cursor.Set || r.end.Reason == "" {
		t.Errorf("checkpoint %+v, reason %q", r.last(), r.end.Reason)
	}
	pgtest.Exec(t, prepared, "COMMIT PREPARED 'p'")
	if r := mustRead(t, s, after(pipeline.Checkpoint{})); !r.last().Cursor.Set || len(r.rows) != 2 {
		t.Errorf("checkpoint %+v, rows %v", r.last(), r.rows)
	}
}

func TestACursorIsNeverBeyondTheHorizonNorBeforeTheLastOne(t *testing.T) {
	at := func(n int64) pipeline.Cursor {
		return pipeline.Cursor{Literal: fmt.Sprint(n), Order: n, Set: true}
	}
	h := horizon{order: 10, known: true}
	for _, c := range []struct {
		name           string
		h              horizon
		at, last, want pipeline.Cursor
	}{
		{"below", h, at(9), at(3), at(9)},
		{"at it", h, at(10), at(3), at(10)},
		{"above", h, at(11), at(3), pipeline.Cursor{Order: 10, Set: true}},
		{"the last one is above it", h, at(12), at(11), at(11)},
		{"nothing was read", h, pipeline.Cursor{}, at(3), at(3)},
		{"not known", horizon{}, at(9), at(3), at(3)},
		{"not known, and first", horizon{}, at(9), pipeline.Cursor{}, pipeline.Cursor{}},
	} {
		if got := c.h.clamp(c.at, c.last); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestAPassThatGoesOnIsBoundByBothHorizons(t *testing.T) {
	low, high, none := horizon{order: 1, known: true}, horizon{order: 2, known: true}, horizon{why: "x"}
	for _, c := range [][3]horizon{{low, high, low}, {high, low, low}, {none, low, none}, {low, none, none}} {
		if got := c[0].lower(c[1]); got != c[2] {
			t.Errorf("%+v and %+v: %+v", c[0], c[1], got)
		}
	}
	w := newWorld(t, stamped)
	s := stream(t, w.dsn(), parts{})
	s.margin = 0
	w.exec("INSERT INTO items (code, updated_at) VALUES ('a', '" + stamp(1) + "'), ('b', '" + stamp(5) + "')")
	from := position{set: true, Cursor: stamp(3), Key: []string{"1"}, horizon: horizon{order: 1_577_836_800_000_000 + 2_000_000, known: true}}
	r := mustRead(t, s, pipeline.ReadRequest{Mode: pipeline.Incremental, From: pipeline.Checkpoint{Page: from.String()}}, "code")
	if !slices.Equal(r.rows, []string{"2|b"}) || r.last().Cursor.Order != from.horizon.order {
		t.Errorf("rows %v, cursor %+v", r.rows, r.last().Cursor)
	}
}

// schedule is a few writers and a reader, interleaved at will.
type schedule struct {
	t       *rapid.T
	w       *world
	s       *Stream
	writers []*pgconn.PgConn
	open    []bool
	at      pipeline.Checkpoint
	seen    map[string]bool
	count   int
}

func (x *schedule) do(i int, statement string) {
	if _, err := x.writers[i].Exec(context.Background(), statement).ReadAll(); err != nil {
		x.t.Fatalf("%s: %v", statement, err)
	}
}

// step is one thing that somebody does.
func (x *schedule) step() {
	i := rapid.IntRange(0, len(x.writers)-1).Draw(x.t, "writer")
	switch what := rapid.SampledFrom([]string{"write", "write", "end", "read", "read"}).Draw(x.t, "what"); {
	case what == "read":
		x.read()
	case what == "write":
		if !x.open[i] {
			x.do(i, "BEGIN")
			x.open[i] = true
		}
		x.count++
		x.do(i, "INSERT INTO items (code) VALUES ('c"+strconv.Itoa(x.count)+"')")
	case x.open[i]:
		x.do(i, rapid.SampledFrom([]string{"COMMIT", "ROLLBACK"}).Draw(x.t, "end"))
		x.open[i] = false
	}
}

// read goes on from the last checkpoint, as the next run does.
func (x *schedule) read() {
	r := mustRead(x.w.t, x.s, after(x.at))
	for _, id := range r.rows {
		x.seen[id] = true
	}
	x.at = r.last()
}

func TestWhateverIsCommittedWheneverIsRead(t *testing.T) {
	for name, p := range map[string]parts{"time": {}, "number": numbered} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, stamped)
			writers := []*pgconn.PgConn{w.server.Connect(t, w.name), w.server.Connect(t, w.name), w.server.Connect(t, w.name)}
			s := stream(t, w.dsn(), p)
			s.margin = 0
			rapid.Check(t, func(rt *rapid.T) {
				w.exec("TRUNCATE items RESTART IDENTITY; SELECT 1")
				x := &schedule{t: rt, w: w, s: s, writers: writers, open: make([]bool, len(writers)), seen: map[string]bool{}}
				defer func() {
					for i := range writers {
						x.do(i, "ROLLBACK")
					}
				}()
				for range rapid.IntRange(3, 20).Draw(rt, "steps") {
					x.step()
				}
				for i, open := range x.open {
					if open {
						x.do(i, "COMMIT")
						x.open[i] = false
					}
				}
				x.read()
				for _, row := range w.exec("SELECT id FROM items") {
					if !x.seen[row[0]] {
						rt.Fatalf("row %s was committed and never read; cursor %+v", row[0], x.at.Cursor)
					}
				}
			})
		})
	}
}

func TestOrderOfACursorIsRoundedDownAndRefusesWhatIsNoInstant(t *testing.T) {
	c := &cursorColumn{isTime: true}
	for text, want := range map[string]time.Time{
		"2020-01-01 00:00:00.123456+00":       time.Date(2020, 1, 1, 0, 0, 0, 123_456_000, time.UTC),
		"2020-01-01 00:00:00+05:30":           time.Date(2019, 12, 31, 18, 30, 0, 0, time.UTC),
		"1800-01-01 00:00:00.000001-00:01:15": time.Date(1800, 1, 1, 0, 1, 15, 1000, time.UTC),
	} {
		if got, ok := c.orderOf(text); !ok || got != want.UnixMicro() {
			t.Errorf("%s: %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"infinity", "-infinity", "0044-03-15 00:00:00+00 BC", ""} {
		if got, ok := c.orderOf(text); ok {
			t.Errorf("%s is %d", text, got)
		}
	}
	if got := c.bound(1_577_836_800_123_456, ""); got != "2020-01-01T00:00:00.123456Z" {
		t.Errorf("bound %s", got)
	}
}

// The snapshot comes after the horizon: what ends between the two is in it.
func TestWhatIsWaitedForIsInTheSnapshot(t *testing.T) {
	w := newWorld(t, stamped)
	s := stream(t, w.dsn(), numbered)
	late := w.server.Connect(t, w.name)
	pgtest.Exec(t, late, "BEGIN; INSERT INTO items (code) VALUES ('late')")
	w.exec("INSERT INTO items (code) VALUES ('early')")
	s.client.wait = func(context.Context, time.Duration) error {
		pgtest.Exec(t, late, "COMMIT")
		return nil
	}
	r := mustRead(t, s, after(pipeline.Checkpoint{}), "code")
	if !slices.Equal(r.rows, []string{"1|late", "2|early"}) || r.last().Cursor.Order != 2 {
		t.Errorf("rows %v, cursor %+v", r.rows, r.last().Cursor)
	}
}
