package run_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/trueup-data/trueup/pipeline/store/faulty"
)

// hazard counts what processes ask of the store and of the systems, and lets one
// of these operations go wrong: the process dies before it or after it, or its
// answer is lost. A dead process gets nothing any more, from anywhere. It is safe
// for concurrent use.
type hazard struct {
	mu            sync.Mutex
	stores, https int // operations so far, over all processes
	onStore, onH  int // the one that goes wrong; 0: none
	do            faulty.Action
	dead          bool
	hit           string // which operation it was
}

// strike plans what goes wrong at the n-th operation of its kind.
func (z *hazard) strike(p point) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if p.http {
		z.onH = p.n
	} else {
		z.onStore = p.n
	}
	z.do = p.do
}

// operation decides about an operation of the store.
func (z *hazard) operation(op faulty.Operation) faulty.Action {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.stores++
	return z.decide(z.stores == z.onStore, op.Name+" "+op.Key)
}

// request decides about a request to a system.
func (z *hazard) request(r *http.Request) faulty.Action {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.https++
	return z.decide(z.https == z.onH, r.Method+" "+r.URL.Path)
}

// decide runs under the lock.
func (z *hazard) decide(due bool, what string) faulty.Action {
	switch {
	case z.dead:
		return faulty.Crash
	case !due:
		return faulty.Pass
	}
	z.hit = what
	z.dead = z.do == faulty.Crash || z.do == faulty.CrashAfter
	return z.do
}

// died reports whether the process of now is dead.
func (z *hazard) died() bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.dead
}

// revive is the begin of another process.
func (z *hazard) revive() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.dead = false
}

// struck is the operation that went wrong, "" while none did.
func (z *hazard) struck() string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.hit
}

// counts are the operations so far.
func (z *hazard) counts() (stores, https int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.stores, z.https
}

// guard stands before a system: what goes wrong there happens to its requests.
func (z *hazard) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch z.request(r) {
		case faulty.Pass:
			next.ServeHTTP(rw, r)
		case faulty.ErrAfter, faulty.CrashAfter:
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

// point is one operation and what becomes of it.
type point struct {
	http bool
	n    int
	do   faulty.Action
}

func (p point) String() string {
	kind := "store operation"
	if p.http {
		kind = "request"
	}
	what := map[faulty.Action]string{faulty.Crash: "dies before", faulty.CrashAfter: "dies after", faulty.ErrAfter: "loses the answer of"}
	return fmt.Sprintf("%s %s %d", what[p.do], kind, p.n)
}
