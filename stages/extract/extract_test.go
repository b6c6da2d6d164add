package extract_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/stagetest"
)

// world is a bench with one system and its stream.
type world struct {
	*stagetest.Bench
	sys    *stagetest.System
	entity config.Entity
	stream config.Stream
	scope  string
	runs   int
}

func newWorld(t *testing.T) *world {
	b := stagetest.New(t)
	stream := config.Stream{System: "pms", Extract: config.Extract{PrimaryKey: []string{"id"}, Fields: stagetest.Fields(),
		Version: "updated_at", Absence: true, Incremental: &config.IncrementalRead{CursorField: "updated_at"}}}
	entity := config.Entity{Name: "bookings", Key: []string{"code"}, Streams: []config.Stream{stream},
		Fields: []config.EntityField{{Name: "code", Type: schemas.Type{Kind: schemas.String}, Normalize: []string{"trim", "upper"}}}}
	return &world{Bench: b, sys: stagetest.NewSystem("pms", b.Clock), entity: entity, stream: stream, scope: "scope-1"}
}

// try does one pass, as a run of its own.
func (w *world) try(t *testing.T, mode pipeline.Mode) (extract.Result, error) {
	t.Helper()
	tenure := w.Begin(t)
	w.runs++
	w.Clock.Advance(time.Minute)
	return extract.Run(t.Context(), extract.Deps{Lake: w.Lake, Tenure: tenure, Engine: w.Engine, Writer: w.Writer(tenure), Now: w.Clock.Now, Log: w.Log},
		extract.Request{Run: pipeline.RunID(fmt.Sprintf("run-%03d", w.runs)), RunAt: w.Clock.Now(), Mode: mode, Entity: w.entity, Stream: w.stream,
			Fingerprint: w.scope, Every: config.CheckpointEvery{Records: 2, Bytes: 1 << 20, Every: time.Hour}, Concurrency: 2, Source: w.sys})
}

func (w *world) pass(t *testing.T, mode pipeline.Mode) extract.Result {
	t.Helper()
	r, err := w.try(t, mode)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *world) replica() tables.Table {
	return tables.Replica(pipeline.StreamID{Entity: "bookings", System: "pms"}, replica.Columns(w.stream.Extract.Fields))
}

// shown is what the replica says now.
func (w *world) shown(t *testing.T) []string {
	t.Helper()
	return w.Query(t, "SELECT _key, _id, _op, guest, price::VARCHAR FROM pms ORDER BY _key, _id", w.replica())
}

func (w *world) stored(t *testing.T) string {
	t.Helper()
	return w.Query(t, "SELECT count(*) FROM all_pms", w.replica())[0]
}

func (w *world) fill(n int) {
	for i := range n {
		w.sys.Put(fmt.Sprintf("%d", i), map[string]string{"code": fmt.Sprintf(" hm%02d ", i), "guest": "Ana", "price": "100.00"})
	}
}

