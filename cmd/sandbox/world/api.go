package world

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// server is one system's side of HTTP. Its methods run under the world's lock.
type server struct {
	w       *World
	sys     *system
	shelves []*shelf
}

func (w *World) server(sys *system) *server {
	v := &server{w: w, sys: sys}
	for _, s := range w.shelves {
		if s.sys == sys {
			v.shelves = append(v.shelves, s)
		}
	}
	return v
}

// find says which collection a path is about; nil is none.
func (v *server) find(path string) *shelf {
	for _, s := range v.shelves {
		if path == s.col.root || strings.HasPrefix(path, s.col.root+"/") {
			return s
		}
	}
	return nil
}

func (v *server) fail(status int, title, format string, args ...any) answer {
	return reply(status, v.sys.fail(status, title, fmt.Sprintf(format, args...)))
}

// do executes a request.
func (v *server) do(c *call) answer {
	if !v.sys.auth(c, v.w.opt.Credentials[v.sys.name]) {
		a := v.fail(v.sys.denied, "unauthorized", "the credential is missing or wrong")
		if v.sys.denied == http.StatusUnauthorized {
			a.header.Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q", v.sys.name))
		}
		return a
	}
	switch {
	case c.kind.writes():
		return v.once(c)
	case c.kind == CallList:
		return v.list(c)
	case c.kind == CallSearch:
		return v.search(c)
	case c.kind == CallGet:
		return v.get(c)
	case c.kind == CallLodgings:
		return v.lodgings()
	}
	return v.fail(http.StatusNotFound, "no_such_path", "%s %s is not part of this API", c.method, c.path)
}

// write executes a write that is not a repetition.
func (v *server) write(c *call) answer {
	switch {
	case c.kind == CallCreate:
		return v.create(c)
	case c.kind == CallDelete:
		return v.remove(c)
	case v.sys.offers(c.method):
		return v.update(c)
	}
	return v.fail(http.StatusMethodNotAllowed, "method not allowed", "a %s is changed by %s", c.shelf.col.noun, v.sys.update)
}

// one answers with a single record.
func (v *server) one(status int, s *shelf, r row) answer {
	object := s.object(r)
	var body any = object
	if s.col.one != "" {
		body = map[string]any{s.col.one: object}
	}
	a := reply(status, body)
	if v.sys.etags {
		a.header.Set("ETag", etag(r.version))
	}
	a.shown = []Shown{{ID: r.ID, Version: r.version.Number}}
	return a
}

// many answers with a page of records.
func (v *server) many(c *call, rows []row, p page) answer {
	objects := make([]any, 0, len(rows))
	shown := make([]Shown, 0, len(rows))
	for _, r := range rows {
		objects = append(objects, c.shelf.object(r))
		shown = append(shown, Shown{ID: r.ID, Version: r.version.Number})
	}
	if i := v.spoil(c, objects); i >= 0 {
		shown[i].Spoiled = true
	}
	doc, h := map[string]any{c.shelf.col.list: objects}, http.Header{}
	v.sys.pages.show(p, doc, h)
	var body any = doc
	if c.shelf.col.list == "" {
		body = objects
	}
	a := reply(http.StatusOK, body)
	for name, values := range h {
		a.header[name] = values
	}
	a.shown = shown
	return a
}

// list answers with a page of what a listing is about.
func (v *server) list(c *call) answer {
	rows, limit, err := v.matching(c)
	if err != nil {
		return v.fail(http.StatusBadRequest, "bad_request", "%v", err)
	}
	from, err := v.from(c, rows, limit)
	if err != nil {
		return v.fail(http.StatusBadRequest, "bad_request", "%s: %v", v.sys.pages.param, err)
	}
	from = min(from, len(rows))
	cut := rows[from:min(from+limit, len(rows))]
	p := page{total: len(rows), offset: from, limit: limit}
	if from+limit < len(rows) && len(cut) > 0 {
		p.next = v.next(c, cut, from+limit)
		p.url = v.address(c, p.next)
	}
	return v.many(c, v.bend(c, rows[:from], cut), p)
}

