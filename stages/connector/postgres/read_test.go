package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/stages/connector/postgres/pgtest"
)

func TestEveryTypeIsReadExactly(t *testing.T) {
	w := newWorld(t, `CREATE TYPE mood AS ENUM ('ok', 'sad');
CREATE TABLE items (id uuid PRIMARY KEY, code text, money numeric, small smallint, flag boolean, real double precision, day date, clock time,
  at timestamptz, doc jsonb, tags text[], state mood, naive timestamp);
INSERT INTO items VALUES
 ('00000000-0000-0000-0000-000000000001', E'O''Neil \\ "é"', 12345678901234567890.10, -7, true, 0.1, '2024-02-29', '23:59:59.000001',
  '2024-03-31 01:30:00.123456+02', '{"b": 1.10, "a": [null]}', '{x,"y,z"}', 'sad', '2024-07-01 12:00:00'),
 ('00000000-0000-0000-0000-000000000002', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);`)
	s := stream(t, w.dsn(), parts{incremental: "none", fields: `{id: string, code: string, money: "decimal(38,2)", small: int64, flag: bool, real: double,
            day: date, clock: time, at: timestamp, doc: json, tags: "list(string)", state: {type: string, enum: [ok, sad]},
            naive: {type: timestamp, format: "%Y-%m-%d %H:%M:%S", zone: Europe/Lisbon}}`})
	names := []string{"code", "money", "small", "flag", "real", "day", "clock", "at", "doc", "tags", "state", "naive"}
	want := []string{
		`00000000-0000-0000-0000-000000000001|O'Neil \ "é"|12345678901234567890.10|-7|true|0.1|2024-02-29|23:59:59.000001|1711841400123456|{"a":[null],"b":1.1}|["x","y,z"]|sad|1719831600000000`,
		`00000000-0000-0000-0000-000000000002` + strings.Repeat("|null", len(names))}
	if r := mustRead(t, s, sweepOf(), names...); !slices.Equal(r.rows, want) || len(r.dead) > 0 {
		t.Errorf("got  %q\nwant %q\ndead %+v", r.rows, want, r.dead)
	}
}

func TestARowThatDoesNotFitIsADeadLetterAndTheRestIsRead(t *testing.T) {
	w := newWorld(t, `CREATE TABLE items (id bigint PRIMARY KEY, code text, money numeric, real double precision, at timestamptz, day date);
INSERT INTO items VALUES (1, 'a', 1.5, 1, '2024-01-01', '2024-01-01'), (2, 'b', 'NaN', 1, NULL, NULL), (3, 'c', 1.234, 1, NULL, NULL),
 (4, 'd', 1, 'Infinity', NULL, NULL), (5, 'e', 1, 1, 'infinity', NULL), (6, 'f', 1, 1, NULL, '0044-03-15 BC'), (7, 'g', 99999, 1, NULL, NULL), (8, 'h', 2, 1, NULL, NULL);`)
	s := stream(t, w.dsn(), parts{incremental: "none", fields: `{id: string, code: string, money: "decimal(6,2)", real: double, at: timestamp, day: date}`})
	r := mustRead(t, s, sweepOf(), "code")
	if !slices.Equal(r.rows, []string{"1|a", "8|h"}) {
		t.Errorf("rows %v", r.rows)
	}
	var got []string
	for _, d := range r.dead {
		got = append(got, d.ID+" "+d.Field)
		if d.Reason == "" || !strings.Contains(d.Payload, "code: ") || d.AskedAt.IsZero() {
			t.Errorf("letter %+v", d)
		}
	}
	if want := []string{"2 money", "3 money", "4 real", "5 at", "6 day", "7 money"}; !slices.Equal(got, want) {
		t.Errorf("dead %v", got)
	}
}

// Naive times are refused without a declared zone, and a zone is refused where
// the column has its own.
func TestNaiveTimesAreRefusedWithoutADeclaredZone(t *testing.T) {
	for name, c := range map[string]struct{ column, field, help string }{
		"naive":       {"timestamp", "timestamp", "zone: "},
		"zoned twice": {"timestamptz", `{type: timestamp, format: "%Y-%m-%d %H:%M:%S", zone: Europe/Lisbon}`, "remove zone"},
		"a date":      {"date", "timestamp", "declare it as date"},
		"timetz":      {"timetz", "time", "declare it as string"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "CREATE TABLE items (id bigint PRIMARY KEY, code text, at "+c.column+")")
			s := stream(t, w.dsn(), parts{incremental: "none", fields: "{id: string, code: string, at: " + c.field + "}"})
			r := read(t, s, sweepOf())
			if !fault.Is(r.err, fault.Permanent) || !strings.Contains(r.err.Error(), c.help) {
				t.Errorf("got %v", r.err)
			}
		})
	}
}

