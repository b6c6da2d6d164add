package store

import (
	"context"
	"io"
	"math/rand/v2"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/pace"
)

// Policy says how often Retry tries and how long it waits. The zero value is
// usable. Its functions are called from several goroutines.
type Policy struct {
	Tries int                                        // tries without progress, the first one counted; 0 means 5
	Wait  func(try int, err error) time.Duration     // the pause after the try-th failure, from 1; nil means Backoff
	Sleep func(context.Context, time.Duration) error // waits or returns ctx's error; nil means a timer
}

// Backoff is exponential from 100 ms to 10 s with full jitter (Brooker,
// Exponential Backoff and Jitter, AWS Architecture Blog, 2015), and never
// shorter than what err asks for, up to a minute.
func Backoff(try int, err error) time.Duration {
	ceiling := 10 * time.Second
	if try < 7 {
		ceiling = 100 * time.Millisecond << (try - 1)
	}
	return max(rand.N(ceiling), min(fault.RetryAfterOf(err), time.Minute)) //nolint:gosec // jitter is no secret
}

// Do calls until call succeeds, fails for good, or was tried often enough, and
// gives its last error. It repeats after Transient and Unknown errors, so what
// call does must be safe to do twice.
func (p Policy) Do(ctx context.Context, call func() error) error {
	a := p.attempts()
	for {
		if err := call(); err == nil || !a.again(ctx, err) {
			return err
		}
	}
}

func (p Policy) attempts() attempts {
	if p.Tries <= 0 {
		p.Tries = 5
	}
	if p.Wait == nil {
		p.Wait = Backoff
	}
	if p.Sleep == nil {
		p.Sleep = pace.Sleep
	}
	return attempts{policy: p}
}

// Retry repeats what is safe to repeat: reads, listings and deletes, after
// errors that say nothing happened or that nobody knows. A torn read is resumed
// where it broke, a listing after its last key. Puts, swaps and uploads pass
// through untouched: who wrote them must judge what their outcome means, and
// an unknown outcome stays unknown.
func Retry(s Store, p Policy) Store { return &retried{Store: s, policy: p} }

type retried struct {
	Store
	policy Policy
}

// attempts counts failures in a row of one call.
type attempts struct {
	policy Policy
	failed int
}

// again reports whether to try once more after err, and waits before that.
func (a *attempts) again(ctx context.Context, err error) bool {
	kind := fault.KindOf(err)
	if kind != fault.Transient && kind != fault.Unknown {
		return false
	}
	a.failed++
	if a.failed >= a.policy.Tries || ctx.Err() != nil {
		return false
	}
	return a.policy.Sleep(ctx, a.policy.Wait(a.failed, err)) == nil
}

func (r *retried) Get(ctx context.Context, key string) (data []byte, info Info, err error) {
	err = r.policy.Do(ctx, func() error {
		data, info, err = r.Store.Get(ctx, key)
		return err
	})
	return data, info, err
}

func (r *retried) Delete(ctx context.Context, key string) error {
	return r.policy.Do(ctx, func() error { return r.Store.Delete(ctx, key) })
}

func (r *retried) List(ctx context.Context, prefix, after string, yield func(Info) error) error {
	a := r.policy.attempts()
	for {
		var stopped error
		err := r.Store.List(ctx, prefix, after, func(info Info) error {
			if stopped = yield(info); stopped == nil {
				after = info.Key
				a.failed = 0
			}
			return stopped
		})
		if err == nil || stopped != nil || !a.again(ctx, err) {
			return err
		}
	}
}

func (r *retried) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	rest := &resumed{ctx: ctx, store: r.Store, key: key, offset: offset, left: length, tries: r.policy.attempts()}
	if err := rest.open(); err != nil {
		return nil, err
	}
	return rest, nil
}

// resumed reads a range over as many streams as it takes. Objects that are read
// by range are immutable, so the pieces belong together.
type resumed struct {
	ctx    context.Context
	store  Store
	key    string
	offset int64
	left   int64 // negative: to the end
	body   io.ReadCloser
	tries  attempts
	err    error
}

func (r *resumed) open() error {
	for {
		body, err := r.store.Open(r.ctx, r.key, r.offset, r.left)
		if err == nil {
			r.body = body
			return nil
		}
		if !r.tries.again(r.ctx, err) {
			return err
		}
	}
}

func (r *resumed) Read(p []byte) (int, error) {
	for r.err == nil {
		n, err := r.body.Read(p)
		r.advance(n)
		switch {
		case err == nil || err == io.EOF: //nolint:errorlint // the reader's own end
			r.err = err
			return n, err
		case r.left == 0 || !r.tries.again(r.ctx, err):
			r.err = err
			return n, err
		}
		r.body.Close()
		r.body = io.NopCloser(eof{})
		r.err = r.open()
		if n > 0 {
			return n, nil
		}
	}
	return 0, r.err
}

func (r *resumed) advance(n int) {
	if n <= 0 {
		return
	}
	r.offset += int64(n)
	if r.left > 0 {
		r.left -= int64(n)
	}
	r.tries.failed = 0
}

func (r *resumed) Close() error { return r.body.Close() }

// eof stands in for a stream that broke and could not be opened again.
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
