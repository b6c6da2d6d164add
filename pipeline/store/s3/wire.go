package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

var errSilent = errors.New("the store fell silent")

// exchange is one request and its answer: it ends both when nothing moves for
// too long, and knows whether the request can have reached the store.
type exchange struct {
	context context.Context // the request's, and ends with it
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	limit   time.Duration
	sent    atomic.Bool
}

type exchangeKey struct{}

// begin starts an exchange that carries size bytes out.
func (s *Store) begin(ctx context.Context, size int64) *exchange {
	const slowest = 64 << 10 // bytes per second that a connection must carry
	e := &exchange{limit: s.options.Timeout + time.Duration(size/slowest)*time.Second}
	e.context, e.cancel = context.WithCancelCause(context.WithValue(ctx, exchangeKey{}, e))
	e.timer = time.AfterFunc(e.limit, func() {
		e.cancel(fmt.Errorf("%w for %s", errSilent, e.limit))
	})
	return e
}

// wait begins to wait for the store to send something; rest ends it. A receiver
// that takes its time between two reads is not a store that fell silent.
func (e *exchange) wait() { e.timer.Reset(e.limit) }

func (e *exchange) rest() { e.timer.Stop() }

func (e *exchange) end() {
	e.timer.Stop()
	e.cancel(nil)
}

// silence is the reason when the exchange was ended for silence, else nil.
func (e *exchange) silence() error {
	if cause := context.Cause(e.context); errors.Is(cause, errSilent) {
		return cause
	}
	return nil
}

// wire is the SDK's way to the network. It marks an exchange as sent as soon as
// a connection is given to its request: before that nothing can have happened,
// after it nobody knows.
type wire struct{ next aws.HTTPClient }

func (w wire) Do(r *http.Request) (*http.Response, error) {
	if e, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { e.sent.Store(true) }}
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
	}
	return w.next.Do(r)
}