// A batch ends inside a tie: thousands of rows of one time. Whoever goes on from
// there reads every other row once.
func TestAReadThatGoesOnInsideATieMissesNothingAndRepeatsNothing(t *testing.T) {
	w := newWorld(t, items)
	w.exec("INSERT INTO items (code, updated_at) SELECT 'c' || n, '" + stamp(1) + "' FROM generate_series(1, 22000) n")
	s := stream(t, w.dsn(), parts{})
	whole := mustRead(t, s, after(pipeline.Checkpoint{}))
	if len(whole.rows) != 22000 || len(whole.checkpoints) != 4 {
		t.Fatalf("%d rows, %d checkpoints", len(whole.rows), len(whole.checkpoints))
	}
	for i, c := range whole.checkpoints[:3] {
		r := mustRead(t, s, after(c))
		if i == 0 && !slices.Equal(r.rows, whole.rows[batchRows:]) {
			t.Errorf("after the first batch came %d rows, from %s on", len(r.rows), r.rows[0])
		}
		if c.Page == "" || c.LastID == "" {
			t.Errorf("checkpoint %d: %+v", i, c)
		}
	}
	if c := whole.last(); c.Page != "" || c.Rows != 22000 {
		t.Errorf("the last checkpoint: %+v", c)
	}
}

func TestTheLowerBoundIsTheLiteralOrTheMovedNumber(t *testing.T) {
	w := newWorld(t, items)
	w.insert(1, 9)
	s := stream(t, w.dsn(), parts{})
	c := mustRead(t, s, after(pipeline.Checkpoint{})).last().Cursor
	if c.Literal != stamp(9) {
		t.Errorf("cursor %+v", c)
	}
	if r := mustRead(t, s, pipeline.ReadRequest{Mode: pipeline.Incremental, Since: c}, "code"); !slices.Equal(r.rows, []string{"9|c9"}) {
		t.Errorf("at the cursor: %v", r.rows)
	}
	c.Back(2_000_000, true)
	if r := mustRead(t, s, pipeline.ReadRequest{Mode: pipeline.Incremental, Since: c}, "code"); !slices.Equal(r.rows, []string{"7|c7", "8|c8", "9|c9"}) {
		t.Errorf("two seconds back: %v", r.rows)
	}
}

func TestRowsWithoutACursorAreReadOrRefusedAsDeclared(t *testing.T) {
	w := newWorld(t, items)
	w.insert(1, 2)
	w.exec("INSERT INTO items (code) VALUES ('never')")
	s := stream(t, w.dsn(), parts{})
	first := mustRead(t, s, after(pipeline.Checkpoint{}), "code")
	again := mustRead(t, s, after(first.last()), "code")
	if !slices.Equal(first.rows, []string{"3|never", "1|c1", "2|c2"}) || !slices.Equal(again.rows, []string{"3|never", "2|c2"}) {
		t.Errorf("first %v, again %v", first.rows, again.rows)
	}
	strict := stream(t, w.dsn(), parts{incremental: "{cursor_field: updated_at, null_cursor: fail}"})
	if r := read(t, strict, after(pipeline.Checkpoint{})); !fault.Is(r.err, fault.Permanent) || !strings.Contains(r.err.Error(), "1 rows have no updated_at") {
		t.Errorf("got %v", r.err)
	}
	if r := mustRead(t, strict, sweepOf()); len(r.rows) != 3 {
		t.Errorf("a sweep read %v", r.rows)
	}
}

func TestASweepReadsOneSnapshotByKeyAndMovesTheCursor(t *testing.T) {
	w := newWorld(t, items)
	w.insert(1, 3)
	s := stream(t, w.dsn(), parts{})
	changed := false
	var rows []string
	_, err := s.Read(t.Context(), sweepOf(), func(b pipeline.Batch) error {
		if !changed {
			changed = true
			w.exec("INSERT INTO items (code) VALUES ('during'); UPDATE items SET code = 'x' || code; SELECT 1")
		}
		if b.Rows != nil {
			rows = append(rows, show(s, b.Rows, "code")...)
			b.Rows.Release()
		}
		if b.Checkpoint != nil && b.Checkpoint.Cursor.Literal != stamp(3) {
			t.Errorf("checkpoint %+v", b.Checkpoint)
		}
		return nil
	})
	if err != nil || !slices.Equal(rows, []string{"1|c1", "2|c2", "3|c3"}) {
		t.Errorf("%v %v", rows, err)
	}
}

