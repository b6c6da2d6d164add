package world

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// pms is the API of the property-management system: snake_case JSON, nulls shown,
// amounts as text, numeric IDs, a cursor over (updated_at, id), ETags, tombstones
// in listings since a time.
type pms struct {
	w       *World
	s       *shelf
	dialect dialect
}

const (
	pmsRoot  = "/api/bookings"
	pmsStamp = "2006-01-02T15:04:05.000Z07:00"
)

func newPMS(w *World) *pms {
	d := dialect{nulls: true, readOnly: []string{"id", "created_at", "updated_at", "deleted_at", "source"}}
	for _, f := range Fields() {
		m := member{path: f.String(), field: f, out: asText, in: fromText}
		if f == Price {
			m.in = fromDecimalText
		}
		d.members = append(d.members, m)
	}
	return &pms{w: w, s: w.shelves[PMS], dialect: d}
}

func (p *pms) root() string { return pmsRoot }

func (p *pms) fail(status int, code, format string, args ...any) answer {
	return reply(status, map[string]any{"error": map[string]any{"code": code, "message": fmt.Sprintf(format, args...)}})
}

func (p *pms) do(c *call) answer {
	want := "Bearer " + p.w.opt.PMSToken
	if subtle.ConstantTimeCompare([]byte(c.header.Get("Authorization")), []byte(want)) != 1 {
		a := p.fail(http.StatusUnauthorized, "unauthorized", "a valid bearer token is needed")
		a.header.Set("WWW-Authenticate", `Bearer realm="pms"`)
		return a
	}
	switch c.kind {
	case CallList:
		return p.list(c)
	case CallSearch:
		return p.search(c)
	case CallGet:
		return p.get(c)
	case CallCreate:
		return p.create(c)
	case CallUpdate:
		return p.update(c)
	case CallDelete:
		return p.remove(c)
	}
	return p.fail(http.StatusNotFound, "no_such_path", "%s %s is not part of this API", c.method, c.path)
}

// object is a record as the API shows it.
func (p *pms) object(r *Record) map[string]any {
	v := r.Now()
	out := p.dialect.object(v.Booking)
	out["id"] = r.number
	out["source"] = "office"
	out["created_at"] = r.Versions[0].UpdatedAt.Format(pmsStamp)
	out["updated_at"] = v.UpdatedAt.Format(pmsStamp)
	if v.State == Deleted {
		out["deleted_at"] = v.UpdatedAt.Format(pmsStamp)
	}
	return out
}

func etag(v *Version) string { return fmt.Sprintf("%q", "v"+strconv.FormatInt(v.Number, 10)) }

// one answers with a single record and its ETag.
func (p *pms) one(status int, r *Record) answer {
	a := reply(status, p.object(r))
	a.header.Set("ETag", etag(r.Now()))
	a.shown = []Shown{{r.ID, r.Now().Number}}
	return a
}

func (p *pms) many(rows []*Record, next string) answer {
	objects := make([]any, 0, len(rows))
	shown := make([]Shown, 0, len(rows))
	for _, r := range rows {
		objects = append(objects, p.object(r))
		shown = append(shown, Shown{r.ID, r.Now().Number})
	}
	paging := map[string]any{}
	if next != "" {
		paging["next"] = next
	}
	a := reply(http.StatusOK, map[string]any{"bookings": objects, "paging": paging})
	a.shown = shown
	return a
}

// list pages through the records newer than updated_after, oldest change first.
// Only a listing since a time shows tombstones.
func (p *pms) list(c *call) answer {
	limit, err := limitOf(c, 50, 500)
	if err != nil {
		return p.fail(http.StatusBadRequest, "bad_request", "%v", err)
	}
	since, from, err := p.start(c)
	if err != nil {
		return p.fail(http.StatusBadRequest, "bad_request", "%v", err)
	}
	var rows []*Record
	for _, r := range p.s.order[from:] {
		if r.Now().State == Deleted && !since {
			continue
		}
		if len(rows) == limit {
			return p.many(rows, pageToken(rows[limit-1]))
		}
		rows = append(rows, r)
	}
	return p.many(rows, "")
}

// start is the place in the order where a listing begins, and whether it is one since a time.
func (p *pms) start(c *call) (since bool, from int, err error) {
	if text := c.query.Get("updated_after"); text != "" {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return false, 0, fmt.Errorf("updated_after %q is no RFC 3339 time", text)
		}
		since, from = true, p.s.after(at, math.MaxInt64)
	}
	if token := c.query.Get("page_token"); token != "" {
		at, number, err := readPageToken(token)
		if err != nil {
			return false, 0, err
		}
		from = max(from, p.s.after(at, number))
	}
	return since, from, nil
}

