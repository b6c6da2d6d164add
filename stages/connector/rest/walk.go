package rest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/zeebo/xxh3"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/pace"
)

// walk is one pass over a listing.
type walk struct {
	list      listing
	class     pace.Class
	op        string // for errors: "read page"
	vals      values
	extra     url.Values // parameters beside the request's own
	partition string
	from      *position // where an earlier pass stands; nil: the beginning
	page      func(pageRead) error
}

// position is where a walk stands between two pages.
type position struct {
	At   ask      `json:"at"`
	Tail []string `json:"tail,omitempty"` // anchors at the end of the last page, for offset pages
}

// pageRead is what a page gave.
type pageRead struct {
	reply
	records  []jsontext.Value // new or changed since they were read in this walk
	fresh    []jsontext.Value // of them, those that no page before had
	next     *position        // nil at the end, and where nobody can resume
	loose    int              // records at the beginning that stand out of the listing's order
	again    bool             // the listing is read again from further up
	content  uint64           // hash of the page's records
	rows     int              // records in the answer
	end      string           // why there is nothing more; "" while there is
	unproven bool
}

// tailKept bounds what a checkpoint carries of the last page.
const tailKept = 20

// walk reads page after page and calls w.page for each. Records that moved
// between pages are found by reading the edge of the last page again.
func (s *Stream) walk(ctx context.Context, w walk) (pipeline.End, error) {
	e := &edge{}
	g := &guard{}
	at := w.list.pages.first()
	if w.from != nil {
		at, e.anchors = w.from.At, w.from.Tail
	}
	for n := 1; ; n++ {
		p, move, err := s.pageAt(ctx, w, e, at, n)
		if err != nil {
			return pipeline.End{}, err
		}
		if move != nil {
			at = *move
			g.forget()
			continue
		}
		st, err := w.list.pages.next(at, answered{url: p.url, header: p.header, body: p.body, rows: int64(p.rows), fresh: int64(len(p.fresh))})
		if err != nil {
			return pipeline.End{}, s.pageError(w, p.url, n, fault.Transient, err)
		}
		st = w.list.window(at, p, st)
		if err := g.check(at, st, p, s.client.public(p.url), n); err != nil {
			return pipeline.End{}, s.pageError(w, p.url, n, fault.Permanent, err)
		}
		p.end, p.unproven = st.done, st.unproven
		if st.next != nil {
			at = s.stripped(w.list, *st.next)
			p.next = w.list.resume(at, e)
		}
		if err := w.page(p); err != nil {
			return pipeline.End{}, err
		}
		if st.next == nil {
			return pipeline.End{Proven: !st.unproven, Reason: st.done}, nil
		}
	}
}

// window turns an end at the known result window into a failed proof.
func (l listing) window(at ask, p pageRead, st step) step {
	if l.most <= 0 || at.Seen+int64(len(p.fresh)) < l.most {
		return st
	}
	return step{done: fmt.Sprintf("%d records are as many as one listing gives (max_window)", at.Seen+int64(len(p.fresh))), unproven: true}
}

// resume is the position after a page, where a later walk may begin.
func (l listing) resume(at ask, e *edge) *position {
	if l.verified {
		return nil // the page before would have to be kept whole
	}
	p := &position{At: at}
	if l.overlap > 0 {
		p.Tail = e.anchors[max(0, len(e.anchors)-tailKept):]
	}
	return p
}

// pageAt reads one page. move: records have shifted, go on there instead.
func (s *Stream) pageAt(ctx context.Context, w walk, e *edge, at ask, n int) (p pageRead, move *ask, err error) {
	if p.reply, e.page, err = s.fetchPage(ctx, w, at, n); err != nil {
		return p, nil, err
	}
	p.again = at.Back
	switch {
	case w.list.overlap > 0:
		p.records, p.fresh, move, err = e.overlapped(s, at)
		p.loose = len(p.records) - len(p.fresh)
	case w.list.verified && len(e.anchors) > 0:
		p, move, err = s.confirmed(ctx, w, e, at, n, p)
	default:
		p.records, p.fresh = e.page, e.page
	}
	if err != nil {
		return p, nil, s.pageError(w, p.url, n, fault.Transient, err)
	}
	if move == nil {
		p.content, p.rows = hashAll(e.page), len(e.page)
		e.keep(s)
	}
	return p, move, nil
}

