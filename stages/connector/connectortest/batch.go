package connectortest

import (
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
)

func runBatch(t *testing.T, open func(t *testing.T) Fixture) {
	f := open(t)
	b, ok := f.Target.(Batcher)
	if ok != f.Batches {
		t.Fatalf("the target takes batches: %v", ok)
	}
	if !ok {
		return
	}
	if b.BatchLimit() < 2 {
		t.Fatalf("a batch holds %d writes", b.BatchLimit())
	}
	runAll(t, open, []test{
		{"EachWriteHasAnOutcomeOfItsOwn", eachOutcome},
		{"AnotherWriterBetweenTheFenceAndTheSendIsSeen", interleaved},
		{"OnePoisonRecordRefusesTheWholeBatch", poisoned},
		{"AFenceThatFailsSendsNoneOfIt", batchFenced},
		{"WhatWasNotSentMayBeSentAgain", batchNotSent},
		{"NoAnswerIsADoubtOfAllOrNothing", batchAnswerLost},
		{"AFullBatchGoesThrough", fullBatch},
	})
}

// prepared renders writes for a batch.
func prepared(t *testing.T, f Fixture, writes ...pipeline.Write) []pipeline.Sending {
	t.Helper()
	out := make([]pipeline.Sending, len(writes))
	for i, w := range writes {
		req, err := f.Target.Prepare(w)
		if err != nil {
			t.Fatalf("prepare: %v", err)
		}
		out[i] = pipeline.Sending{Request: req, Op: w.Op}
	}
	return out
}

// sendBatch sends writes together, and gives the outcomes in their order.
func sendBatch(t *testing.T, f Fixture, fence func() error, writes ...pipeline.Write) ([]pipeline.Outcome, error) {
	t.Helper()
	answers, err := f.Target.(Batcher).SendBatch(t.Context(), prepared(t, f, writes...), fence)
	if err == nil && len(answers) != len(writes) {
		t.Fatalf("%d answers to %d writes", len(answers), len(writes))
	}
	outcomes := make([]pipeline.Outcome, len(answers))
	for i, a := range answers {
		if outcomes[i] = a.Outcome; a.At.IsZero() {
			t.Errorf("answer %d does not say when its request began", i)
		}
		if a.Record == nil {
			continue
		}
		t.Cleanup(a.Record.Rows.Release)
		if rows := rowsOf(t, a.Record.Rows); len(rows) != 1 || !rows[0].same(f.System.Records()[rows[0].ID]) {
			t.Errorf("answer %d shows %+v", i, rows)
		}
	}
	return outcomes, err
}

func fresh(code, cents string) pipeline.Write {
	return pipeline.Write{
		Change: "c-" + code, Op: pipeline.OpCreate, Key: code, KeyFields: map[string]string{"code": code}, IdempotencyKey: "trueup-key-" + code,
		After: pipeline.Values{"code": ptr(code), "note": nil, "cents": ptr(cents)},
	}
}

// cents are updates of some records to amounts of their own: the number of each.
func cents(t *testing.T, f Fixture, ids ...string) []pipeline.Write {
	t.Helper()
	out := make([]pipeline.Write, len(ids))
	for i, id := range ids {
		out[i] = update(t, f, id, pipeline.Values{"cents": ptr(strconv.Itoa(i))})
		out[i].IdempotencyKey += id
	}
	return out
}

// stock inserts n records of 100 cents.
func stock(f Fixture, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = f.System.Insert(fmt.Sprintf("HM%d", i), nil, 100)
	}
	return ids
}

func wantOutcomes(t *testing.T, got []pipeline.Outcome, want ...pipeline.Outcome) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("outcomes %v, want %v", got, want)
	}
}

func eachOutcome(t *testing.T, f Fixture) {
	ids := stock(f, 4)
	writes := cents(t, f, ids...)
	f.System.Delete(ids[1])
	f.System.Delete(ids[3])
	writes[2].Op, writes[2].After = pipeline.OpDelete, nil
	writes[3].Op, writes[3].After = pipeline.OpDelete, nil
	got, err := sendBatch(t, f, pass, append(writes, fresh("HM9", "9"))...)
	if err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, got, pipeline.Applied, pipeline.Stale, pipeline.Applied, pipeline.AlreadyTrue, pipeline.Applied)
	all := f.System.Records()
	if len(all) != 2 || all[ids[0]].Cents != 0 || f.System.Effects() != 3 {
		t.Errorf("now there is %+v, %d effects", all, f.System.Effects())
	}
}

