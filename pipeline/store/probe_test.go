package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/faulty"
	"github.com/trueup-data/trueup/pipeline/store/mem"
)

// careless is a store that breaks one promise.
type careless struct {
	*mem.Store
	swap func(ctx context.Context, s *mem.Store, key string, data []byte, etag string) (store.Info, error)
	list func(ctx context.Context, s *mem.Store, prefix, after string, yield func(store.Info) error) error
}

func (c *careless) PutIfAbsent(ctx context.Context, key string, data []byte) (store.Info, error) {
	return c.Swap(ctx, key, data, "")
}

func (c *careless) Swap(ctx context.Context, key string, data []byte, etag string) (store.Info, error) {
	if c.swap == nil {
		return c.Store.Swap(ctx, key, data, etag)
	}
	return c.swap(ctx, c.Store, key, data, etag)
}

func (c *careless) List(ctx context.Context, prefix, after string, yield func(store.Info) error) error {
	if c.list == nil {
		return c.Store.List(ctx, prefix, after, yield)
	}
	return c.list(ctx, c.Store, prefix, after, yield)
}

// overwrite puts without a condition.
func overwrite(ctx context.Context, s *mem.Store, key string, data []byte) (store.Info, error) {
	for {
		if err := s.Delete(ctx, key); err != nil {
			return store.Info{}, err
		}
		if info, err := s.PutIfAbsent(ctx, key, data); err == nil {
			return info, nil
		}
	}
}

// checkThenAct is a store that evaluates the condition first and writes later:
// alone it is right, and with n writers at once all of them have looked before
// the first one writes.
func checkThenAct(n int) *careless {
	var mu sync.Mutex
	looked := map[string]*sync.WaitGroup{}
	return &careless{Store: mem.New(), swap: func(ctx context.Context, s *mem.Store, key string, data []byte, etag string) (store.Info, error) {
		_, old, err := s.Get(ctx, key)
		if strings.Contains(key, "race") {
			mu.Lock()
			all, ok := looked[key+etag]
			if !ok {
				all = &sync.WaitGroup{}
				all.Add(n)
				looked[key+etag] = all
			}
			mu.Unlock()
			all.Done()
			all.Wait()
		}
		switch {
		case etag == "" && err == nil, err == nil && old.ETag != etag:
			return store.Info{}, store.Failure(fault.LostRace, "put", s.URL(), key, store.ErrPrecondition)
		case etag != "" && err != nil:
			return store.Info{}, err
		}
		return overwrite(ctx, s, key, data)
	}}
}

// after lets the store do what it should and then changes the answer.
func after(change func(info store.Info, err error) (store.Info, error)) *careless {
	return &careless{Store: mem.New(), swap: func(ctx context.Context, s *mem.Store, key string, data []byte, etag string) (store.Info, error) {
		return change(s.Swap(ctx, key, data, etag))
	}}
}