func hashAll(page []jsontext.Value) uint64 {
	h := xxh3.New()
	for _, r := range page {
		_, _ = h.Write(r)
	}
	return h.Sum64()
}

// fetchPage asks for a page and takes its records out.
func (s *Stream) fetchPage(ctx context.Context, w walk, at ask, n int) (reply, []jsontext.Value, error) {
	c, err := s.pageCall(w, at, n)
	if err != nil {
		return reply{}, nil, err
	}
	var records []jsontext.Value
	var r reply
	err = s.gate.Do(ctx, w.class, s.policy, func(ctx context.Context) (a pace.Attempt) {
		if r, a = s.askOnce(ctx, c); a.Err != nil {
			return a
		}
		if records, err = items(r.body, w.list.records); err != nil {
			// A 200 that says something else than a list is how some APIs fail.
			a.Err, a.Again, a.Failed = s.fail(c, fault.Transient, err), true, true
		}
		return a
	})
	return r, records, err
}

func (s *Stream) pageCall(w walk, at ask, n int) (call, error) {
	c, err := s.call(w.list.request, w.vals, w.op)
	if err != nil {
		return c, err
	}
	c.where.Partition = w.partition
	if w.list.follows() && at.Token != "" {
		c.url, err = s.client.address(at.Token, nil)
		return c, err
	}
	q := c.url.Query()
	for name, v := range w.extra {
		q[name] = v
	}
	w.list.pages.query(at, q)
	if w.list.size != nil {
		q.Set(w.list.size.Param, strconv.Itoa(w.list.size.Value))
	}
	u := *c.url
	u.RawQuery = q.Encode()
	c.url = &u
	c.where.Page = fmt.Sprintf("%d (%s %s)", n, c.method, s.client.public(c.url))
	return c, nil
}

// follows: the next page is a URL of the system's own making.
func (l listing) follows() bool {
	p := l.pages
	if f, ok := p.(flagged); ok {
		p = f.paginator
	}
	switch p.(type) {
	case linkPages, urlPages:
		return true
	}
	return false
}

// stripped takes our API key out of a URL that the system echoes: positions are
// stored, credentials are not.
func (s *Stream) stripped(l listing, at ask) ask {
	if l.follows() {
		if u, err := url.Parse(at.Token); err == nil {
			at.Token = s.client.bare(u).String()
		}
	}
	return at
}

func (s *Stream) pageError(w walk, u *url.URL, n int, kind fault.Kind, err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	place := s.place()
	place.Partition = w.partition
	place.Page = fmt.Sprintf("%d (%s %s)", n, w.list.request.method, s.client.public(u))
	return fault.New(kind, w.op, err).WithWhere(place).WithHelp(s.pageHelp()).WithNote("no cursor was moved; what is stored stays")
}

// guard finds a listing that runs in circles. It remembers what it was given,
// as hashes.
type guard struct {
	tokens map[uint64]int // page that gave it
	urls   map[int]string
	last   uint64 // content of the last page
	any    bool
}

// forget drops the last page: what comes next is read again on purpose.
func (g *guard) forget() { g.any = false }

func (g *guard) check(at ask, st step, p pageRead, asked string, n int) error {
	if g.tokens == nil {
		g.tokens, g.urls = map[uint64]int{}, map[int]string{}
	}
	g.urls[n] = asked
	delete(g.urls, n-1000) // enough to name both requests of any short circle
	if g.any && p.content == g.last && p.rows > 0 {
		return fmt.Errorf("page %d is the same as the page before: %s and %s", n, g.name(n-1), asked)
	}
	g.last, g.any = p.content, true
	if at.Token != "" {
		g.tokens[xxh3.HashString(at.Token)] = n
	}
	if st.next == nil || st.next.Token == "" {
		return nil
	}
	if first, again := g.tokens[xxh3.HashString(st.next.Token)]; again {
		return fmt.Errorf("the listing goes in circles: page %d leads back to page %d: %s and %s", n, first, asked, g.name(first))
	}
	return nil
}

func (g *guard) name(n int) string {
	if u, ok := g.urls[n]; ok {
		return u
	}
	return "page " + strconv.Itoa(n)
}
