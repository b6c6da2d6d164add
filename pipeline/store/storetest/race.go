package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

func endedContext(t *testing.T, s store.Store) {
	info := put(t, s, "k", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, getErr := s.Get(ctx, "k")
	_, openErr := s.Open(ctx, "k", 0, -1)
	_, putErr := s.PutIfAbsent(ctx, "new", []byte("x"))
	_, swapErr := s.Swap(ctx, "k", []byte("y"), info.ETag)
	_, uploadErr := s.Upload(ctx, "new", strings.NewReader("x"))
	listErr := s.List(ctx, "", "", func(store.Info) error { return nil })
	deleteErr := s.Delete(ctx, "k")
	for op, err := range map[string]error{"get": getErr, "open": openErr, "put": putErr, "swap": swapErr,
		"upload": uploadErr, "list": listErr, "delete": deleteErr} {
		if fault.KindOf(err) != fault.Canceled || !errors.Is(err, context.Canceled) {
			t.Errorf("%s under an ended context is of kind %s: %v", op, fault.KindOf(err), err)
		}
	}
	if data, read := get(t, s, "k"); data != "x" || read != info {
		t.Errorf("the object became %q, %+v", data, read)
	}
	wantAbsent(t, s, "new")
}

const writers = 32

// atOnce runs n functions that all begin when everyone is ready.
func atOnce(n int, f func(i int)) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			f(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}

// race has all writers write one name under the condition etag, and checks that
// exactly one won and that its content is there.
func race(t *testing.T, s store.Store, key, etag string) store.Info {
	t.Helper()
	var winners atomic.Int32
	var winner atomic.Value
	ctx := t.Context()
	atOnce(writers, func(i int) {
		data := fmt.Sprintf("%s %s writer %d", key, etag, i)
		for {
			_, err := s.Swap(ctx, key, []byte(data), etag)
			switch {
			case err == nil:
				winners.Add(1)
				winner.Store(data)
			case errors.Is(err, store.ErrConflict): // nobody won: the same again
				continue
			case !errors.Is(err, store.ErrPrecondition):
				t.Errorf("writer %d: %v", i, err)
			}
			return
		}
	})
	data, info := get(t, s, key)
	if winners.Load() != 1 || data != winner.Load() {
		t.Errorf("%d winners of %d; %v was told that it won, %q is there", winners.Load(), writers, winner.Load(), data)
	}
	return info
}

func oneWinner(t *testing.T, s store.Store) {
	for round := range 4 {
		key := fmt.Sprintf("log/%020d.json", round)
		created := race(t, s, key, "")
		race(t, s, key, created.ETag)
	}
}

// noSwapIsLost counts with 8 writers; every increment must be there.
func noSwapIsLost(t *testing.T, s store.Store) {
	const counters, each = 8, 4
	put(t, s, "counter", "0")
	ctx := t.Context()
	atOnce(counters, func(int) {
		for added := 0; added < each; {
			data, info, err := s.Get(ctx, "counter")
			if err != nil {
				t.Errorf("get: %v", err)
				return
			}
			n, err := strconv.Atoi(string(data))
			if err != nil {
				t.Errorf("the counter reads %q", data)
				return
			}
			_, err = s.Swap(ctx, "counter", []byte(strconv.Itoa(n+1)), info.ETag)
			switch {
			case err == nil:
				added++
			case !errors.Is(err, store.ErrPrecondition) && !errors.Is(err, store.ErrConflict):
				t.Errorf("swap: %v", err)
				return
			}
		}
	})
	if data, _ := get(t, s, "counter"); data != strconv.Itoa(counters*each) {
		t.Errorf("the counter reads %s after %d increments", data, counters*each)
	}
}

// wholeObjects swaps an object back and forth while others read it.
func wholeObjects(t *testing.T, s store.Store) {
	content := func(n int) string { return strings.Repeat(strconv.Itoa(n%10), 50_000+n) }
	info := put(t, s, "k", content(0))
	ctx := t.Context()
	var over atomic.Bool
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !over.Load() {
				data, _, err := s.Get(ctx, "k")
				if err != nil {
					t.Errorf("get: %v", err)
					return
				}
				if string(data) != content(len(data)-50_000) {
					t.Errorf("%d bytes of different writers", len(data))
				}
			}
		})
	}
	for n := 1; n <= 20; n++ {
		var err error
		if info, err = s.Swap(ctx, "k", []byte(content(n)), info.ETag); err != nil {
			t.Errorf("swap: %v", err)
			break
		}
	}
	over.Store(true)
	readers.Wait()
}

func probeAccepts(t *testing.T, s store.Store) {
	if err := store.Probe(t.Context(), s, "probe"); err != nil {
		t.Errorf("%v", fault.Describe(err))
	}
	if keys := list(t, s, "", ""); len(keys) > 0 {
		t.Errorf("the probe left %v", keys)
	}
}
