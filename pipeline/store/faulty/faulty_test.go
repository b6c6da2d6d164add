package faulty_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/faulty"
	"github.com/trueup-data/trueup/pipeline/store/mem"
	"github.com/trueup-data/trueup/pipeline/store/storetest"
)

func TestConformanceWithoutFaults(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return faulty.Plan(mem.New()) })
}

// calls are all operations of a store, on an object "k" that holds "0123456789".
func calls() map[string]func(context.Context, store.Store) error {
	return map[string]func(context.Context, store.Store) error{
		"get": func(ctx context.Context, s store.Store) error { _, _, err := s.Get(ctx, "k"); return err },
		"open": func(ctx context.Context, s store.Store) error {
			body, err := s.Open(ctx, "k", 2, -1)
			if err != nil {
				return err
			}
			defer body.Close()
			_, err = io.ReadAll(body)
			return err
		},
		"put": func(ctx context.Context, s store.Store) error {
			_, err := s.PutIfAbsent(ctx, "new", []byte("x"))
			return err
		},
		"swap": func(ctx context.Context, s store.Store) error {
			_, err := s.Swap(ctx, "new", []byte("x"), "")
			return err
		},
		"upload": func(ctx context.Context, s store.Store) error {
			_, err := s.Upload(ctx, "new", strings.NewReader("x"))
			return err
		},
		"list": func(ctx context.Context, s store.Store) error {
			return s.List(ctx, "", "", func(store.Info) error { return nil })
		},
		"delete": func(ctx context.Context, s store.Store) error { return s.Delete(ctx, "k") },
	}
}

func isWrite(name string) bool { return name != "get" && name != "open" && name != "list" }

func fresh(t *testing.T) *mem.Store {
	t.Helper()
	s := mem.New()
	if _, err := s.PutIfAbsent(t.Context(), "k", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	return s
}

// changed reports whether the write took effect: "new" is there, or "k" is not.
func changed(t *testing.T, s store.Store) bool {
	t.Helper()
	_, _, newErr := s.Get(t.Context(), "new")
	_, _, oldErr := s.Get(t.Context(), "k")
	return newErr == nil || oldErr != nil
}

func TestWhatEachActionDoes(t *testing.T) {
	for _, c := range []struct {
		do        faulty.Action
		read      fault.Kind // of a read's error
		write     fault.Kind // of a write's
		happens   bool
		afterward bool // it has happened once late writes are released
	}{
		{faulty.ErrBefore, fault.Transient, fault.Unknown, false, false},
		{faulty.ErrAfter, fault.Transient, fault.Unknown, true, true},
		{faulty.LandsLate, fault.Transient, fault.Unknown, false, true},
		{faulty.Throttled, fault.Transient, fault.Transient, false, false},
		{faulty.Conflict, fault.Transient, fault.Transient, false, false},
		{faulty.Crash, fault.Permanent, fault.Permanent, false, false},
		{faulty.CrashAfter, fault.Permanent, fault.Permanent, true, true},
	} {
		for name, call := range calls() {
			t.Run(fmt.Sprintf("%d %s", c.do, name), func(t *testing.T) {
				inner := fresh(t)
				s := faulty.Plan(inner, faulty.Fault{Do: c.do})
				err := call(t.Context(), s)
				want := c.read
				if isWrite(name) {
					want = c.write
				}
				if err == nil || fault.KindOf(err) != want {
					t.Errorf("%v is of kind %s, want %s", err, fault.KindOf(err), want)
				}
				if got := changed(t, inner); got != (c.happens && isWrite(name)) {
					t.Errorf("it happened: %t", got)
				}
				s.Release(t.Context())
				late := c.afterward && isWrite(name) && (name != "upload" || c.happens)
				if got := changed(t, inner); got != late {
					t.Errorf("it happened in the end: %t", got)
				}
				if unused := s.Unused(); len(unused) > 0 {
					t.Error(unused)
				}
			})
		}
	}
}

func TestTornBreaksHalfWay(t *testing.T) {
	for name, call := range calls() {
		inner := fresh(t)
		err := call(t.Context(), faulty.Plan(inner, faulty.Fault{Do: faulty.Torn}))
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
		if changed(t, inner) {
			t.Errorf("%s took effect", name)
		}
	}
	body, err := faulty.Plan(fresh(t), faulty.Fault{Do: faulty.Torn}).Open(t.Context(), "k", 2, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if data, err := io.ReadAll(body); string(data) != "2345" || fault.KindOf(err) != fault.Transient {
		t.Errorf("read %q, then %v", data, err)
	}
}

func TestNothingHappensAfterACrash(t *testing.T) {
	for _, after := range []bool{false, true} {
		inner := fresh(t)
		s := faulty.CrashAt(inner, 2, after)
		if _, _, err := s.Get(t.Context(), "k"); err != nil || s.Crashed() {
			t.Fatalf("before the crash: %v", err)
		}
		_, err := s.PutIfAbsent(t.Context(), "second", nil)
		if !errors.Is(err, faulty.ErrCrashed) || !s.Crashed() {
			t.Errorf("at the crash: %v", err)
		}
		for name, call := range calls() {
			if err := call(t.Context(), s); !errors.Is(err, faulty.ErrCrashed) {
				t.Errorf("%s after the crash: %v", name, err)
			}
		}
		if changed(t, inner) {
			t.Error("a dead process wrote")
		}
		if _, _, err := inner.Get(t.Context(), "second"); (err == nil) != after {
			t.Errorf("the write at the crash, after=%t: %v", after, err)
		}
	}
}

// A late write meets the condition that holds when it lands, and its bytes are
// the ones that were sent.
func TestALateWriteIsJudgedWhenItLands(t *testing.T) {
	inner := mem.New()
	s := faulty.Plan(inner, faulty.Fault{Name: "put", Prefix: "log/", Nth: 1, Do: faulty.LandsLate},
		faulty.Fault{Name: "put", Prefix: "log/", Nth: 2, Do: faulty.LandsLate})
	data := []byte("first")
	for _, key := range []string{"log/1", "log/2"} {
		if _, err := s.PutIfAbsent(t.Context(), key, data); fault.KindOf(err) != fault.Unknown {
			t.Fatal(err)
		}
	}
	copy(data, "XXXXX")
	if _, err := s.PutIfAbsent(t.Context(), "log/2", []byte("second")); err != nil {
		t.Fatal(err)
	}
	if unused := s.Unused(); len(unused) != 2 {
		t.Errorf("unreleased: %v", unused)
	}
	answers := s.Release(t.Context())
	if len(answers) != 2 || answers[0] != nil || !errors.Is(answers[1], store.ErrPrecondition) {
		t.Errorf("answers %v", answers)
	}
	for key, want := range map[string]string{"log/1": "first", "log/2": "second"} {
		if got, _, err := inner.Get(t.Context(), key); string(got) != want {
			t.Errorf("%s reads %q, %v", key, got, err)
		}
	}
}

func TestAFaultThatIsNeverHitIsReported(t *testing.T) {
	s := faulty.Plan(fresh(t), faulty.Fault{Name: "get", Prefix: "k", Nth: 3, Do: faulty.Crash}, faulty.Fault{Name: "list", Do: faulty.Torn})
	for range 2 {
		if _, _, err := s.Get(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	if unused := s.Unused(); len(unused) != 2 || !strings.Contains(unused[0], "2 operations fit") {
		t.Errorf("unused: %v", unused)
	}
	if ops := s.Calls(); len(ops) != 2 || ops[1].String() != "2 get k" {
		t.Errorf("calls: %v", ops)
	}
}
