package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// channel is a json-server, a program nobody here wrote, behind a proxy that
// counts. The program under test gets the proxy's address; people edit directly.
type channel struct {
	direct  string // of json-server: "http://127.0.0.1:port"
	counted string // of the proxy

	mu        sync.Mutex
	writes    map[string]int      // through the proxy, by method
	meanwhile map[string][]func() // what people do just before a record is read by ID, by path; each once, nil: nothing
	clock     time.Time           // of the last edit
}

// reservation is a record in the channel's own form.
type reservation struct {
	ID           int64    `json:"id,omitempty"`
	Confirmation string   `json:"confirmation"`
	Stay         stay     `json:"stay"`
	Guest        guest    `json:"guest"`
	RateCents    *int64   `json:"rate_cents"`
	State        string   `json:"state"`
	Deposit      string   `json:"deposit"`
	AgentNumber  *int64   `json:"agent_number"`
	Headline     *string  `json:"headline"`
	Rooms        []string `json:"rooms"` // the project file does not declare it
	Modified     int64    `json:"modified,omitempty"`
}

type stay struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type guest struct {
	Adults   *int64  `json:"adults"`
	Children *int64  `json:"children"`
	Country  *string `json:"country"`
	Loyalty  string  `json:"loyalty,omitempty"` // not declared either
}

const channelDay = "02/01/2006"

func states() map[string]string {
	return map[string]string{"completed": "OUT", "cancelled": "CXL", "no_show": "NOSHOW"}
}

func number(t testing.TB, s *string) *int64 {
	t.Helper()
	if s == nil {
		return nil
	}
	n, err := strconv.ParseInt(*s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return &n
}

func digits(n *int64) *string {
	if n == nil {
		return nil
	}
	return value(strconv.FormatInt(*n, 10))
}

// reservationOf writes a booking as the channel does.
func reservationOf(t testing.TB, b booking) reservation {
	t.Helper()
	r := reservation{
		Confirmation: *b["code"],
		Stay: stay{From: redate(t, *b["arrival"], time.DateOnly, channelDay),
			To: redate(t, *b["departure"], time.DateOnly, channelDay)},
		Guest: guest{Adults: number(t, b["adults"]), Children: number(t, b["children"]), Country: b["country"], Loyalty: "gold"},
		State: states()[*b["status"]], Deposit: "no", AgentNumber: number(t, b["agent"]), Headline: b["title"], Rooms: []string{"A", "ç\"2"},
	}
	if b["rate"] != nil {
		c := cents(t, *b["rate"])
		r.RateCents = &c
	}
	if *b["prepaid"] == "true" {
		r.Deposit = "yes"
	}
	return r
}

// booking reads the channel's form.
func (r reservation) booking(t testing.TB) booking {
	t.Helper()
	b := booking{
		"code": value(r.Confirmation), "hotel": value(shared), "arrival": value(redate(t, r.Stay.From, channelDay, time.DateOnly)),
		"departure": value(redate(t, r.Stay.To, channelDay, time.DateOnly)), "adults": digits(r.Guest.Adults),
		"children": digits(r.Guest.Children), "country": r.Guest.Country, "prepaid": value(strconv.FormatBool(r.Deposit == "yes")),
		"agent": digits(r.AgentNumber), "title": r.Headline, "rate": nil, "status": nil,
	}
	if r.RateCents != nil {
		b["rate"] = value(decimal(*r.RateCents))
	}
	for canonical, own := range states() {
		if own == r.State {
			b["status"] = value(canonical)
		}
	}
	return b
}

// startChannel starts json-server over some reservations.
func startChannel(t testing.TB, seeds contents) *channel {
	t.Helper()
	c := &channel{writes: map[string]int{}, meanwhile: map[string][]func(){}, clock: time.Now().Add(-seedAge)}
	var db struct {
		Reservations []reservation `json:"reservations"`
	}
	for i, code := range seeds.codes() {
		r := reservationOf(t, seeds[code])
		r.ID, r.Modified = int64(i+1), c.tick(time.Hour)
		db.Reservations = append(db.Reservations, r)
	}
	c.clock = time.Now()
	c.direct = startJSONServer(t, db)
	c.counted = c.proxy(t)
	return c
}

// seedAge is how long ago the oldest record was edited: later runs have no
// reason to read the seeds again.
const seedAge = 60 * 24 * time.Hour

// tick is a time of its own for every edit, in epoch milliseconds.
func (c *channel) tick(by time.Duration) int64 {
	c.clock = c.clock.Add(by)
	return c.clock.UnixMilli()
}

// startJSONServer starts it on a free port, below a shell that kills it when
// this process ends, however it does. It gives the address.
func startJSONServer(t testing.TB, db any) string {
	t.Helper()
	program := filepath.Join(moduleRoot(t), "testdata", "servers", "json-server", "node_modules", ".bin", "json-server")
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("json-server is not installed; run: make setup (%v)", err)
	}
	raw, err := json.Marshal(db)
	if err != nil {
		t.Fatal(err)
	}
	var said string
	for range 3 { // a free port may be taken by somebody else before the server listens on it
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "db.json"), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		address := freeAddress(t)
		output, stop := launchNode(t, dir, program, address)
		if answers(t, "http://"+address+"/reservations?_limit=1") {
			return "http://" + address
		}
		stop()
		said = output.String()
	}
	t.Fatalf("json-server did not start:\n%s", said)
	return ""
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // nothing was written
	return listener.Addr().String()
}

