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
	page    []jsontext.Value  // as just read
	anchors []string          // of the page before, in its order
	seen    map[string]uint64 // the page before: the hash of each record by its ID
	moves   int               // pages that had to be looked for
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
	if len(e.page) == 0 && len(e.anchors) > 0 {
		return // an empty page has no edge
	}
	e.anchors = s.anchorsOf(e.page)
	e.seen = make(map[string]uint64, len(e.page))
	for _, r := range e.page {
		e.seen[s.rawID(r)] = xxh3.Hash(r)
	}
}

// overlapped finds where the current offset page goes on after the one before:
// behind the last record that both have and nobody edited. If they have none in
// common, records moved, and the page is read from further up.
func (e *edge) overlapped(s *Stream, at ask) (records, fresh []jsontext.Value, move *ask, err error) {
	if len(e.anchors) == 0 || at.Over == 0 {
		return e.page, e.page, nil, nil
	}
	last := -1
	for i, a := range s.anchorsOf(e.page) {
		if slices.Contains(e.anchors, a) {
			last = i
		}
	}
	if last < 0 {
		if e.moves++; e.moves > maxMoves {
			return nil, nil, nil, errMoving
		}
		up := at
		up.N = max(0, at.N-int64(max(len(e.anchors), len(e.page), 1)))
		if up.Back = true; up.N == 0 {
			up.Over = 0 // from the beginning nothing can be missed
		}
		return nil, nil, &up, nil
	}
	fresh = e.page[last+1:]
	return append(e.news(s, e.page[:last+1], at.Back), fresh...), fresh, nil, nil
}

// news are the records of a page that the page before did not show, or showed
// otherwise. Further up, what it did not show was shown by older ones.
func (e *edge) news(s *Stream, page []jsontext.Value, further bool) []jsontext.Value {
	var out []jsontext.Value
	for _, r := range page {
		if h, ok := e.seen[s.rawID(r)]; (ok || !further) && h != xxh3.Hash(r) {
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
		anchors := s.anchorsOf(again)
		if len(anchors) == len(e.anchors) && anchors[len(anchors)-1] == e.anchors[len(anchors)-1] {
			p.loose = len(gained)
			p.records = append(gained, e.page...)
			p.fresh = p.records
			return p, nil, nil
		}
		if tries == maxTries || e.moves == maxMoves {
			return p, nil, errMoving
		}
		if !slices.ContainsFunc(anchors, func(a string) bool { return slices.Contains(e.anchors, a) }) {
			e.moves++
			first := w.list.pages.first() // nothing in common: nobody knows how much slipped away
			first.Back = true
			e.anchors, e.seen = nil, nil
			return p, &first, nil
		}
		gained = append(gained, e.news(s, again, false)...)
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

// anchorsOf names the records of a page by ID and cursor: one that was edited is
// no anchor, since in a listing by time it has moved.
func (s *Stream) anchorsOf(page []jsontext.Value) []string {
	out := make([]string, len(page))
	for i, r := range page {
		out[i] = s.rawID(r)
		if s.cursor != nil {
			out[i] += "\x00" + s.cursor.literal(r)
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
		v, ok := find(r, pathOf(f))
		if !ok {
			return string(r)
		}
		parts = append(parts, string(v))
	}
	return strings.Join(parts, "\x00")
}
