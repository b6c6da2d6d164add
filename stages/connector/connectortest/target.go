package connectortest

import (
	"errors"
	"reflect"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
)

func runTarget(t *testing.T, open func(t *testing.T) Fixture) {
	runAll(t, open, []test{
		{"ChangedFieldsOnly", changedOnly},
		{"ANullClears", nullClears},
		{"TheSameWriteIsTheSameBytes", deterministic},
		{"AFenceThatFailsSendsNothing", fenced},
		{"TheFenceIsAskedOnceForEachSend", fenceOnce},
		{"AnUpdateOfARecordThatIsGoneIsStale", updateGone},
		{"WhatWasNotSentIsTransient", notSent},
		{"NoAnswerIsNeitherDoneNorFailed", answerLost},
		{"OtherPeoplesEditsAreNotReplaced", preconditioned},
		{"ACreateTellsItsID", creates},
		{"ADeleteIsDoneOnce", deletes},
		{"UndeclaredOperationsAreRefused", undeclared},
	})
}

// observe reads a record as load would have it before a write.
func observe(t *testing.T, f Fixture, id string) (Row, *pipeline.Batch) {
	t.Helper()
	got, err := f.Target.Fetch(t.Context(), []string{id})
	if err != nil || got.Batch.Rows == nil {
		t.Fatalf("fetch %s: %v, failed %v", id, err, got.Failed)
	}
	t.Cleanup(got.Batch.Rows.Release)
	return rowsOf(t, got.Batch.Rows)[0], &got.Batch
}

// update is a change of fields of an observed record.
func update(t *testing.T, f Fixture, id string, after pipeline.Values) pipeline.Write {
	t.Helper()
	row, base := observe(t, f, id)
	return pipeline.Write{
		Change: "change-1", Op: pipeline.OpUpdate, Key: row.Code, KeyFields: map[string]string{"code": row.Code}, ID: id,
		Before: pipeline.Values{}, After: after, Base: base, Version: row.Version, ETag: row.ETag, IdempotencyKey: "trueup-key-1",
	}
}

func open1(f Fixture) string { return f.System.Insert("HM1", ptr("before"), 100) }

func pass() error { return nil }

func send(t *testing.T, f Fixture, w pipeline.Write, fence func() error) (pipeline.Answer, error) {
	t.Helper()
	req, err := f.Target.Prepare(w)
	if err != nil {
		t.Fatalf("prepare: %v", err)
	}
	a, err := f.Target.Send(t.Context(), req, w.Op, fence)
	if a.Record != nil && a.Record.Rows != nil {
		t.Cleanup(a.Record.Rows.Release)
	}
	return a, err
}

func mustSend(t *testing.T, f Fixture, w pipeline.Write) pipeline.Answer {
	t.Helper()
	a, err := send(t, f, w, pass)
	if err != nil || a.Outcome != pipeline.Applied {
		t.Fatalf("outcome %q (%s), error %v", a.Outcome, a.Evidence, err)
	}
	return a
}

func changedOnly(t *testing.T, f Fixture) {
	id := open1(f)
	w := update(t, f, id, pipeline.Values{"cents": ptr("250")})
	meanwhile := !f.Precondition && !f.WholeRecords
	if meanwhile {
		f.System.Update(id, func(r *Record) { r.Note = ptr("edited meanwhile") })
	}
	a := mustSend(t, f, w)
	got := f.System.Records()[id]
	if got.Cents != 250 || got.Code != "HM1" || got.Note == nil || (meanwhile && *got.Note != "edited meanwhile") {
		t.Errorf("the record is now %+v", got)
	}
	if a.At.IsZero() || f.System.Effects() != 1 {
		t.Errorf("at %s, %d effects", a.At, f.System.Effects())
	}
	if a.Record != nil {
		if rows := rowsOf(t, a.Record.Rows); len(rows) != 1 || !rows[0].same(got) {
			t.Errorf("answered %+v, the system holds %+v", rows, got)
		}
	}
}

func nullClears(t *testing.T, f Fixture) {
	id := open1(f)
	mustSend(t, f, update(t, f, id, pipeline.Values{"note": nil}))
	if got := f.System.Records()[id]; got.Note != nil || got.Cents != 100 {
		t.Errorf("the record is now %+v", got)
	}
}

func deterministic(t *testing.T, f Fixture) {
	w := update(t, f, open1(f), pipeline.Values{"note": ptr("a\"b"), "cents": ptr("7")})
	first, err := f.Target.Prepare(w)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, err := f.Target.Prepare(w); err != nil || !reflect.DeepEqual(first, again) {
			t.Fatalf("%+v\n%+v (%v)", first, again, err)
		}
	}
	if f.System.Effects() != 0 {
		t.Error("Prepare has an effect")
	}
}

func fenced(t *testing.T, f Fixture) {
	id := open1(f)
	lost := errors.New("the lease is lost")
	_, err := send(t, f, update(t, f, id, pipeline.Values{"cents": ptr("1")}), func() error { return lost })
	if !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
	if f.System.Effects() != 0 || f.System.Records()[id].Cents != 100 {
		t.Error("something was sent past the fence")
	}
	mustSend(t, f, update(t, f, id, pipeline.Values{"cents": ptr("2")})) // and the connector still works
}

