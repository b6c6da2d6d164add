package rest

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/stages/connector/connectortest"
)

// movingStyles are the listings whose pages are counted, so that records move
// between them.
func movingStyles() map[string]parts {
	return map[string]parts{
		"offset":        {paginate: "{offset: {param: offset, overlap: 2}, " + pageSize + "}"},
		"offset, total": {paginate: "{offset: {param: offset, total: meta.total}, " + pageSize + "}"},
		"offset, free":  {paginate: "{offset: {param: offset}}"},
		"page":          {paginate: "{page: {param: page}, " + pageSize + "}"},
		"page, total":   {paginate: "{page: {param: page, total: meta.total}}"},
	}
}

// TestMovingPagesAreReadAgainWithOverlap deletes, inserts and edits records
// between any two pages. Whoever was there all the time must come, or the pass
// must not be proven.
func TestMovingPagesAreReadAgainWithOverlap(t *testing.T) {
	for name, p := range movingStyles() {
		for _, ordered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s ordered=%v", name, ordered), func(t *testing.T) {
				a := newAPI(t, strings.Split(name, ",")[0])
				a.totals, a.ordered = true, ordered
				s, _ := newStream(t, a, p)
				rapid.Check(t, func(t *rapid.T) { movingPass(t, a, s) })
			})
		}
	}
}

func movingPass(t *rapid.T, a *api, s *Stream) {
	n := rapid.IntRange(0, 22).Draw(t, "records")
	script := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, 40), 0, 3), 0, 6).Draw(t, "edits after each page")
	a.mu.Lock()
	a.records, a.next, a.lists = map[string]connectortest.Record{}, 0, 0
	stay := map[string]bool{}
	for range n {
		stay[a.insert(connectortest.Record{Code: "c"})] = true
	}
	a.onList = func(n int) {
		if n > len(script) {
			return
		}
		for _, edit := range script[n-1] {
			id := fmt.Sprintf("r%05d", edit/2+1)
			rec, ok := a.records[id]
			switch {
			case !ok:
				a.insert(connectortest.Record{Code: "new"})
			case edit%2 == 0:
				delete(a.records, id)
				delete(stay, id)
			default:
				rec.Cents++
				a.touch(rec)
			}
		}
	}
	a.mu.Unlock()
	got := map[string]bool{}
	end, err := s.Read(t.Context(), pipeline.ReadRequest{Mode: pipeline.Sweep}, func(b pipeline.Batch) error {
		if b.Rows != nil {
			for _, id := range column0(b.Rows) {
				got[id] = true
			}
			b.Rows.Release()
		}
		return nil
	})
	if err != nil || !end.Proven {
		return // nothing is claimed
	}
	for id := range stay {
		if !got[id] {
			t.Fatalf("%s was there all the time and did not come; the pass is proven: %s", id, end.Reason)
		}
	}
}

// A quiet listing must be proven, or the property above would say nothing.
func TestQuietPagesAreProven(t *testing.T) {
	for name, p := range movingStyles() {
		for _, n := range []int{0, 1, 2, 3, 4, 5, 8, 9, 13} {
			a := newAPI(t, strings.Split(name, ",")[0])
			a.totals = true
			s, _ := newStream(t, a, p)
			fill(a, n)
			ids, _, end, err := readAll(t, s, pipeline.ReadRequest{})
			if err != nil || !end.Proven || len(ids) != n {
				t.Errorf("%s: %d of %d records, %+v, %v", name, len(ids), n, end, err)
			}
		}
	}
}

// One deletion must not cost the proof: the overlap is there to bear it.
func TestADeletionBetweenPagesIsBorne(t *testing.T) {
	for name, p := range movingStyles() {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, strings.Split(name, ",")[0])
			a.totals = true
			s, _ := newStream(t, a, p)
			all := fill(a, 14)
			a.onList = func(n int) {
				if n == 2 {
					delete(a.records, all[0])
				}
			}
			ids, _, end, err := readAll(t, s, pipeline.ReadRequest{})
			if err != nil || !end.Proven || distinct(ids) != 14 {
				t.Errorf("%d of 14 records, %+v, %v", distinct(ids), end, err)
			}
		})
	}
}
