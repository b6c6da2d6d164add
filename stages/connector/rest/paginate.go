package rest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/trueup-data/trueup/pipeline/config"
)

// ask is where in a listing a request stands. It is all that a paginator knows.
type ask struct {
	Token string `json:"token,omitempty"` // the token, or the next page's URL; "" for the first page
	N     int64  `json:"n,omitempty"`     // number of the page, or records skipped
	Over  int64  `json:"over,omitempty"`  // of an offset page: records that the page before had too
	Back  bool   `json:"back,omitempty"`  // of an offset page: read again from further up
	Pos   int64  `json:"pos,omitempty"`   // of a numbered page: records on the pages before
	Seen  int64  `json:"seen,omitempty"`  // records that the pages before showed for the first time
}

// answered is a page as it came: what a paginator decides from.
type answered struct {
	url    *url.URL // that was asked
	header http.Header
	body   []byte
	rows   int64 // records in the answer
	fresh  int64 // of them, records that the page before did not have
}

// step is what follows a page: the next request, or the end with its reason.
type step struct {
	next     *ask
	done     string
	unproven bool // the end contradicts itself: done says how
}

// paginator is a pure function of a request and its answer. It keeps nothing.
type paginator interface {
	first() ask
	// query adds the position to a request's parameters.
	query(a ask, q url.Values)
	next(a ask, p answered) (step, error)
}

// newPaginator picks the style of a listing.
func newPaginator(s *paginateSettings) (paginator, error) {
	if s == nil {
		return single{}, nil
	}
	var styles []paginator
	if s.Cursor != nil {
		if (s.Cursor.Next == "") == (s.Cursor.Header == "") {
			return nil, config.Problem(s.at, "paginate.cursor needs next or header", "the token stands in the body or in a header, not in both", "")
		}
		styles = append(styles, tokenPages{*s.Cursor})
	}
	if s.Page != nil {
		start := 1
		if s.Page.Start != nil {
			start = *s.Page.Start
		}
		styles = append(styles, numberPages{param: s.Page.Param, start: int64(start), total: s.Page.Total, checked: !s.Page.Stable})
	}
	if s.Offset != nil {
		styles = append(styles, offsetPages{param: s.Offset.Param, total: s.Offset.Total, overlap: overlap(s)})
	}
	if s.Link {
		styles = append(styles, linkPages{})
	}
	if s.NextURL != "" {
		styles = append(styles, urlPages{s.NextURL})
	}
	if len(styles) != 1 {
		return nil, config.Problem(s.at, fmt.Sprintf("paginate names %d styles", len(styles)), "a listing has one",
			"keep one of cursor, page, offset, link, next_url")
	}
	flag := s.HasMore
	if flag == "" && s.Page != nil {
		flag = s.Page.HasMore
	}
	if flag != "" {
		return flagged{styles[0], flag}, nil
	}
	return styles[0], nil
}

// overlap is how many records of an offset page are read again: at most half of
// a page, so that every request gets ahead.
func overlap(s *paginateSettings) int64 {
	n := int64(5)
	if s.Offset.Overlap != nil {
		n = int64(*s.Offset.Overlap)
	}
	if s.PageSize != nil {
		n = min(n, int64(s.PageSize.Value)/2)
	}
	return max(n, 0)
}

// single is a listing that is not paginated.
type single struct{}

func (single) first() ask            { return ask{} }
func (single) query(ask, url.Values) {}
func (single) next(_ ask, p answered) (step, error) {
	if relNext(p.header) != "" {
		return step{done: "the answer links to a next page, and no paginate is declared", unproven: true}, nil
	}
	return step{done: "one answer, not paginated"}, nil
}

// tokenPages follows a token.
type tokenPages struct{ cursorSettings }

func (tokenPages) first() ask { return ask{} }

func (t tokenPages) query(a ask, q url.Values) {
	if a.Token != "" {
		q.Set(t.Param, a.Token)
	}
}

func (t tokenPages) next(a ask, p answered) (step, error) {
	token := p.header.Get(t.Header)
	if t.Header == "" {
		token = scalar(p.body, t.Next)
		if token == "false" {
			token = ""
		}
	}
	if token == "" {
		return step{done: "no next token"}, nil
	}
	return step{next: &ask{Token: token, Seen: a.Seen + p.fresh}}, nil
}

// numberPages counts pages.
type numberPages struct {
	param   string
	start   int64
	total   string
	checked bool // pages are confirmed, so that records which move do not slip away
}

func (n numberPages) first() ask                { return ask{N: n.start} }
func (n numberPages) query(a ask, q url.Values) { q.Set(n.param, strconv.FormatInt(a.N, 10)) }