func pageToken(last *Record) string {
	text := fmt.Sprintf("%d/%d", last.Now().UpdatedAt.UnixMilli(), last.number)
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func readPageToken(token string) (at time.Time, number int64, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return at, 0, fmt.Errorf("page_token %q is not one of ours", token)
	}
	var ms int64
	if _, err := fmt.Sscanf(string(raw), "%d/%d", &ms, &number); err != nil {
		return at, 0, fmt.Errorf("page_token %q is not one of ours", token)
	}
	return time.UnixMilli(ms), number, nil
}

func (p *pms) listed(c *call) []*Record {
	since, from, err := p.start(c)
	if err != nil {
		return nil
	}
	first := 0
	if since {
		at, err := time.Parse(time.RFC3339Nano, c.query.Get("updated_after"))
		if err != nil {
			return nil
		}
		first = min(p.s.after(at, math.MaxInt64), from)
	}
	return p.s.order[first:from]
}

func (p *pms) search(c *call) answer {
	var rows []*Record
	for _, id := range p.s.byKey[KeyOf(c.query.Get("code"))] {
		rows = append(rows, p.s.records[id])
	}
	return p.many(rows, "")
}

// find is the live record of the path, or the answer that there is none.
func (p *pms) find(c *call) (*Record, answer) {
	r, ok := p.s.records[c.id()]
	switch {
	case !ok || r.Now().State == Vanished:
		return nil, p.fail(http.StatusNotFound, "not_found", "no booking %s", c.id())
	case r.Now().State == Deleted:
		return nil, p.fail(http.StatusGone, "deleted", "booking %s was deleted at %s", r.ID, r.Now().UpdatedAt.Format(pmsStamp))
	}
	return r, answer{}
}

func (p *pms) get(c *call) answer {
	r, no := p.find(c)
	if r == nil {
		return no
	}
	return p.one(http.StatusOK, r)
}

func (p *pms) create(c *call) answer {
	b, err := p.dialect.read(c.body, Booking{})
	if err == nil {
		err = b.check()
	}
	if err != nil {
		return p.fail(http.StatusUnprocessableEntity, "invalid", "%v", err)
	}
	if ids := p.s.byKey[b.Key()]; len(ids) > 0 && !p.w.opt.LooseCodes {
		return p.fail(http.StatusConflict, "duplicate_code", "booking %s has this code", ids[0])
	}
	e, r := p.w.effect(c, p.s, nil, b, Live)
	a := p.one(http.StatusCreated, r)
	a.header.Set("Location", pmsRoot+"/"+r.ID)
	a.effect = e
	return a
}

func (p *pms) update(c *call) answer {
	r, no := p.find(c)
	if r == nil {
		return no
	}
	if !matchesETag(c, r) {
		return p.stale(r)
	}
	base := r.Now().Booking
	if c.method == http.MethodPut {
		base = Booking{}
	}
	b, err := p.dialect.read(c.body, base)
	if err == nil {
		err = b.check()
	}
	if err != nil {
		return p.fail(http.StatusUnprocessableEntity, "invalid", "%v", err)
	}
	if b.Key() != r.Now().Booking.Key() {
		return p.fail(http.StatusUnprocessableEntity, "code_is_fixed", "the code of a booking cannot change")
	}
	e, r := p.w.effect(c, p.s, r, b, Live)
	a := p.one(http.StatusOK, r)
	a.effect = e
	return a
}

func (p *pms) remove(c *call) answer {
	r, no := p.find(c)
	if r == nil {
		return no
	}
	if !matchesETag(c, r) {
		return p.stale(r)
	}
	e, _ := p.w.effect(c, p.s, r, r.Now().Booking, gone(PMS))
	a := reply(http.StatusNoContent, nil)
	a.effect = e
	return a
}

func (p *pms) stale(r *Record) answer {
	a := p.fail(http.StatusPreconditionFailed, "precondition_failed", "booking %s has changed since", r.ID)
	a.header.Set("ETag", etag(r.Now()))
	return a
}

// matchesETag reports whether the precondition, if there is one, holds.
func matchesETag(c *call, r *Record) bool {
	want := c.header.Values("If-Match")
	return len(want) == 0 || slices.Contains(want, "*") || slices.Contains(want, etag(r.Now()))
}

// limitOf reads the page size.
func limitOf(c *call, standard, most int) (int, error) {
	text := c.query.Get("limit")
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("limit %q is not between 1 and %d", text, most)
	}
	return n, nil
}