func TestAQueryIsReadAsATable(t *testing.T) {
	w := newWorld(t, items)
	w.insert(1, 4)
	s := stream(t, w.dsn(), parts{source: `query: "SELECT id * 10 AS id, code, note, cents, updated_at FROM items WHERE cents > 2; "`})
	if r := mustRead(t, s, after(pipeline.Checkpoint{}), "code"); !slices.Equal(r.rows, []string{"30|c3", "40|c4"}) {
		t.Errorf("rows %v", r.rows)
	}
	got, err := s.Fetch(t.Context(), []string{"40", "10"})
	if err != nil || got.Batch.Rows.NumRows() != 1 || !slices.Equal(got.Gone, []string{"10"}) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestAKeyThatIsNullIsNoKey(t *testing.T) {
	w := newWorld(t, "CREATE TABLE items (id bigint, code text); INSERT INTO items VALUES (NULL, 'a')")
	s := stream(t, w.dsn(), parts{incremental: "none", fields: "{id: string, code: string}"})
	if r := read(t, s, sweepOf()); !fault.Is(r.err, fault.Permanent) || r.end.Proven {
		t.Errorf("%+v", r)
	}
}

func TestFetchGivesEveryIDOnePlace(t *testing.T) {
	w := newWorld(t, `CREATE TABLE items (hotel text, room int, code text, money numeric, PRIMARY KEY (hotel, room));
INSERT INTO items VALUES ('a', 1, 'a1', 1), ('a', 2, 'a2', 1.234), ('b"', 1, 'b1', 1)`)
	s := stream(t, w.dsn(), parts{incremental: "none", key: "[hotel, room]", fields: `{hotel: string, room: int64, code: string, money: "decimal(6,2)"}`})
	got, err := s.Fetch(t.Context(), []string{`["a","1"]`, `["a","2"]`, `["b\"","1"]`, `["c","1"]`, `["a","x"]`, `["a"]`, "a"})
	if err != nil {
		t.Fatal(err)
	}
	if rows := show(s, got.Batch.Rows, "code"); !slices.Equal(rows, []string{`["a","1"]|a1`, `["b\"","1"]|b1`}) {
		t.Errorf("live %v", rows)
	}
	if !slices.Equal(got.Gone, []string{`["c","1"]`}) {
		t.Errorf("gone %v", got.Gone)
	}
	for _, id := range []string{`["a","2"]`, `["a","x"]`, `["a"]`, "a"} {
		if got.Failed[id] == nil {
			t.Errorf("%s did not fail: %v", id, got.Failed)
		}
	}
	if len(got.Failed) != 4 {
		t.Errorf("failed %v", got.Failed)
	}
}

func TestFetchOfManyIDsAsksInChunks(t *testing.T) {
	w := newWorld(t, items)
	w.insert(1, 1200)
	s := stream(t, w.dsn(), parts{})
	var ids []string
	for n := range 1300 {
		ids = append(ids, fmt.Sprint(n+1))
	}
	got, err := s.Fetch(t.Context(), ids)
	if err != nil || got.Batch.Rows.NumRows() != 1200 || len(got.Gone) != 100 {
		t.Errorf("%d rows, %d gone, %v", got.Batch.Rows.NumRows(), len(got.Gone), err)
	}
}

func TestNoErrorShowsThePassword(t *testing.T) {
	w := newWorld(t, items)
	for name, dsn := range map[string]string{
		"unreachable": "postgres://trueup:" + pgtest.Password + "@127.0.0.1:1/x?connect_timeout=1",
		"no database": strings.Replace(w.dsn(), w.name, "nothing", 1),
		"no table":    strings.Replace(w.dsn(), w.name, "postgres", 1),
	} {
		r := read(t, stream(t, dsn, parts{}), sweepOf())
		if r.err == nil || strings.Contains(fault.Describe(r.err), pgtest.Password) {
			t.Errorf("%s: %v", name, r.err)
		}
		if kind := fault.KindOf(r.err); (name == "unreachable") != (kind == fault.Transient) {
			t.Errorf("%s is %s: %v", name, kind, r.err)
		}
	}
	if _, err := load(t, parts{}.yaml("postgres://trueup:"+pgtest.Password+"@host:port/%zz")); err == nil || strings.Contains(err.Error(), pgtest.Password) {
		t.Errorf("a dsn that cannot be read: %v", err)
	}
}
