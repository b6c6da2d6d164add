package connectortest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
)

func runSource(t *testing.T, open func(t *testing.T) Fixture) {
	runAll(t, open, []test{
		{"EveryRecordComesWithItsValues", everyRecord},
		{"AnEmptyStreamIsProvenEmpty", emptyStream},
		{"EachPartitionEndsWithAReason", endHasReason},
		{"ThePartitionsAreTheSameAtStartAndEnd", samePartitions},
		{"ACursorNeverPassesARecordThatWasNotStored", resumeAnywhere},
		{"AnIncrementalReadHasWhatChangedSince", incremental},
		{"TheLowerBoundIsInclusive", inclusive},
		{"AskedAtIsWhenTheRequestBegan", askedAt},
		{"AnErrorOfYieldIsReturnedAsItIs", yieldError},
		{"ACancelledReadEnds", cancelled},
		{"FetchAnswersEachIDByItself", fetchEach},
		{"AFailureIsRetriedOrAnErrorNeverAnEnd", failures},
	})
}

// fill inserts n records, some with a null note and one with an empty one.
func fill(f Fixture, n int) {
	for i := range n {
		note := ptr(fmt.Sprintf("note %d, \"quoted\" é", i))
		switch i % 5 {
		case 1:
			note = nil
		case 2:
			note = ptr("")
		}
		f.System.Insert(fmt.Sprintf("HM%04d", i), note, int64(i)*100-300)
	}
}

func everyRecord(t *testing.T, f Fixture) {
	fill(f, 25)
	r := sweep(t, f)
	want := f.System.Records()
	for _, row := range r.rows {
		if !row.same(want[row.ID]) {
			t.Errorf("read %+v\nwant %+v", row, want[row.ID])
		}
	}
	if got := r.ids(); len(got) != 25 {
		t.Errorf("%d of 25 records came", len(got))
	}
}

func emptyStream(t *testing.T, f Fixture) {
	if r := sweep(t, f); len(r.rows) != 0 || r.end.Reason == "" {
		t.Errorf("%d rows, reason %q", len(r.rows), r.end.Reason)
	}
}

func endHasReason(t *testing.T, f Fixture) {
	fill(f, 12)
	if r := sweep(t, f); r.end.Reason == "" {
		t.Error("proven without a reason")
	}
}

func samePartitions(t *testing.T, f Fixture) {
	fill(f, 3)
	before := partition(t, f)
	_ = sweep(t, f)
	if after := partition(t, f); after.Name != before.Name {
		t.Errorf("%q became %q", before.Name, after.Name)
	}
}

// resumeAnywhere stores what came before each checkpoint and nothing after it,
// goes on from there as a new process would, and misses nothing.
func resumeAnywhere(t *testing.T, f Fixture) {
	fill(f, 25)
	for _, mode := range []pipeline.Mode{pipeline.Sweep, pipeline.Incremental} {
		req := pipeline.ReadRequest{Mode: mode, Partition: partition(t, f)}
		whole := read(t, f, req)
		if whole.err != nil {
			t.Fatal(whole.err)
		}
		for i, b := range whole.batches {
			if b.Checkpoint == nil {
				continue
			}
			req := req
			req.From = *b.Checkpoint
			if mode == pipeline.Incremental {
				req.Since = b.Checkpoint.Cursor
			}
			rest := read(t, f, req)
			if rest.err != nil {
				t.Fatalf("%s, checkpoint %d: %v", mode, i, rest.err)
			}
			got := rest.ids()
			for _, row := range whole.rows[:whole.upTo[i]] {
				got[row.ID]++
			}
			if len(got) != 25 {
				t.Errorf("%s, checkpoint %d (%+v): %d of 25 records", mode, i, *b.Checkpoint, len(got))
			}
		}
	}
}