// matching is everything that a listing is about, and the page size.
func (v *server) matching(c *call) (rows []row, limit int, err error) {
	if limit, err = v.limit(c); err != nil {
		return nil, 0, err
	}
	var at time.Time
	if text := c.query.Get(v.sys.since.param); text != "" {
		if at, err = v.sys.since.read(text); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", v.sys.since.param, err)
		}
	}
	rows = c.shelf.rows(at, v.sys.since.inclusive, c.asOf(v.w.now))
	for param, field := range c.shelf.col.filters {
		if want := c.query.Get(param); want != "" {
			rows = filter(rows, func(r row) bool { return r.version.Values.Get(field) == want })
		}
	}
	if c.suffers(Empty) {
		rows = nil
	}
	return rows, limit, nil
}

func (v *server) limit(c *call) (int, error) {
	text := c.query.Get("limit")
	if text == "" {
		return v.sys.usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > v.sys.most {
		return 0, fmt.Errorf("limit %q is not between 1 and %d", text, v.sys.most)
	}
	return n, nil
}

// from is where a page begins in the rows of its listing.
func (v *server) from(c *call, rows []row, limit int) (int, error) {
	text := c.query.Get(v.sys.pages.param)
	if text == "" {
		return 0, nil
	}
	if v.sys.pages.keyset {
		return after(rows, text)
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no number", text)
	}
	if v.sys.pages.ordinal {
		return max(n-1, 0) * limit, nil
	}
	return n, nil
}

// after is how many rows stand at or before the place of a token.
func after(rows []row, token string) (int, error) {
	at, number, err := readKeysetToken(token)
	if err != nil {
		return 0, err
	}
	n := 0
	for n < len(rows) {
		if c := rows[n].version.UpdatedAt.Compare(at); c > 0 || c == 0 && rows[n].number > number {
			break
		}
		n++
	}
	return n, nil
}

// next is the parameter of the page that begins at a count of rows, behind cut.
func (v *server) next(c *call, cut []row, at int) string {
	switch {
	case v.sys.pages.keyset:
		return keysetToken(cut[len(cut)-1])
	case v.sys.pages.ordinal:
		n, _ := strconv.Atoi(c.query.Get(v.sys.pages.param)) // it was read before
		return strconv.Itoa(max(n, 1) + 1)
	}
	return strconv.Itoa(at)
}

// address is the URL of the next page. It carries no credential.
func (v *server) address(c *call, next string) string {
	q := url.Values{}
	for name, values := range c.query {
		if name != "api_key" {
			q[name] = values
		}
	}
	q.Set(v.sys.pages.param, next)
	return "http://" + c.host + c.path + "?" + q.Encode()
}

func filter(rows []row, ok func(row) bool) []row {
	var out []row
	for _, r := range rows {
		if ok(r) {
			out = append(out, r)
		}
	}
	return out
}

// search finds live records by their key, in any spelling.
func (v *server) search(c *call) answer {
	wanted := Values{}
	for param, field := range c.shelf.col.search {
		wanted[field] = Text(v.canonical(c.shelf, field, c.query.Get(param)))
	}
	var rows []row
	for _, id := range c.shelf.byKey[c.shelf.ent.keyOf(wanted)] {
		rows = append(rows, c.shelf.records[id].row())
	}
	return v.many(c, rows, page{total: len(rows), limit: max(len(rows), 1)})
}

// canonical is the value of a field that stands in a query as this system writes it.
func (v *server) canonical(s *shelf, field, text string) string {
	for _, m := range s.col.members {
		if m.field == field {
			if value, err := m.form.in([]byte(strconv.Quote(text))); err == nil {
				return value
			}
		}
	}
	return text
}

// lodgings is the list of places that are let: what a client may partition by.
func (v *server) lodgings() answer {
	var all []any
	for n := 1; n <= listings; n++ {
		all = append(all, map[string]any{"id": listing(n), "title": fmt.Sprintf("Casa nº %d", n)})
	}
	return reply(http.StatusOK, map[string]any{"data": all, "meta": map[string]any{"total": listings}})
}
