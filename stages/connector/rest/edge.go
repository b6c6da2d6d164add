package rest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/zeebo/xxh3"
)

// edge is the page that was read last, kept to see whether records moved before
// the next one was read: a record deleted from an earlier page pulls the first
// one of the next page to where nobody looks any more. Listings must have an
// order that an edit does not change (by ID, by creation); in one sorted by the
// time of the last edit, what an edit moves is read by the next incremental pass.
type edge struct {
	page  []jsontext.Value  // as just read
	ids   []string          // of the page before, in its order
	seen  map[string]uint64 // the same, with the hash of each record
	moves int               // pages that had to be looked for
}

// Bounds of how often records that moved are looked for: in one pass, and around
// one page.
const (
	maxMoves = 50
	maxTries = 5
)

// errMoving ends a pass whose records move faster than they are read.
var errMoving = errors.New("records move between pages faster than they can be read; sort the listing by something that edits do not change")

// keep makes the current page the one before.
func (e *edge) keep(s *Stream) {
	if len(e.page) == 0 && len(e.ids) > 0 {
		return // an empty page has no edge
	}
	e.ids = make([]string, len(e.page))
	e.seen = make(map[string]uint64, len(e.page))
	for i, r := range e.page {
		e.ids[i] = s.rawID(r)
		e.seen[e.ids[i]] = xxh3.Hash(r)
	}
}

// overlapped finds where the current offset page goes on after the one before:
// behind the last record that both have. If they have none in common, records
// moved, and the page is read from further up.
func (e *edge) overlapped(s *Stream, at ask) (records, fresh []jsontext.Value, move *ask, err error) {
	if len(e.ids) == 0 || at.Over == 0 {
		return e.page, e.page, nil, nil
	}
	last := -1
	for i, r := range e.page {
		if slices.Contains(e.ids, s.rawID(r)) {
			last = i
		}
	}
	if last < 0 {
		if e.moves++; e.moves > maxMoves {
			return nil, nil, nil, errMoving
		}
		up := at
		up.N = max(0, at.N-int64(max(len(e.ids), len(e.page), 1)))
		if up.N == 0 {
			up.Over = 0 // from the beginning nothing can be missed
		}
		return nil, nil, &up, nil
	}
	fresh = e.page[last+1:]
	return append(e.changed(s, e.page[:last+1]), fresh...), fresh, nil, nil
}

// changed are the records that were read before and are not the same any more.
func (e *edge) changed(s *Stream, page []jsontext.Value) []jsontext.Value {
	var out []jsontext.Value
	for _, r := range page {
		if h, ok := e.seen[s.rawID(r)]; ok && h != xxh3.Hash(r) {
			out = append(out, r)
		}
	}
	return out
}

// confirmed reads the page before again: only if its end is where it was did
// nothing slip from the current page into it. A page that changed is taken anew.
func (s *Stream) confirmed(ctx context.Context, w walk, e *edge, at ask, n int, p pageRead) (pageRead, *ask, error) {
	var gained []jsontext.Value
	for tries := 0; ; tries++ {
		before := at
		before.N--
		_, again, err := s.fetchPage(ctx, w, before, n-1)
		if err != nil {
			return p, nil, err
		}
		ids := make([]string, len(again))
		for i, r := range again {
			ids[i] = s.rawID(r)
		}
		if slices.Equal(ids[max(0, len(ids)-1):], e.ids[max(0, len(e.ids)-1):]) && len(ids) == len(e.ids) {
			p.records, p.fresh = append(gained, e.page...), append(gained, e.page...)
			return p, nil, nil
		}
		if tries == maxTries || e.moves == maxMoves {
			return p, nil, errMoving
		}
		if !slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(e.ids, id) }) {
			e.moves++
			first := w.list.pages.first() // nothing in common: nobody knows how much slipped away
			e.ids, e.seen = nil, nil
			return p, &first, nil
		}
		gained = append(gained, e.newIn(s, again)...)
		e.page = again
		moves := e.moves
		e.keep(s)
		e.moves = moves
		asked := p.asked
		if p.reply, e.page, err = s.fetchPage(ctx, w, at, n); err != nil {
			return p, nil, err
		}
		p.asked = asked // what was gained is as old as the first of these requests
	}
}

// newIn are the records of a page that the page before did not show.
func (e *edge) newIn(s *Stream, page []jsontext.Value) []jsontext.Value {
	var out []jsontext.Value
	for _, r := range page {
		if _, ok := e.seen[s.rawID(r)]; !ok {
			out = append(out, r)
		}
	}
	return out
}

// rawID names a raw record by its primary key as written, or by its content
// where it has none.
func (s *Stream) rawID(r jsontext.Value) string {
	var parts []string
	for _, f := range s.decode.Fields {
		if !slices.Contains(s.decode.PrimaryKey, f.Name) {
			continue
		}
		path := f.Path
		if path == "" {
			path = strings.ReplaceAll(f.Name, ".", `\.`)
		}
		v, ok := find(r, path)
		if !ok {
			return string(r)
		}
		parts = append(parts, string(v))
	}
	return strings.Join(parts, "\x00")
}