func want(t *testing.T, got []string, lines ...string) {
	t.Helper()
	if !slices.Equal(got, lines) {
		t.Fatalf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}

func TestASweepStoresEveryRecordUnderItsKey(t *testing.T) {
	w := newWorld(t)
	w.fill(3)
	r := w.pass(t, pipeline.Sweep)
	if r.State != extract.Complete || r.Counts.Inserted != 3 || !r.Baseline {
		t.Fatalf("%+v", r)
	}
	want(t, w.shown(t), "HM00|0|upsert|Ana|100.00", "HM01|1|upsert|Ana|100.00", "HM02|2|upsert|Ana|100.00")
}

func TestWhatTellsNothingNewIsNotStored(t *testing.T) {
	w := newWorld(t)
	w.fill(5)
	w.pass(t, pipeline.Sweep)
	before := w.stored(t)
	r := w.pass(t, pipeline.Sweep)
	if r.Counts.Read != 5 || r.Counts.Unchanged != 5 || w.stored(t) != before {
		t.Fatalf("%+v, %s rows after %s", r.Counts, w.stored(t), before)
	}
}

func TestAnIncrementalReadsFromTheCursor(t *testing.T) {
	w := newWorld(t)
	w.fill(9)
	w.pass(t, pipeline.Sweep)
	w.sys.Put("4", map[string]string{"price": "120.50"})
	r := w.pass(t, pipeline.Incremental)
	if r.Counts.Read > 2 || r.Counts.Updated != 1 { // the record at the cursor itself is read again
		t.Fatalf("%+v", r.Counts)
	}
	if got := w.shown(t)[4]; got != "HM04|4|upsert|Ana|120.50" {
		t.Fatal(got)
	}
}

// A cursor never passes a record that was not stored: a read that fails on a
// page leaves the cursor at the last page before it.
func TestAFailedPageKeepsTheCursorBeforeIt(t *testing.T) {
	w := newWorld(t)
	w.fill(9)
	w.sys.FailPage = 3
	r := w.pass(t, pipeline.Sweep)
	if r.State != extract.Partial || r.Err == nil {
		t.Fatalf("%+v", r)
	}
	w.sys.FailPage = 0
	if r = w.pass(t, pipeline.Incremental); r.State != extract.Complete {
		t.Fatalf("%+v", r)
	}
	if got := w.shown(t); len(got) != 9 {
		t.Fatalf("%d of 9 records: %v", len(got), got)
	}
}

func TestLateRowsAreFoundByTheLookbackWhichWidens(t *testing.T) {
	w := newWorld(t)
	w.stream.Extract.Incremental.Lookback = time.Hour
	w.entity.Streams[0] = w.stream
	w.fill(3)
	w.sys.Hidden["0"] = true // committed there, and not visible yet
	w.pass(t, pipeline.Sweep)
	w.sys.Hidden["0"] = false
	r := w.pass(t, pipeline.Incremental)
	if r.Counts.Inserted != 1 || r.Counts.Late != 1 {
		t.Fatalf("%+v", r.Counts)
	}
	got := w.Query(t, "SELECT lateness_us > 0 FROM checkpoints WHERE kind = 'cursor'", tables.Checkpoints())
	want(t, got, "true")
}

func TestNotProvenCompleteDeletesNothing(t *testing.T) {
	for name, breakIt := range map[string]func(*world){
		"a page fails":            func(w *world) { w.sys.FailPage = 2 },
		"no reason for the end":   func(w *world) { w.sys.Unproven = "count equals the window of 10000" },
		"the scope changed":       func(w *world) { w.scope = "scope-2" },
		"the list is empty":       func(w *world) { w.sys.Hidden = map[string]bool{"0": true, "1": true, "2": true, "3": true} },
		"the record still exists": func(w *world) { w.sys.Hidden["3"] = true },
		"outside covers":          func(w *world) { w.sys.Remove("3"); w.stream.Extract.Covers = &config.Expr{SQL: "price < 50"} },
		"absence is switched off": func(w *world) { w.sys.Remove("3"); w.stream.Extract.Absence = false },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.fill(4)
			w.pass(t, pipeline.Sweep)
			breakIt(w)
			w.pass(t, pipeline.Sweep)
			if got := w.Query(t, "SELECT count(*) FROM all_pms WHERE _op = 'delete'", w.replica()); got[0] != "0" {
				t.Fatalf("%s deletes", got[0])
			}
		})
	}
}

func TestAbsenceIsDeletedOnlyAfterAReadByID(t *testing.T) {
	w := newWorld(t)
	w.fill(4)
	w.pass(t, pipeline.Sweep)
	w.sys.Remove("2")
	r := w.pass(t, pipeline.Sweep)
	if r.Counts.Deleted != 1 || r.State != extract.Complete {
		t.Fatalf("%+v", r)
	}
	if got := w.shown(t)[2]; got != "HM02|2|delete|Ana|100.00" {
		t.Fatal(got)
	}
	if r = w.pass(t, pipeline.Sweep); r.Counts.Deleted != 0 {
		t.Fatalf("deleted again: %+v", r.Counts)
	}
}

func TestWithoutALiveControlAbsenceIsMissing(t *testing.T) {
	w := newWorld(t)
	w.fill(4)
	w.pass(t, pipeline.Sweep)
	w.sys.Remove("2")
	w.sys.Unread = map[string]bool{"0": true, "1": true, "3": true}
	r := w.pass(t, pipeline.Sweep)
	if r.Counts.Missing != 1 || r.Counts.Deleted != 0 {
		t.Fatalf("%+v", r.Counts)
	}
	if got := w.shown(t)[2]; !strings.HasPrefix(got, "HM02|2|missing") {
		t.Fatal(got)
	}
	w.sys.Unread = nil
	if r = w.pass(t, pipeline.Sweep); r.Counts.Deleted != 1 {
		t.Fatalf("%+v", r.Counts)
	}
}

func TestARecordThatIsShownAgainIsNotMissingAnyMore(t *testing.T) {
	w := newWorld(t)
	w.fill(4)
	w.pass(t, pipeline.Sweep)
	w.sys.Hidden["2"] = true
	w.sys.NoFetch = true
	if r := w.pass(t, pipeline.Sweep); r.Counts.Missing != 1 {
		t.Fatalf("%+v", r.Counts)
	}
	w.sys.Hidden["2"] = false
	w.pass(t, pipeline.Sweep)
	if got := w.shown(t)[2]; got != "HM02|2|touch|Ana|100.00" {
		t.Fatal(got)
	}
}

func TestAPartitionThatFailsDoesNotStopTheOthers(t *testing.T) {
	w := newWorld(t)
	w.fill(4)
	w.sys.Parts = []pipeline.Partition{{Name: "a"}, {Name: "b"}}
	w.sys.PartOf = map[string]string{"0": "a", "1": "a", "2": "b", "3": "b"}
	if r := w.pass(t, pipeline.Sweep); r.State != extract.Complete || len(r.Partitions) != 2 {
		t.Fatalf("%+v", r)
	}
	w.sys.Remove("1")
	w.sys.Remove("3")
	w.sys.PartOf["0"] = "gone" // partition a shows nothing: it proves nothing
	r := w.pass(t, pipeline.Sweep)
	if r.Counts.Deleted != 1 {
		t.Fatalf("%+v", r)
	}
	want(t, w.Query(t, "SELECT _id FROM pms WHERE _op = 'delete'", w.replica()), "3")
}

