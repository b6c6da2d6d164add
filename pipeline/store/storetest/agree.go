package storetest

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline/store"
	"pgregory.net/rapid"
)

// Agree runs random operations on a store and on one that is known to be right,
// and compares every answer. open gives an empty store for each sequence, of
// which there are as many as sequences says unless -rapid.checks asks for
// another number.
func Agree(t *testing.T, sequences int, right func() store.Store, open func() store.Store) {
	limitChecks(t, sequences)
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{t: t, want: right(), got: open()}
		rt.Repeat(map[string]func(*rapid.T){
			"put":    m.put,
			"swap":   m.swap,
			"upload": m.upload,
			"delete": m.delete,
			"get":    m.get,
			"":       m.lists,
		})
	})
}

// limitChecks lowers rapid's number of checks for one test, which must not be
// parallel: a store over a network is worth fewer than one in memory.
func limitChecks(t *testing.T, n int) {
	t.Helper()
	checks := flag.Lookup("rapid.checks")
	if checks == nil || checks.Value.String() != checks.DefValue {
		return
	}
	if err := checks.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = checks.Value.Set(checks.DefValue) })
}

type machine struct {
	t         *testing.T
	want, got store.Store
	keys      []string // that were put at any time
}

// key draws names whose byte order differs from the order of folders. A name
// that is a folder of another one is not drawn: a file system cannot keep both.
func (m *machine) key(rt *rapid.T) string {
	name := rapid.StringMatching(`[ab](/?[ab.0!-]?[ab0]){0,3}`)
	key := name.Filter(func(k string) bool {
		return store.CheckKey(k) == nil && !slices.ContainsFunc(m.keys, func(other string) bool {
			return strings.HasPrefix(other, k+"/") || strings.HasPrefix(k, other+"/")
		})
	}).Draw(rt, "key")
	m.keys = append(m.keys, key)
	return key
}

// known draws a key that was put, mostly.
func (m *machine) known(rt *rapid.T) string {
	if len(m.keys) == 0 || rapid.IntRange(0, 9).Draw(rt, "new") == 0 {
		return m.key(rt)
	}
	return rapid.SampledFrom(m.keys).Draw(rt, "known key")
}

// same compares two outcomes by what a caller can branch on.
func (m *machine) same(rt *rapid.T, what string, want, got error) {
	for _, answer := range []error{store.ErrNotExist, store.ErrPrecondition, store.ErrConflict} {
		if errors.Is(want, answer) != errors.Is(got, answer) {
			rt.Fatalf("%s: got %v, want %v", what, got, want)
		}
	}
	if (want == nil) != (got == nil) {
		rt.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func (m *machine) put(rt *rapid.T) {
	key, data := m.known(rt), rapid.StringN(0, 3, -1).Draw(rt, "data")
	_, want := m.want.PutIfAbsent(m.t.Context(), key, []byte(data))
	_, got := m.got.PutIfAbsent(m.t.Context(), key, []byte(data))
	m.same(rt, "put "+key, want, got)
}

func (m *machine) upload(rt *rapid.T) {
	key := m.key(rt)
	if _, _, err := m.want.Get(m.t.Context(), key); err == nil {
		return // names of uploads are never used twice
	}
	_, want := m.want.Upload(m.t.Context(), key, strings.NewReader(key))
	_, got := m.got.Upload(m.t.Context(), key, strings.NewReader(key))
	m.same(rt, "upload "+key, want, got)
}

// swap swaps by the current ETag, or by one of another content.
func (m *machine) swap(rt *rapid.T) {
	key, data := m.known(rt), rapid.StringN(0, 3, -1).Draw(rt, "data")
	_, wantInfo, _ := m.want.Get(m.t.Context(), key)
	_, gotInfo, _ := m.got.Get(m.t.Context(), key)
	wantTag, gotTag := wantInfo.ETag, gotInfo.ETag
	if rapid.Bool().Draw(rt, "stale") || wantTag == "" {
		wantTag, gotTag = `"00000000000000000000000000000000"`, `"00000000000000000000000000000000"`
	}
	_, want := m.want.Swap(m.t.Context(), key, []byte(data), wantTag)
	_, got := m.got.Swap(m.t.Context(), key, []byte(data), gotTag)
	m.same(rt, "swap "+key, want, got)
}

func (m *machine) delete(rt *rapid.T) {
	key := m.known(rt)
	m.same(rt, "delete "+key, m.want.Delete(m.t.Context(), key), m.got.Delete(m.t.Context(), key))
}

func (m *machine) get(rt *rapid.T) {
	key := m.known(rt)
	wantData, wantInfo, want := m.want.Get(m.t.Context(), key)
	gotData, gotInfo, got := m.got.Get(m.t.Context(), key)
	m.same(rt, "get "+key, want, got)
	if string(wantData) != string(gotData) || wantInfo.SizeBytes != gotInfo.SizeBytes {
		rt.Fatalf("%s reads %q, want %q", key, gotData, wantData)
	}
}

// lists compares listings after every operation.
func (m *machine) lists(rt *rapid.T) {
	prefix := rapid.StringMatching(`([ab][ab0]?/?[ab]?)?`).Draw(rt, "prefix")
	after := rapid.StringMatching(`([ab][ab.0!-]?/?[ab]?)?`).Draw(rt, "after")
	for _, q := range [][2]string{{"", ""}, {prefix, ""}, {"", after}, {prefix, after}} {
		want, got := m.listing(rt, m.want, q), m.listing(rt, m.got, q)
		if !slices.Equal(want, got) {
			rt.Fatalf("list %q after %q: got %q, want %q", q[0], q[1], got, want)
		}
	}
}

func (m *machine) listing(rt *rapid.T, s store.Store, q [2]string) []string {
	var objects []string
	err := s.List(m.t.Context(), q[0], q[1], func(i store.Info) error {
		objects = append(objects, fmt.Sprintf("%s %d", i.Key, i.SizeBytes))
		return nil
	})
	if err != nil {
		rt.Fatalf("list %q after %q: %v", q[0], q[1], err)
	}
	return objects
}
