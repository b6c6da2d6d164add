package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/trueup-data/trueup/pipeline/store"
)

// trickyOrder is in byte order; a walk folder by folder gives another one.
func trickyOrder() []string {
	return []string{"a", "a b", "a!/x", "a-/x", "a-b", "a.json", "a0", "aB", "a_", "ab/c", "ab/c-d/e", "ab/c/d", "ab/c0", "ab0", "b/1", "ä"}
}

func listOrder(t *testing.T, s store.Store) {
	want := []string{"f/sub/x", "f/t"}
	for _, key := range trickyOrder() {
		if key != "a" && key != "ab/c" { // a file system cannot hold an object and a folder of one name
			want = append(want, "f/"+key)
		}
	}
	slices.Sort(want)
	for i := range want { // not in order
		put(t, s, want[(i*7)%len(want)], "x")
	}
	put(t, s, "e/1", "x")
	put(t, s, "f-/1", "x")
	put(t, s, "g/1", "x")
	if got := list(t, s, "f/", ""); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := list(t, s, "f/a-", ""); !slices.Equal(got, []string{"f/a-/x", "f/a-b"}) {
		t.Errorf("by a prefix within a name: %q", got)
	}
	if got := list(t, s, "", ""); len(got) != len(want)+3 || !slices.IsSorted(got) {
		t.Errorf("everything: %q", got)
	}
	err := s.List(t.Context(), "g/", "", func(i store.Info) error {
		if i.SizeBytes != 1 {
			t.Errorf("listed %+v", i)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func listAfter(t *testing.T, s store.Store) {
	var all []string
	for i := range 25 {
		key := fmt.Sprintf("log/%020d.json", i*10)
		put(t, s, key, "x")
		all = append(all, key)
	}
	for _, c := range []struct {
		after string
		want  []string
	}{
		{"", all},
		{"log/", all},
		{all[0], all[1:]},
		{fmt.Sprintf("log/%020d", 100), all[10:]},
		{fmt.Sprintf("log/%020d.json", 105), all[11:]},
		{all[24], nil},
		{"log/horizon", nil},
		{"m", nil},
		{"a", all},
	} {
		if got := list(t, s, "log/", c.after); !slices.Equal(got, c.want) {
			t.Errorf("after %q: %d keys, want %d", c.after, len(got), len(c.want))
		}
	}
}

func listStops(t *testing.T, s store.Store) {
	for i := range 20 {
		put(t, s, fmt.Sprintf("k/%02d", i), "x")
	}
	enough := errors.New("enough")
	seen := 0
	err := s.List(t.Context(), "k/", "", func(store.Info) error {
		seen++
		if seen == 11 {
			return enough
		}
		return nil
	})
	if err != enough || seen != 11 { //nolint:errorlint // it must come back as it is
		t.Errorf("after %d of 11 objects: %v", seen, err)
	}
}

// A listing that goes on while objects come and go shows every object that was
// there from its beginning to its end.
func listWhileChanging(t *testing.T, s store.Store) {
	for i := range 30 {
		put(t, s, fmt.Sprintf("d%d/%02d", i%3, i), "x")
	}
	seen := map[string]bool{}
	err := s.List(t.Context(), "", "", func(i store.Info) error {
		if seen[i.Key] {
			return fmt.Errorf("%s came twice", i.Key)
		}
		seen[i.Key] = true
		if len(seen) == 1 {
			for n := 0; n < 30; n += 2 {
				if err := s.Delete(t.Context(), fmt.Sprintf("d%d/%02d", n%3, n)); err != nil {
					return err
				}
			}
			put(t, s, "d1/new", "x")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 30; n += 2 {
		if key := fmt.Sprintf("d%d/%02d", n%3, n); !seen[key] {
			t.Errorf("%s was there all the time and is not listed", key)
		}
	}
}
