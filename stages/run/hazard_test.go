package run_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/trueup-data/trueup/pipeline/store/faulty"
)

// hazard counts what a process asks of the store and of the systems, and lets one
// of these operations go wrong: the process dies before it or after it, its answer
// is lost, or the process dies and its write lands while the next one works. A
// dead process gets nothing any more, from anywhere. It is safe for concurrent use.
type hazard struct {
	mu            sync.Mutex
	plan          []point // of the lives to come
	now           point   // of this life; its zero value is none
	stores, https int     // operations of this life
	dead          bool
	hits          int // points that went wrong so far
	most          [2]int
	did           [2][]string // kinds of operations of this life, in order: of the store, and requests
	late          func()      // what a dead process still had on the wire
	lands         int         // it lands at this operation of the store
	amid          func()      // happens right before the next write to a system
}

// expect plans what goes wrong in the lives to come, one point each.
func (z *hazard) expect(plan ...point) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.plan, z.most = plan, [2]int{}
}

// begin is the begin of another process.
func (z *hazard) begin() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.dead, z.stores, z.https, z.now, z.did = false, 0, 0, point{}, [2][]string{}
	if len(z.plan) > 0 {
		z.now, z.plan = z.plan[0], z.plan[1:]
	}
}

// operation decides about an operation of the store.
func (z *hazard) operation(op faulty.Operation) faulty.Action {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.stores++
	z.did[0] = append(z.did[0], op.Name+" "+place(op.Name, op.Key))
	z.most[0] = max(z.most[0], z.stores)
	if z.late != nil && z.stores >= z.lands && !z.dead {
		z.late()
		z.late = nil
	}
	return z.decide(!z.now.http && z.stores == z.now.n)
}

// request decides about a request to a system.
func (z *hazard) request(r *http.Request) faulty.Action {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.https++
	z.did[1] = append(z.did[1], r.Method+" "+place(r.Method, r.URL.Path))
	z.most[1] = max(z.most[1], z.https)
	return z.decide(z.now.http && z.https == z.now.n)
}

// place is what a key or a path names, without what differs from object to object.
// A delete is one of its folder: what is deleted was named by no commit.
func place(op, path string) string {
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	kept := []string{first}
	for part := range strings.SplitSeq(rest, "/") {
		if op == "delete" || part == "" || strings.ContainsAny(part, "0123456789") {
			break
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, "/")
}

// operations are the kinds of what the last life did.
func (z *hazard) operations() [2][]string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.did
}

// decide runs under the lock.
func (z *hazard) decide(due bool) faulty.Action {
	switch {
	case z.dead:
		return faulty.Crash
	case !due:
		return faulty.Pass
	}
	z.hits++
	z.dead = z.now.do != faulty.ErrAfter
	return z.now.do
}

// leave keeps what a dead process had on the wire. It lands somewhere in the life
// of the next one: where is as good as drawn.
func (z *hazard) leave(late func()) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.dead && z.now.do == faulty.LandsLate {
		z.late, z.lands = late, 1+z.now.n*37%90
	}
}

// meanwhile plans what happens, once, right before a write to a system arrives
// there: in this life, or in one that comes after it.
func (z *hazard) meanwhile(do func(), really bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.amid = nil
	if really {
		z.amid = do
	}
}

// waits reports whether what was planned for meanwhile did not happen.
func (z *hazard) waits() bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.amid != nil
}

// interrupt does what was planned for meanwhile.
func (z *hazard) interrupt(r *http.Request) {
	z.mu.Lock()
	do := z.amid
	if r.Method == http.MethodGet || z.dead {
		do = nil
	}
	if do != nil {
		z.amid = nil
	}
	z.mu.Unlock()
	if do != nil {
		do()
	}
}

// died reports whether the process of now is dead.
func (z *hazard) died() bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.dead
}

// struck is how many points went wrong so far.
func (z *hazard) struck() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.hits
}

// counts are the most operations of one life since the last expect.
func (z *hazard) counts() (stores, https int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.most[0], z.most[1]
}

// guard stands before a system: what goes wrong there happens to its requests.
func (z *hazard) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		z.interrupt(r)
		switch z.request(r) {
		case faulty.Pass:
			next.ServeHTTP(rw, r)
		case faulty.ErrAfter, faulty.CrashAfter, faulty.LandsLate: // a successor waits until a request of ours has landed
			next.ServeHTTP(httptest.NewRecorder(), r) // it is done, and nobody hears it
			noAnswer(rw)
		default:
			noAnswer(rw)
		}
	})
}

// noAnswer closes the connection. An interim answer goes out first: without it
// Go's client sends a request again by itself on a connection that it had kept,
// which it would not do after a real time-out.
func noAnswer(rw http.ResponseWriter) {
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = conn.Write([]byte("HTTP/1.1 102 Processing\r\n\r\n"))
	_ = conn.Close()
}

// point is one operation of a life and what becomes of it.
type point struct {
	http bool
	n    int // from 1
	do   faulty.Action
}

// String is as parsePoint reads it: "store 17 crash".
func (p point) String() string {
	kind := "store"
	if p.http {
		kind = "http"
	}
	return fmt.Sprintf("%s %d %s", kind, p.n, p.name())
}

func (p point) name() string {
	switch p.do {
	case faulty.Crash:
		return "crash"
	case faulty.CrashAfter:
		return "crash-after"
	case faulty.LandsLate:
		return "late"
	default:
		return "lost"
	}
}