// launchNode starts json-server in a folder. Its output is complete once stop returned.
func launchNode(t testing.TB, dir, program, address string) (output *bytes.Buffer, stop func()) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	const script = `"$@" </dev/null & server=$!; cat >/dev/null; kill -9 $server 2>/dev/null; wait $server`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", program, "--host", host, "--port", port, "--quiet", "db.json") //nolint:gosec // the pinned program
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	output = &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = output, output
	alive, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		alive.Close()  //nolint:errcheck // the other end notices either way
		_ = cmd.Wait() // it was killed
	})
	t.Cleanup(stop)
	return output, stop
}

// answers asks until something answers, a bounded number of times.
func answers(t testing.TB, address string) bool {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 600 {
		response, err := http.Get(address) //nolint:gosec,noctx // a server of this test
		if err == nil {
			response.Body.Close() //nolint:errcheck // it was asked for its status alone
			return response.StatusCode == http.StatusOK
		}
		<-tick.C
	}
	return false
}

// proxy counts what passes. It keeps the name under which it was called: the
// links in json-server's answers are made of it.
func (c *channel) proxy(t testing.TB) string {
	t.Helper()
	target, err := url.Parse(c.direct)
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.note(r)
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// note counts a request, and lets people do what they do just before it.
func (c *channel) note(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Method != http.MethodGet {
		c.writes[r.Method]++
		return
	}
	if next := c.meanwhile[r.URL.Path]; len(next) > 0 {
		c.meanwhile[r.URL.Path] = next[1:]
		if next[0] != nil {
			next[0]()
		}
	}
}

// before has people do something just before the n-th read of a reservation by
// its ID, counted from 1.
func (c *channel) before(t testing.TB, n int, code string, do func()) {
	t.Helper()
	path := fmt.Sprintf("/reservations/%d", c.find(t, code).ID)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.meanwhile[path] = append(make([]func(), n-1), do)
}

// waiting counts what people still mean to do.
func (c *channel) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, left := range c.meanwhile {
		n += len(left)
	}
	return n
}

// taken are the effects of the program under test since they were last taken.
func (c *channel) taken() effects {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := effects{created: c.writes[http.MethodPost], updated: c.writes[http.MethodPut] + c.writes[http.MethodPatch], deleted: c.writes[http.MethodDelete]}
	clear(c.writes)
	return n
}

// do is a request of a person. It fails unless the answer has the status.
func (c *channel) do(t testing.TB, method, path string, body any, status int) []byte {
	t.Helper()
	var raw bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&raw).Encode(body); err != nil {
			t.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), method, c.direct+path, &raw)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		t.Fatalf("%s %s: %s, %v\n%s", method, path, response.Status, err, answer)
	}
	return answer
}

// all reads every reservation.
func (c *channel) all(t testing.TB) []reservation {
	t.Helper()
	var out []reservation
	if err := json.Unmarshal(c.do(t, http.MethodGet, "/reservations", nil, http.StatusOK), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// contents reads every booking. A code that is there twice is a failure.
func (c *channel) contents(t testing.TB) contents {
	t.Helper()
	out := contents{}
	for _, r := range c.all(t) {
		if out[r.Confirmation] != nil {
			t.Fatalf("channel: %s is there twice", r.Confirmation)
		}
		out[r.Confirmation] = r.booking(t)
	}
	return out
}

// find is the reservation of a code.
func (c *channel) find(t testing.TB, code string) reservation {
	t.Helper()
	var found []reservation
	raw := c.do(t, http.MethodGet, "/reservations?confirmation="+url.QueryEscape(code), nil, http.StatusOK)
	if err := json.Unmarshal(raw, &found); err != nil || len(found) != 1 {
		t.Fatalf("channel: %d reservations %s, %v", len(found), code, err)
	}
	return found[0]
}

// edit changes fields of a reservation as a person does, by a PATCH with whole
// objects, since json-server replaces them.
func (c *channel) edit(t testing.TB, code string, changes booking) {
	t.Helper()
	old := c.find(t, code)
	next := reservationOf(t, old.booking(t).with(changes))
	next.Guest.Loyalty = old.Guest.Loyalty
	c.do(t, http.MethodPatch, fmt.Sprintf("/reservations/%d", old.ID), map[string]any{"modified": c.tick(time.Millisecond), "guest": next.Guest,
		"stay": next.Stay, "rate_cents": next.RateCents, "state": next.State, "deposit": next.Deposit,
		"agent_number": next.AgentNumber, "headline": next.Headline}, http.StatusOK)
}

// add makes a reservation and gives its ID.
func (c *channel) add(t testing.TB, b booking) int64 {
	t.Helper()
	r := reservationOf(t, b)
	r.Modified = c.tick(time.Millisecond)
	if err := json.Unmarshal(c.do(t, http.MethodPost, "/reservations", r, http.StatusCreated), &r); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// remove deletes a reservation, without a trace, and gives the ID it had.
func (c *channel) remove(t testing.TB, code string) int64 {
	t.Helper()
	id := c.find(t, code).ID
	c.do(t, http.MethodDelete, fmt.Sprintf("/reservations/%d", id), nil, http.StatusOK)
	return id
}
