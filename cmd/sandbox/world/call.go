package world

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// call is a request as a system sees it.
type call struct {
	n      int64
	system string
	kind   Call
	method string
	path   string
	query  url.Values
	header http.Header
	body   []byte
	fault  *Fault
}

// key is the request's idempotency key.
func (c *call) key() string { return c.header.Get("Idempotency-Key") }

// laterPage reports whether the call asks for a page after the first.
func (c *call) laterPage() bool {
	offset := c.query.Get("offset")
	return c.kind == CallList && (c.query.Get("page_token") != "" || offset != "" && offset != "0")
}

// id is the last part of the path.
func (c *call) id() string { return c.path[strings.LastIndexByte(c.path, '/')+1:] }

// classify says what a request asks for, given the collection's path.
func classify(root, method, path string, query url.Values) Call {
	item := strings.HasPrefix(path, root+"/")
	if path != root && !item {
		return CallOther
	}
	switch {
	case item && method == http.MethodGet:
		return CallGet
	case item && (method == http.MethodPut || method == http.MethodPatch):
		return CallUpdate
	case item && method == http.MethodDelete:
		return CallDelete
	case !item && method == http.MethodPost:
		return CallCreate
	case !item && method == http.MethodGet && query.Get("code") != "":
		return CallSearch
	case !item && method == http.MethodGet:
		return CallList
	}
	return CallOther
}

// wire is how an answer goes out.
type wire int

const (
	whole     wire = iota
	dropped        // no answer: what a client's time-out looks like
	reset          // the connection is reset
	truncated      // fewer bytes than announced
	cut            // a whole answer of half the bytes
)

// answer is what a system says.
type answer struct {
	status int
	header http.Header
	body   []byte
	shown  []Shown
	effect int64
	wire   wire
}

// reply is an answer with a body of JSON; a nil body is none.
func reply(status int, body any) answer {
	a := answer{status: status, header: http.Header{}}
	if body == nil {
		return a
	}
	raw, err := json.Marshal(body)
	if err != nil { // only values of this package get here: none of them fails
		return plain(http.StatusInternalServerError, "text/plain", err.Error())
	}
	a.header.Set("Content-Type", "application/json")
	a.body = raw
	return a
}

func plain(status int, kind, text string) answer {
	return answer{status: status, header: http.Header{"Content-Type": {kind}}, body: []byte(text)}
}

// api is one system's side of HTTP. Its methods run under the world's lock.
type api interface {
	// root is the path of the collection of bookings.
	root() string

	// do executes a request.
	do(c *call) answer

	// listed is the records of earlier pages, for a call that asks for a later one.
	listed(c *call) []*Record
}

const maxBody = 1 << 20 // bytes: far more than any booking

// door is the HTTP server of one system.
type door struct {
	world  *World
	system string
	api    api
}

// ServeHTTP reads the request, lets the world answer it in one step, and sends
// the answer the way the fault wants it.
func (d *door) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		http.Error(rw, "the body could not be read", http.StatusBadRequest)
		return
	}
	query := r.URL.Query()
	a, entry := d.world.handle(d.api, &call{
		system: d.system, kind: classify(d.api.root(), r.Method, r.URL.Path, query),
		method: r.Method, path: r.URL.Path, query: query, header: r.Header, body: body,
	})
	if watch := d.world.opt.Watch; watch != nil {
		watch(entry)
	}
	a.send(rw)
}

// handle is one request as one step: fault, execution, truth.
func (w *World) handle(a api, c *call) (answer, Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.n = int64(len(w.truth.requests)) + 1
	c.fault = w.weather.pick(c)
	entry := Request{N: c.n, At: w.now, System: c.system, Call: c.kind, Method: c.method, Path: c.path, Query: c.query.Encode()}
	w.truth.requests = append(w.truth.requests, entry)
	ans := w.execute(a, c)
	log := &w.truth.requests[c.n-1]
	log.Status, log.Effect = ans.status, ans.effect
	if c.fault != nil {
		log.Fault = c.fault.Kind
	}
	if len(ans.shown) > 0 {
		w.truth.serves = append(w.truth.serves,
			Serve{Request: c.n, System: c.system, Delivered: ans.wire == whole, Records: ans.shown})
	}
	return ans, *log
}

func (w *World) execute(a api, c *call) answer {
	if c.fault == nil {
		return a.do(c)
	}
	if c.fault.Kind == LandsLate {
		w.late = append(w.late, lateCall{a, c})
	}
	if ans, ok := c.fault.before(w.opt.Wall()); ok {
		return ans
	}
	w.happens(a, c)
	return c.fault.after(a.do(c))
}

// happens lets people act right before a request, where its fault says so.
func (w *World) happens(a api, c *call) {
	r := w.rng("fault/people", c.n)
	switch c.fault.Kind {
	case Shift:
		live := w.livesOf(a.listed(c))
		if len(live) > 0 {
			rec := pick(r, live)
			f := pick(r, []Field{Price, Notes})
			w.must(w.edit(c.system, rec.ID, newValue(r, f, rec.Now().Booking, w.now)))
		}
	case Vanish:
		rec := w.anyRecord(r, c.system, func(rec *Record) bool { return !w.busy(rec.Now().Booking.Key()) })
		if rec != nil {
			w.must(w.remove(c.system, rec.ID, Vanished))
		}
	}
}

func (w *World) livesOf(all []*Record) []*Record {
	var live []*Record
	for _, r := range all {
		if r.Now().State == Live && !w.dead[r.Now().Booking.Key()] {
			live = append(live, r)
		}
	}
	return live
}

// must is for edits that the world itself makes up: it only makes valid ones.
func (w *World) must(_ Edit, err error) {
	if err != nil {
		panic("world: an edit of its own was refused: " + err.Error())
	}
}

// lateCall is a request that was not answered and will still execute.
type lateCall struct {
	api  api
	call *call
}

// inFlight reports whether a request with this key is still to execute.
func (w *World) inFlight(key string) bool {
	for _, l := range w.late {
		if l.call.key() == key {
			return true
		}
	}
	return false
}

// land executes what was held back, in the order of arrival.
func (w *World) land() {
	held := w.late
	w.late = nil
	for _, l := range held {
		ans := l.api.do(l.call)
		w.truth.requests[l.call.n-1].Effect = ans.effect
	}
}