func TestProbeRefusesAStoreThatBreaksItsPromises(t *testing.T) {
	precondition := store.Failure(fault.LostRace, "put", "mem://", "k", store.ErrPrecondition)
	for name, s := range map[string]store.Store{
		"conditions are ignored": &careless{Store: mem.New(), swap: func(ctx context.Context, s *mem.Store, key string, data []byte, _ string) (store.Info, error) {
			return overwrite(ctx, s, key, data)
		}},
		"if-match is ignored": &careless{Store: mem.New(), swap: func(ctx context.Context, s *mem.Store, key string, data []byte, etag string) (store.Info, error) {
			if etag == "" {
				return s.PutIfAbsent(ctx, key, data)
			}
			return overwrite(ctx, s, key, data)
		}},
		"the condition is evaluated before the write": checkThenAct(32),
		"a silent retry met its own object": after(func(store.Info, error) (store.Info, error) {
			return store.Info{}, precondition
		}),
		"done is said and nothing written": &careless{Store: mem.New(), swap: func(_ context.Context, _ *mem.Store, key string, _ []byte, _ string) (store.Info, error) {
			return store.Info{Key: key, ETag: "x"}, nil
		}},
		"a refused swap takes effect": &careless{Store: mem.New(), swap: func(ctx context.Context, s *mem.Store, key string, data []byte, etag string) (store.Info, error) {
			info, err := s.Swap(ctx, key, data, etag)
			if errors.Is(err, store.ErrPrecondition) {
				_, _ = overwrite(ctx, s, key, data)
			}
			return info, err
		}},
		"equal content is taken for the same writer": &careless{Store: mem.New(), swap: func(ctx context.Context, s *mem.Store, key string, data []byte, etag string) (store.Info, error) {
			info, err := s.Swap(ctx, key, data, etag)
			if old, oldInfo, getErr := s.Get(ctx, key); err != nil && getErr == nil && bytes.Equal(old, data) {
				return oldInfo, nil
			}
			return info, err
		}},
		"swapping nothing creates": &careless{Store: mem.New(), swap: func(ctx context.Context, s *mem.Store, key string, data []byte, etag string) (store.Info, error) {
			info, err := s.Swap(ctx, key, data, etag)
			if errors.Is(err, store.ErrNotExist) {
				return s.PutIfAbsent(ctx, key, data)
			}
			return info, err
		}},
		"listings come late": &careless{Store: mem.New(), list: func(context.Context, *mem.Store, string, string, func(store.Info) error) error {
			return nil
		}},
		"listings are not in order": &careless{Store: mem.New(), list: func(ctx context.Context, s *mem.Store, prefix, after string, yield func(store.Info) error) error {
			var all []store.Info
			_ = s.List(ctx, prefix, after, func(i store.Info) error { all = append(all, i); return nil })
			for i := range all {
				if err := yield(all[len(all)-1-i]); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			err := store.Probe(t.Context(), s, "probe")
			if fault.CodeOf(err) != "store_refused" || fault.HelpOf(err) == "" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// One try after the other proves nothing: a store that evaluates its condition
// before it writes passes that, and fails at the barrier.
func TestBarrierProbeOfTheRealPath(t *testing.T) {
	s := checkThenAct(1)
	if _, err := s.PutIfAbsent(t.Context(), "race", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutIfAbsent(t.Context(), "race2", nil); err != nil {
		t.Fatal(err)
	}
	err := store.Probe(t.Context(), checkThenAct(32), "probe")
	if err == nil || !strings.Contains(err.Error(), "of 32 writers were told that they alone") {
		t.Errorf("got %v", err)
	}
}

func TestProbeBearsConflictsAndLostAnswers(t *testing.T) {
	for name, action := range map[string]faulty.Action{"conflict": faulty.Conflict, "throttled": faulty.Throttled,
		"lost before": faulty.ErrBefore, "lost after": faulty.ErrAfter} {
		t.Run(name, func(t *testing.T) {
			writes := 0
			s := faulty.New(mem.New(), func(op faulty.Operation) faulty.Action {
				if (op.Name != "swap" && op.Name != "put") || !strings.Contains(op.Key, "race") {
					return faulty.Pass
				}
				if writes++; writes%3 == 0 && writes < 100 {
					return action
				}
				return faulty.Pass
			})
			if err := store.Probe(t.Context(), s, "probe"); err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A store that cannot be reached is not a store that breaks its promises.
func TestProbePassesFailuresOn(t *testing.T) {
	for n := 0; ; n += 7 {
		s := faulty.CrashAt(mem.New(), n+1, false)
		err := store.Probe(t.Context(), s, "probe")
		if !s.Crashed() {
			if err != nil {
				t.Errorf("without a fault: %v", err)
			}
			return
		}
		// A race may be settled although one of its readers before the barrier failed.
		if err == nil || fault.CodeOf(err) != "" || !errors.Is(err, faulty.ErrCrashed) {
			t.Fatalf("crash at %d: %v", n+1, err)
		}
	}
}

func TestProbeLeavesOthersAlone(t *testing.T) {
	s := mem.New()
	for i := range 3 {
		if _, err := s.PutIfAbsent(t.Context(), fmt.Sprintf("probe/%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Probe(t.Context(), s, "probe"); err != nil {
		t.Fatal(err)
	}
	count := 0
	_ = s.List(t.Context(), "", "", func(store.Info) error { count++; return nil })
	if count != 3 {
		t.Errorf("%d objects of 3", count)
	}
}