// A new version of the same values is a sight worth keeping, and no change.
func TestANewVersionOfTheSameValuesIsATouch(t *testing.T) {
	w := newWorld(t)
	w.fill(2)
	w.pass(t, pipeline.Sweep)
	w.sys.Put("1", nil)
	if r := w.pass(t, pipeline.Incremental); r.Counts.Touched != 1 || r.Counts.Updated != 0 {
		t.Fatalf("%+v", r.Counts)
	}
}

func TestAnIDUnderAnotherKeyLeavesAMovedRow(t *testing.T) {
	w := newWorld(t)
	w.fill(1)
	w.pass(t, pipeline.Sweep)
	w.sys.Put("0", map[string]string{"code": "HM99"})
	if r := w.pass(t, pipeline.Incremental); r.Counts.Moved != 1 {
		t.Fatalf("%+v", r.Counts)
	}
	want(t, w.shown(t), "HM00|0|moved|Ana|100.00", "HM99|0|upsert|Ana|100.00")
}

// A payload may leave the version out. What it says is not older than what was known
// of the record, under its old key, either: else the record would live under both.
func TestAMoveThatDoesNotSayItsVersionEndsWhatWasThere(t *testing.T) {
	w := newWorld(t)
	w.fill(1)
	w.pass(t, pipeline.Sweep)
	w.sys.Plain = true
	w.sys.Put("0", map[string]string{"code": "HM99"})
	w.pass(t, pipeline.Sweep)
	want(t, w.shown(t), "HM00|0|moved|Ana|100.00", "HM99|0|upsert|Ana|100.00")
}

// Nobody knows when it was changed, so it tells nothing of how late a source is.
func TestWhatDoesNotSayItsVersionIsNotLate(t *testing.T) {
	w := newWorld(t)
	w.fill(1)
	w.pass(t, pipeline.Sweep)
	w.Clock.Advance(100 * 24 * time.Hour)
	w.sys.Put("1", map[string]string{"code": "HM01", "guest": "Ana", "price": "100.00"})
	w.pass(t, pipeline.Sweep)
	w.sys.Plain = true
	w.sys.Put("0", map[string]string{"guest": "Annabel"})
	if r := w.pass(t, pipeline.Sweep); r.Counts.Late != 0 || r.Counts.Updated != 1 {
		t.Fatalf("%+v", r.Counts)
	}
}

func TestARecordWithoutAKeyIsADeadLetterUntilItFits(t *testing.T) {
	w := newWorld(t)
	w.fill(1)
	w.sys.Put("x", map[string]string{"guest": "no code"})
	if r := w.pass(t, pipeline.Sweep); r.Counts.Dead != 1 {
		t.Fatalf("%+v", r.Counts)
	}
	want(t, w.Query(t, "SELECT id, open FROM dead_letters", tables.DeadLetters()), "x|true")
	w.sys.Put("x", map[string]string{"code": "HM77"})
	w.pass(t, pipeline.Incremental)
	want(t, w.Query(t, "SELECT id, open FROM dead_letters", tables.DeadLetters()), "x|false")
}

func TestAFencedPassStoresNothing(t *testing.T) {
	w := newWorld(t)
	w.fill(3)
	old := w.Begin(t)
	w.Begin(t)
	_, err := extract.Run(t.Context(), extract.Deps{Lake: w.Lake, Tenure: old, Engine: w.Engine, Writer: w.Writer(old), Now: w.Clock.Now, Log: w.Log},
		extract.Request{Run: "zombie", RunAt: w.Clock.Now(), Mode: pipeline.Sweep, Entity: w.entity, Stream: w.stream,
			Fingerprint: w.scope, Every: config.CheckpointEvery{Records: 2, Bytes: 1 << 20, Every: time.Hour}, Source: w.sys})
	if err == nil || !strings.Contains(err.Error(), "fenced") {
		t.Fatal(err)
	}
	if got := w.stored(t); got != "0" {
		t.Fatalf("%s rows of a fenced run", got)
	}
}

func TestASourceThatCannotListItsPartitionsFailsTheStreamOnly(t *testing.T) {
	w := newWorld(t)
	r, err := extract.Run(t.Context(), extract.Deps{Lake: w.Lake, Tenure: w.Begin(t), Engine: w.Engine, Now: w.Clock.Now, Log: w.Log},
		extract.Request{Run: "r", Mode: pipeline.Sweep, Entity: w.entity, Stream: w.stream, Source: brokenSource{w.sys}})
	if err != nil || r.State != extract.Failed || r.Err == nil {
		t.Fatalf("%+v, %v", r, err)
	}
}

type brokenSource struct{ *stagetest.System }

func (brokenSource) Partitions(context.Context) ([]pipeline.Partition, error) {
	return nil, errors.New("403")
}