func interleaved(t *testing.T, f Fixture) {
	if !f.Precondition {
		return
	}
	ids := stock(f, 3)
	edit := func() error {
		f.System.Update(ids[1], func(r *Record) { r.Cents = 999 })
		return nil
	}
	got, err := sendBatch(t, f, edit, cents(t, f, ids...)...)
	if err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, got, pipeline.Applied, pipeline.Stale, pipeline.Applied)
	if all := f.System.Records(); all[ids[1]].Cents != 999 || all[ids[0]].Cents != 0 || all[ids[2]].Cents != 2 {
		t.Errorf("now there is %+v", all)
	}
}

func poisoned(t *testing.T, f Fixture) {
	ids := stock(f, 3)
	writes := cents(t, f, ids...)
	writes[1].After = pipeline.Values{"cents": ptr(f.Poison)}
	_, err := sendBatch(t, f, pass, writes...)
	if !fault.Is(err, fault.Permanent) || f.System.Effects() != 0 {
		t.Fatalf("error %v (%s), %d effects", err, fault.KindOf(err), f.System.Effects())
	}
	got, err := sendBatch(t, f, pass, writes[0], writes[2])
	if err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, got, pipeline.Applied, pipeline.Applied)
	if a, err := send(t, f, writes[1], pass); err != nil || a.Outcome != pipeline.Rejected {
		t.Errorf("alone: %q, %v", a.Outcome, err)
	}
}

func batchFenced(t *testing.T, f Fixture) {
	lost, asked := errors.New("the lease is lost"), 0
	writes := cents(t, f, stock(f, 3)...)
	_, err := sendBatch(t, f, func() error { asked++; return lost }, writes...)
	if !errors.Is(err, lost) || asked != 1 || f.System.Effects() != 0 {
		t.Errorf("error %v, asked %d times, %d effects", err, asked, f.System.Effects())
	}
	got, err := sendBatch(t, f, pass, writes...)
	if err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, got, pipeline.Applied, pipeline.Applied, pipeline.Applied)
}

func batchNotSent(t *testing.T, f Fixture) {
	if !f.can(Unavailable) {
		return
	}
	writes := cents(t, f, stock(f, 2)...)
	f.System.FailNext(Unavailable)
	if _, err := sendBatch(t, f, pass, writes...); !fault.Is(err, fault.Transient) && !fault.Is(err, fault.Unknown) || f.System.Effects() != 0 {
		t.Errorf("error %v (%s), %d effects", err, fault.KindOf(err), f.System.Effects())
	}
}

func batchAnswerLost(t *testing.T, f Fixture) {
	for _, failure := range []Failure{AnswerLost, Truncated, Garbage} {
		if !f.can(failure) {
			continue
		}
		writes := cents(t, f, stock(f, 3)...)
		before := f.System.Effects()
		f.System.FailNext(failure)
		_, err := sendBatch(t, f, pass, writes...)
		if n := f.System.Effects() - before; !fault.Is(err, fault.Unknown) || n != 0 && n != 3 {
			t.Errorf("%s: error %v (%s), %d effects", failure, err, fault.KindOf(err), n)
		}
	}
}

func fullBatch(t *testing.T, f Fixture) {
	n := f.Target.(Batcher).BatchLimit()
	writes := make([]pipeline.Write, n)
	for i := range writes {
		writes[i] = fresh(fmt.Sprintf("F%d", i), strconv.Itoa(i))
	}
	if _, err := sendBatch(t, f, pass, writes...); err != nil {
		t.Fatal(err)
	}
	all := f.System.Records()
	sum := int64(0)
	for _, r := range all {
		sum += r.Cents
	}
	if len(all) != n || sum != int64(n*(n-1)/2) || f.System.Effects() != n {
		t.Errorf("%d records with %d cents, %d effects of %d writes", len(all), sum, f.System.Effects(), n)
	}
}
