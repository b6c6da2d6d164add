package world

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// staybnb is the API of the booking channel: nested JSON, nulls left out, amounts
// in cents, text IDs, pages by offset that shift when people edit, no ETags,
// idempotency keys, and deletes that nobody is told of.
type staybnb struct {
	w       *World
	s       *shelf
	dialect dialect
}

const (
	staybnbRoot     = "/v2/reservations"
	staybnbListings = "/v2/listings"
)

func newStaybnb(w *World) *staybnb {
	text := func(path string, f Field) member { return member{path: path, field: f, out: asText, in: fromText} }
	date := func(path string, f Field) member {
		return member{path: path, field: f, out: asSlashDate, in: fromSlashDate}
	}
	return &staybnb{w: w, s: w.shelves[Staybnb], dialect: dialect{
		readOnly: []string{"id", "updated_at", "currency", "app.version"},
		members: []member{
			text("confirmation_code", Code), text("listing_ref", ListingID), text("guest.name", GuestName), text("note", Notes),
			date("arrival", CheckIn), date("departure", CheckOut),
			{path: "total_cents", field: Price, out: asCents, in: fromCents},
			{path: "state", field: Status, out: asState, in: fromState},
		}}}
}

func (y *staybnb) root() string { return staybnbRoot }

func (y *staybnb) fail(status int, title, format string, args ...any) answer {
	return reply(status, map[string]any{"errors": []any{map[string]any{
		"status": strconv.Itoa(status), "title": title, "detail": fmt.Sprintf(format, args...)}}})
}

func (y *staybnb) do(c *call) answer {
	if subtle.ConstantTimeCompare([]byte(c.header.Get("X-Api-Key")), []byte(y.w.opt.StaybnbKey)) != 1 {
		return y.fail(http.StatusForbidden, "forbidden", "the API key is missing or wrong")
	}
	if c.kind.writes() {
		return y.once(c)
	}
	switch {
	case c.kind == CallList:
		return y.list(c)
	case c.kind == CallSearch:
		return y.search(c)
	case c.kind == CallGet:
		return y.get(c)
	case c.path == staybnbListings && c.method == http.MethodGet:
		return y.lodgings()
	}
	return y.fail(http.StatusNotFound, "not found", "%s %s is not part of this API", c.method, c.path)
}

// write executes a write that is not a repetition.
func (y *staybnb) write(c *call) answer {
	switch {
	case c.kind == CallCreate:
		return y.create(c)
	case c.kind == CallDelete:
		return y.remove(c)
	case c.method == http.MethodPatch:
		return y.update(c)
	}
	return y.fail(http.StatusMethodNotAllowed, "method not allowed", "reservations are changed by PATCH")
}

func (y *staybnb) object(r *Record) map[string]any {
	v := r.Now()
	out := y.dialect.object(v.Booking)
	out["id"] = r.ID
	out["updated_at"] = v.UpdatedAt.UnixMilli()
	out["currency"] = "EUR"
	return out
}

func (y *staybnb) one(status int, r *Record) answer {
	a := reply(status, map[string]any{"data": y.object(r)})
	a.shown = []Shown{{r.ID, r.Now().Number}}
	return a
}

func (y *staybnb) many(rows []*Record, total, offset, limit int) answer {
	objects := make([]any, 0, len(rows))
	shown := make([]Shown, 0, len(rows))
	for _, r := range rows {
		objects = append(objects, y.object(r))
		shown = append(shown, Shown{r.ID, r.Now().Number})
	}
	a := reply(http.StatusOK, map[string]any{"data": objects,
		"meta": map[string]any{"total": total, "offset": offset, "limit": limit}})
	a.shown = shown
	return a
}

// list pages by offset over what changed since a time (inclusive), oldest change
// first: an edit between two pages moves a row to the end, and all behind it up.
func (y *staybnb) list(c *call) answer {
	limit, err := limitOf(c, 20, 200)
	if err != nil {
		return y.fail(http.StatusBadRequest, "bad request", "%v", err)
	}
	rows, offset, err := y.matching(c)
	if err != nil {
		return y.fail(http.StatusBadRequest, "bad request", "%v", err)
	}
	page := rows[min(offset, len(rows)):min(offset+limit, len(rows))]
	return y.many(page, len(rows), offset, limit)
}

// matching is everything that a listing is about, and where its page begins.
func (y *staybnb) matching(c *call) (rows []*Record, offset int, err error) {
	rows = y.s.order
	if text := c.query.Get("updated_since"); text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, 0, fmt.Errorf("updated_since %q is no number of milliseconds", text)
		}
		rows = rows[y.s.after(time.UnixMilli(ms-1), math.MaxInt64):]
	}
	if text := c.query.Get("offset"); text != "" {
		if offset, err = strconv.Atoi(text); err != nil || offset < 0 {
			return nil, 0, fmt.Errorf("offset %q is no number", text)
		}
	}
	if ref := c.query.Get("listing_ref"); ref != "" {
		rows = filter(rows, func(r *Record) bool { return r.Now().Booking.Get(ListingID) == ref })
	}
	return rows, offset, nil
}

func filter(rows []*Record, ok func(*Record) bool) []*Record {
	var out []*Record
	for _, r := range rows {
		if ok(r) {
			out = append(out, r)
		}
	}
	return out
}

