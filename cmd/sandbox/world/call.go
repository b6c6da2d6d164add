package world

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// call is a request as a system sees it.
type call struct {
	n      int64
	system string
	shelf  *shelf // that the path is about; may be nil
	kind   Call
	method string
	host   string
	path   string
	query  url.Values
	header http.Header
	body   []byte
	fault  *Fault
}

// key is the request's idempotency key.
func (c *call) key() string { return c.header.Get("Idempotency-Key") }

// entity is what the request is about; "" is none.
func (c *call) entity() string {
	if c.shelf == nil {
		return ""
	}
	return c.shelf.ent.name
}

// laterPage reports whether the call asks for a page after the first.
func (c *call) laterPage() bool {
	if c.kind != CallList {
		return false
	}
	at := c.query.Get(c.shelf.sys.pages.param)
	return at != "" && at != "0" && (at != "1" || !c.shelf.sys.pages.ordinal)
}

// suffers reports whether a fault of a kind hits the request.
func (c *call) suffers(k Kind) bool { return c.fault != nil && c.fault.Kind == k }

// asOf is the time of which the call shows the records, where its fault makes it
// show old ones; the zero time otherwise.
func (c *call) asOf(now time.Time) time.Time {
	if c.suffers(Lag) || c.suffers(Stale) {
		return now.Add(-cmp.Or(c.fault.Lag, 5*time.Minute))
	}
	return time.Time{}
}

// id is the last part of the path.
func (c *call) id() string { return c.path[strings.LastIndexByte(c.path, '/')+1:] }

// classify says what a request asks for.
func (v *server) classify(c *call) Call {
	if c.shelf == nil {
		if c.path == v.sys.lodgings && c.method == http.MethodGet {
			return CallLodgings
		}
		return CallOther
	}
	item := c.path != c.shelf.col.root
	switch {
	case item && c.method == http.MethodGet:
		return CallGet
	case item && (c.method == http.MethodPut || c.method == http.MethodPatch):
		return CallUpdate
	case item && c.method == http.MethodDelete:
		return CallDelete
	case !item && c.method == http.MethodPost:
		return CallCreate
	case !item && c.method == http.MethodGet && c.searches():
		return CallSearch
	case !item && c.method == http.MethodGet:
		return CallList
	}
	return CallOther
}

// searches reports whether the query names a whole key.
func (c *call) searches() bool {
	for param := range c.shelf.col.search {
		if c.query.Get(param) == "" {
			return false
		}
	}
	return true
}

// wire is how an answer goes out.
type wire int

const (
	intact    wire = iota
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
	delay  time.Duration // before it goes out
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

const maxBody = 1 << 20 // bytes: far more than any record

// door is the HTTP server of one system.
type door struct{ *server }

// ServeHTTP reads the request, lets the world answer it in one step, and sends
// the answer the way the fault wants it.
func (d *door) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		http.Error(rw, "the body could not be read", http.StatusBadRequest)
		return
	}
	c := &call{system: d.sys.name, shelf: d.find(r.URL.Path), method: r.Method, host: r.Host, path: r.URL.Path,
		query: r.URL.Query(), header: r.Header, body: body}
	c.kind = d.classify(c)
	a, entry := d.w.handle(d.server, c)
	if watch := d.w.opt.Watch; watch != nil {
		watch(entry)
	}
	if a.delay > 0 {
		d.w.opt.Wait(r.Context(), a.delay)
	}
	a.send(rw)
}

// handle is one request as one step: fault, execution, truth.
func (w *World) handle(v *server, c *call) (answer, Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.n = int64(len(w.truth.requests)) + 1
	c.fault = w.weather.pick(c)
	entry := Request{N: c.n, At: w.now, System: c.system, Entity: c.entity(), Call: c.kind, Method: c.method, Path: c.path, Query: c.shownQuery()}
	w.truth.requests = append(w.truth.requests, entry)
	ans := w.execute(v, c)
	log := &w.truth.requests[c.n-1]
	log.Status, log.Effect = ans.status, ans.effect
	if c.fault != nil {
		log.Fault = c.fault.Kind
	}
	if len(ans.shown) > 0 {
		w.truth.serves = append(w.truth.serves,
			Serve{Request: c.n, System: c.system, Entity: c.entity(), Delivered: ans.wire == intact, Records: ans.shown})
	}
	return ans, *log
}

// shownQuery is the query without a credential.
func (c *call) shownQuery() string {
	q := url.Values{}
	for name, values := range c.query {
		if name != "api_key" {
			q[name] = values
		}
	}
	return q.Encode()
}

func (w *World) execute(v *server, c *call) answer {
	if c.fault == nil {
		return v.do(c)
	}
	if c.fault.Kind == LandsLate {
		w.late = append(w.late, lateCall{v, c})
	}
	if ans, ok := c.fault.before(w.opt.Wall()); ok {
		return ans
	}
	w.happens(v, c)
	return c.fault.after(v.do(c))
}

// must is for edits that the world itself makes up: it only makes valid ones.
func (w *World) must(_ Edit, err error) {
	if err != nil {
		panic("world: an edit of its own was refused: " + err.Error())
	}
}

// lateCall is a request that was not answered and will still execute.
type lateCall struct {
	server *server
	call   *call
}

// inFlight reports whether a request with this key is still to execute.
func (w *World) inFlight(c *call) bool {
	for _, l := range w.late {
		if l.call.system == c.system && l.call.key() == c.key() {
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
		ans := l.server.do(l.call)
		w.truth.requests[l.call.n-1].Effect = ans.effect
	}
}