func fenceOnce(t *testing.T, f Fixture) {
	id := open1(f)
	for i, cents := range []string{"1", "2", "3"} {
		asked := 0
		w := update(t, f, id, pipeline.Values{"cents": ptr(cents)})
		w.IdempotencyKey += cents
		_, err := send(t, f, w, func() error {
			if asked++; f.System.Effects() != i {
				t.Error("the fence is asked after the effect")
			}
			return nil
		})
		if err != nil || asked != 1 {
			t.Errorf("send %d: the fence was asked %d times, error %v", i, asked, err)
		}
	}
}

func updateGone(t *testing.T, f Fixture) {
	id := open1(f)
	w := update(t, f, id, pipeline.Values{"cents": ptr("1")})
	f.System.Delete(id)
	if a, err := send(t, f, w, pass); err != nil || a.Outcome != pipeline.Stale {
		t.Errorf("outcome %q, error %v", a.Outcome, err)
	}
	if f.System.Effects() != 0 {
		t.Error("an effect on a record that is gone")
	}
}

func notSent(t *testing.T, f Fixture) {
	id := open1(f)
	w := update(t, f, id, pipeline.Values{"cents": ptr("1")})
	for _, failure := range []Failure{Unavailable, Throttled} {
		if !f.can(failure) {
			continue
		}
		f.System.FailNext(failure)
		a, err := send(t, f, w, pass)
		switch {
		case err != nil && fault.KindOf(err) != fault.Transient && fault.KindOf(err) != fault.Unknown:
			t.Errorf("%s: error %v is %s", failure, err, fault.KindOf(err))
		case err == nil && a.Outcome != pipeline.Retryable && a.Outcome != pipeline.InDoubt:
			t.Errorf("%s: outcome %q", failure, a.Outcome)
		}
		if f.System.Effects() != 0 {
			t.Errorf("%s: had an effect", failure)
		}
	}
}

func answerLost(t *testing.T, f Fixture) {
	for _, failure := range []Failure{AnswerLost, Truncated, Garbage} {
		if !f.can(failure) {
			continue
		}
		id := open1(f)
		before := f.System.Effects()
		w := update(t, f, id, pipeline.Values{"cents": ptr("77")})
		f.System.FailNext(failure)
		a, err := send(t, f, w, pass)
		if err != nil && fault.KindOf(err) != fault.Unknown || err == nil && a.Outcome != pipeline.InDoubt {
			t.Errorf("%s: outcome %q, error %v (%s)", failure, a.Outcome, err, fault.KindOf(err))
		}
		if n := f.System.Effects() - before; n > 1 {
			t.Errorf("%s: %d effects of one send", failure, n)
		}
	}
}

func preconditioned(t *testing.T, f Fixture) {
	if !f.Precondition {
		if p := f.Target.Protocol(pipeline.OpUpdate); p == pipeline.ByPrecondition {
			t.Error("the target says that it has preconditions")
		}
		return
	}
	id := open1(f)
	w := update(t, f, id, pipeline.Values{"cents": ptr("1")})
	f.System.Update(id, func(r *Record) { r.Cents = 999 })
	if a, err := send(t, f, w, pass); err != nil || a.Outcome != pipeline.Stale {
		t.Errorf("outcome %q, error %v", a.Outcome, err)
	}
	if got := f.System.Records()[id]; got.Cents != 999 || f.System.Effects() != 0 {
		t.Errorf("an edit was replaced: %+v", got)
	}
}

func creates(t *testing.T, f Fixture) {
	if f.Target.CanWrite(pipeline.OpCreate) != f.Creates {
		t.Fatalf("CanWrite(create) = %v", !f.Creates)
	}
	if !f.Creates {
		return
	}
	a := mustSend(t, f, pipeline.Write{
		Change: "c", Op: pipeline.OpCreate, Key: "HM9", KeyFields: map[string]string{"code": "HM9"}, IdempotencyKey: "trueup-key-9",
		After: pipeline.Values{"code": ptr("HM9"), "note": nil, "cents": ptr("42")},
	})
	got := f.System.Records()[a.ID]
	if a.ID == "" || got.Code != "HM9" || got.Cents != 42 || got.Note != nil || f.System.Effects() != 1 {
		t.Errorf("created %q: %+v, %d effects", a.ID, got, f.System.Effects())
	}
}

func deletes(t *testing.T, f Fixture) {
	if f.Target.CanWrite(pipeline.OpDelete) != f.Deletes {
		t.Fatalf("CanWrite(delete) = %v", !f.Deletes)
	}
	if !f.Deletes {
		return
	}
	id := open1(f)
	w := update(t, f, id, nil)
	w.Op = pipeline.OpDelete
	mustSend(t, f, w)
	w.IdempotencyKey = "trueup-key-2"
	a, err := send(t, f, w, pass)
	if err != nil || a.Outcome != pipeline.AlreadyTrue {
		t.Errorf("the second delete: outcome %q, error %v", a.Outcome, err)
	}
	if _, there := f.System.Records()[id]; there || f.System.Effects() != 1 {
		t.Errorf("there=%v, %d effects", there, f.System.Effects())
	}
}

func undeclared(t *testing.T, f Fixture) {
	for _, op := range []pipeline.WriteOp{pipeline.OpCreate, pipeline.OpUpdate, pipeline.OpDelete} {
		if f.Target.CanWrite(op) {
			continue
		}
		if _, err := f.Target.Prepare(pipeline.Write{Op: op, Change: "c", ID: "1"}); err == nil {
			t.Errorf("%s is not declared and was prepared", op)
		}
	}
}