func (y *staybnb) listed(c *call) []*Record {
	rows, offset, err := y.matching(c)
	if err != nil {
		return nil
	}
	return rows[:min(offset, len(rows))]
}

// search finds by confirmation code, in any spelling. Codes are not enforced to
// be unique here.
func (y *staybnb) search(c *call) answer {
	var rows []*Record
	for _, id := range y.s.byKey[KeyOf(c.query.Get("code"))] {
		rows = append(rows, y.s.records[id])
	}
	return y.many(rows, len(rows), 0, max(len(rows), 1))
}

// lodgings is the list of places that are let: what a client may partition by.
func (y *staybnb) lodgings() answer {
	var all []any
	for n := 1; n <= listings; n++ {
		all = append(all, map[string]any{"id": listing(n), "title": fmt.Sprintf("Casa nº %d", n)})
	}
	return reply(http.StatusOK, map[string]any{"data": all, "meta": map[string]any{"total": listings}})
}

func (y *staybnb) get(c *call) answer {
	r, ok := y.s.live(c.id())
	if !ok {
		return y.unknown(c)
	}
	return y.one(http.StatusOK, r)
}

func (y *staybnb) unknown(c *call) answer {
	return y.fail(http.StatusNotFound, "not found", "no reservation %s", c.id())
}

func (y *staybnb) create(c *call) answer {
	var empty Booking
	empty[Channel] = Text(Staybnb)
	b, err := y.dialect.read(c.body, empty)
	if err == nil {
		err = b.check()
	}
	if err != nil {
		return y.fail(http.StatusUnprocessableEntity, "invalid", "%v", err)
	}
	e, r := y.w.effect(c, y.s, nil, b, Live)
	a := y.one(http.StatusCreated, r)
	a.effect = e
	return a
}

func (y *staybnb) update(c *call) answer {
	r, ok := y.s.live(c.id())
	if !ok {
		return y.unknown(c)
	}
	old := r.Now().Booking
	b, err := y.dialect.read(c.body, old)
	if err == nil {
		err = b.check()
	}
	if err == nil && b.Key() != old.Key() {
		err = fmt.Errorf("confirmation_code: cannot change")
	}
	if err != nil {
		return y.fail(http.StatusUnprocessableEntity, "invalid", "%v", err)
	}
	e, r := y.w.effect(c, y.s, r, b, Live)
	a := y.one(http.StatusOK, r)
	a.effect = e
	return a
}

func (y *staybnb) remove(c *call) answer {
	r, ok := y.s.live(c.id())
	if !ok {
		return y.unknown(c)
	}
	e, _ := y.w.effect(c, y.s, r, r.Now().Booking, gone(Staybnb))
	a := reply(http.StatusNoContent, nil)
	a.effect = e
	return a
}

// savedAnswer is what an idempotency key replays.
type savedAnswer struct {
	Print  string    `json:"print"` // of the request
	At     time.Time `json:"at"`
	Status int       `json:"status"`
	Body   string    `json:"body"`
	Shown  []Shown   `json:"shown,omitempty"`
}

// once executes a write, or replays the answer that its key has. Kept are answers
// of what was executed, also failures (500); refusals may be corrected and sent
// again under the same key.
func (y *staybnb) once(c *call) answer {
	key := c.key()
	if key == "" {
		return y.write(c)
	}
	content := fingerprint(c)
	if y.w.inFlight(key) {
		return y.fail(http.StatusConflict, "in flight", "a request with this idempotency key is still being processed")
	}
	if old, ok := y.w.saved[key]; ok && y.w.now.Sub(old.At) < y.w.opt.Retention {
		if old.Print != content {
			return y.fail(http.StatusUnprocessableEntity, "key reused", "this idempotency key was used for another request")
		}
		return old.replay()
	}
	a := y.keyed(c)
	if a.status < 300 || a.status >= 500 {
		y.save(key, savedAnswer{Print: content, At: y.w.now, Status: a.status, Body: string(a.body), Shown: a.shown})
	}
	return a
}

// keyed executes the first request of a key, which a fault may spoil before its
// answer is kept.
func (y *staybnb) keyed(c *call) answer {
	broken := y.fail(http.StatusInternalServerError, "internal error", "something went wrong while the request was processed")
	if c.fault != nil && c.fault.Kind == SavedError {
		return broken
	}
	a := y.write(c)
	if c.fault != nil && c.fault.Kind == SavedErrorAfter && a.effect != 0 {
		broken.effect = a.effect
		return broken
	}
	return a
}

func (y *staybnb) save(key string, s savedAnswer) {
	y.w.saved[key] = s
	y.w.journal.write(entry{Saved: &storedAnswer{Key: key, Answer: s}})
}

func (s savedAnswer) replay() answer {
	a := plain(s.Status, "application/json", s.Body)
	a.header.Set("Idempotent-Replayed", "true")
	a.shown = s.Shown
	return a
}

// fingerprint tells requests of one key apart.
func fingerprint(c *call) string {
	sum := sha256.Sum256([]byte(c.method + "\n" + c.path + "\n" + string(c.body)))
	return fmt.Sprintf("%x", sum[:8])
}