func (n numberPages) next(a ask, p answered) (step, error) {
	at := ask{N: a.N + 1, Pos: a.Pos + p.rows, Seen: a.Seen + p.fresh}
	if n.total != "" {
		if s, ok, err := reached(n.total, p, at.Pos, at.Seen, n.checked); ok || err != nil {
			return s, err
		}
	}
	if p.rows == 0 {
		return step{done: fmt.Sprintf("page %d is empty", a.N)}, nil
	}
	return step{next: &at}, nil
}

// offsetPages skips records, and reads the last ones of each page again.
type offsetPages struct {
	param   string
	total   string
	overlap int64
}

func (offsetPages) first() ask                  { return ask{} }
func (o offsetPages) query(a ask, q url.Values) { q.Set(o.param, strconv.FormatInt(a.N, 10)) }

func (o offsetPages) next(a ask, p answered) (step, error) {
	over := min(o.overlap, p.rows/2)
	at := ask{N: a.N + p.rows - over, Over: over, Seen: a.Seen + p.fresh}
	if a.Back {
		p.fresh = p.rows // a page further up may show nothing new: that is no end
	}
	if o.total != "" {
		if s, ok, err := reached(o.total, p, a.N+p.rows, at.Seen, o.overlap > 0); ok || err != nil {
			return s, err
		}
	}
	if p.fresh == 0 {
		return step{done: fmt.Sprintf("nothing after record %d", a.N+p.rows)}, nil
	}
	return step{next: &at}, nil
}

// reached compares where a page ends with the total that it names. Records that
// move while they are read show twice, so more of them than the total is a
// contradiction only where nobody looks whether they move; fewer always is.
func reached(path string, p answered, position, seen int64, checked bool) (step, bool, error) {
	total, err := integer(p.body, path)
	switch {
	case err != nil:
		return step{}, false, err
	case position < total && p.fresh > 0:
		return step{}, false, nil
	case position < total, seen < total, seen > total && !checked:
		return step{done: fmt.Sprintf("the list says that it has %d records, and showed %d", total, seen), unproven: true}, true, nil
	}
	return step{done: fmt.Sprintf("total %d reached", total)}, true, nil
}

// linkPages follows a Link header (RFC 8288).
type linkPages struct{}

func (linkPages) first() ask            { return ask{} }
func (linkPages) query(ask, url.Values) {}
func (linkPages) next(a ask, p answered) (step, error) {
	return followed(a, p, relNext(p.header), "no next link")
}

// urlPages follows a URL in the body.
type urlPages struct{ path string }

func (urlPages) first() ask            { return ask{} }
func (urlPages) query(ask, url.Values) {}
func (u urlPages) next(a ask, p answered) (step, error) {
	return followed(a, p, scalar(p.body, u.path), "no next URL")
}

// followed resolves a URL against the one that was asked. Another origin is
// refused: our credentials belong to this one.
func followed(a ask, p answered, target, none string) (step, error) {
	if target == "" {
		return step{done: none}, nil
	}
	ref, err := url.Parse(target)
	if err != nil {
		return step{}, errors.New("the next page's URL cannot be read")
	}
	next := p.url.ResolveReference(ref)
	if !sameOrigin(next, p.url) {
		return step{}, fmt.Errorf("the next page is at another origin, %s", next.Scheme+"://"+next.Host)
	}
	return step{next: &ask{Token: next.String(), Seen: a.Seen + p.fresh}}, nil
}

// sameOrigin compares scheme and host.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

// relNext is the target of the link with rel=next.
func relNext(h http.Header) string {
	for _, line := range h.Values("Link") {
		for line != "" {
			open, end := strings.IndexByte(line, '<'), strings.IndexByte(line, '>')
			if open < 0 || end < open {
				break
			}
			target := line[open+1 : end]
			params := line[end+1:]
			line = ""
			if i := strings.IndexByte(params, '<'); i >= 0 {
				params, line = params[:i], params[i:]
			}
			if hasRelNext(params) {
				return target
			}
		}
	}
	return ""
}

func hasRelNext(params string) bool {
	for _, p := range strings.FieldsFunc(params, func(r rune) bool { return r == ';' || r == ',' }) {
		name, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "rel") {
			continue
		}
		for _, rel := range strings.Fields(strings.Trim(strings.TrimSpace(v), `"`)) {
			if strings.EqualFold(rel, "next") {
				return true
			}
		}
	}
	return false
}

// flagged believes a flag beside the style's own end.
type flagged struct {
	paginator
	path string
}

func (f flagged) next(a ask, p answered) (step, error) {
	more, err := boolean(p.body, f.path)
	if err != nil {
		return step{}, err
	}
	s, err := f.paginator.next(a, p)
	switch {
	case err != nil || s.unproven:
		return s, err
	case !more:
		return step{done: f.path + " is false"}, nil
	case s.next == nil:
		return step{done: fmt.Sprintf("%s says that there is more, and %s", f.path, s.done), unproven: true}, nil
	}
	return s, nil
}