func incremental(t *testing.T, f Fixture) {
	fill(f, 12)
	req := pipeline.ReadRequest{Mode: pipeline.Incremental, Partition: partition(t, f)}
	first := read(t, f, req)
	if first.err != nil || !first.checkpoint().Cursor.Set {
		t.Fatalf("first read: %v, checkpoint %+v", first.err, first.checkpoint())
	}
	changed := map[string]bool{}
	for _, row := range first.rows[3:5] {
		f.System.Update(row.ID, func(r *Record) { r.Cents++ })
		changed[row.ID] = true
	}
	changed[f.System.Insert("NEW", nil, 1)] = true
	req.From, req.Since = first.checkpoint(), first.checkpoint().Cursor
	second := read(t, f, req)
	if second.err != nil {
		t.Fatal(second.err)
	}
	got := second.ids()
	for id := range changed {
		if got[id] == 0 {
			t.Errorf("the change of %s did not come", id)
		}
	}
	if len(second.rows) > 8 {
		t.Errorf("%d rows for 3 changes among 13 records", len(second.rows))
	}
	if second.checkpoint().Cursor.Order < first.checkpoint().Cursor.Order {
		t.Error("the cursor went back")
	}
}

func inclusive(t *testing.T, f Fixture) {
	fill(f, 3)
	req := pipeline.ReadRequest{Mode: pipeline.Incremental, Partition: partition(t, f)}
	first := read(t, f, req)
	req.From, req.Since = first.checkpoint(), first.checkpoint().Cursor
	if again := read(t, f, req); again.err != nil || len(again.rows) == 0 {
		t.Errorf("%d rows at the cursor itself (%v): what shares its time with the last record would be lost", len(again.rows), again.err)
	}
}

func askedAt(t *testing.T, f Fixture) {
	fill(f, 2)
	before := time.Now().Truncate(time.Microsecond)
	r := sweep(t, f)
	after := time.Now()
	for _, row := range r.rows {
		if row.Asked.Before(before) || row.Asked.After(after) {
			t.Errorf("asked at %s, the read was from %s to %s", row.Asked, before, after)
		}
	}
}

func yieldError(t *testing.T, f Fixture) {
	fill(f, 3)
	stop := errors.New("the store is full")
	_, err := f.Source.Read(t.Context(), pipeline.ReadRequest{Mode: pipeline.Sweep, Partition: partition(t, f)}, func(b pipeline.Batch) error {
		if b.Rows != nil {
			b.Rows.Release()
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func cancelled(t *testing.T, f Fixture) {
	fill(f, 25)
	ctx, cancel := context.WithCancel(t.Context())
	end, err := f.Source.Read(ctx, pipeline.ReadRequest{Mode: pipeline.Sweep, Partition: partition(t, f)}, func(b pipeline.Batch) error {
		if b.Rows != nil {
			b.Rows.Release()
		}
		cancel()
		return ctx.Err()
	})
	if err == nil || end.Proven {
		t.Errorf("proven=%v, error %v", end.Proven, err)
	}
}

func fetchEach(t *testing.T, f Fixture) {
	if !f.Source.CanFetch() {
		t.Fatal("the suite's stream reads by ID")
	}
	fill(f, 3)
	gone := f.System.Insert("GONE", nil, 1)
	f.System.Delete(gone)
	want := f.System.Records()
	ids := []string{gone}
	for id := range want {
		ids = append(ids, id)
	}
	got, err := f.Source.Fetch(t.Context(), ids)
	if err != nil || len(got.Failed) != 0 || got.Batch.Rows == nil {
		t.Fatalf("error %v, failed %v", err, got.Failed)
	}
	defer got.Batch.Rows.Release()
	rows := rowsOf(t, got.Batch.Rows)
	if len(rows) != 3 || len(got.Gone) != 1 || got.Gone[0] != gone {
		t.Fatalf("%d live, gone %v; want 3 live and %s gone", len(rows), got.Gone, gone)
	}
	for _, row := range rows {
		if !row.same(want[row.ID]) {
			t.Errorf("fetched %+v\nwant %+v", row, want[row.ID])
		}
	}
}

func failures(t *testing.T, f Fixture) {
	fill(f, 12)
	for _, failure := range f.Failures {
		t.Run(string(failure), func(t *testing.T) {
			part := partition(t, f)
			f.System.FailNext(failure)
			r := read(t, f, pipeline.ReadRequest{Mode: pipeline.Sweep, Partition: part})
			switch {
			case r.err != nil && fault.KindOf(r.err) != fault.Transient:
				t.Errorf("%v is %s, not transient", r.err, fault.KindOf(r.err))
			case r.err == nil && (!r.end.Proven || len(r.ids()) != 12):
				t.Errorf("%d of 12 records, proven=%v", len(r.ids()), r.end.Proven)
			}
		})
	}
}
