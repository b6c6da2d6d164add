package store

import (
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// Figures are what was counted of some calls.
type Figures struct {
	Calls        int64 // calls of the port; a listing or an upload may be several requests
	Errors       int64 // calls that failed; a lost race or "does not exist" is an answer
	BytesRead    int64
	BytesWritten int64
	Objects      int64 // objects listed
}

// Counter counts the calls of a store by what they do: "get", "open", "put",
// "swap", "upload", "list", "delete". An open counts when its reader is closed.
type Counter struct {
	*observed
	mu   sync.Mutex
	byOp map[string]Figures
}

var _ Store = (*Counter)(nil)

// Count wraps s with a counter that begins at zero.
func Count(s Store) *Counter {
	c := &Counter{byOp: map[string]Figures{}}
	c.observed = &observed{Store: s, tell: c.add}
	return c
}

func (c *Counter) add(_ context.Context, done call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.byOp[done.op]
	f.Calls++
	f.BytesRead += done.read
	f.BytesWritten += done.written
	f.Objects += done.objects
	if done.err != nil && !answered(done.err) {
		f.Errors++
	}
	c.byOp[done.op] = f
}

// answered tells errors that are answers of a healthy store from failures.
func answered(err error) bool {
	return errors.Is(err, ErrNotExist) || errors.Is(err, ErrPrecondition) || errors.Is(err, ErrConflict) ||
		fault.KindOf(err) == fault.Canceled
}

// Of gives the figures of one operation, "put" for example.
func (c *Counter) Of(op string) Figures {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byOp[op]
}

// ByOp gives a copy of all figures by operation.
func (c *Counter) ByOp() map[string]Figures {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.byOp)
}

// Total sums the figures of all operations.
func (c *Counter) Total() Figures {
	c.mu.Lock()
	defer c.mu.Unlock()
	var t Figures
	for _, f := range c.byOp {
		t.Calls += f.Calls
		t.Errors += f.Errors
		t.BytesRead += f.BytesRead
		t.BytesWritten += f.BytesWritten
		t.Objects += f.Objects
	}
	return t
}

// Reset begins again at zero.
func (c *Counter) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.byOp)
}
