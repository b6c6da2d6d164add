package store

import (
	"context"
	"io"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// Limit lets at most n calls of s be at work at once; the others wait or end
// with their context. A slot is given back while the caller's own code runs
// (the yield of a listing, the source of an upload, between two reads of an
// open object), so that code which uses the store again cannot block itself.
func Limit(s Store, n int) Store {
	return &limited{Store: s, slots: make(chan struct{}, max(n, 1))}
}

type limited struct {
	Store
	slots chan struct{}
}

func (l *limited) take(ctx context.Context, op, key string) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return Failure(fault.Canceled, op, l.URL(), key, ctx.Err())
	}
}

func (l *limited) give() { <-l.slots }

// retake takes a slot back in the middle of a call that has begun: it waits
// however long, since the call's own context ends the call itself.
func (l *limited) retake() { l.slots <- struct{}{} }

func (l *limited) Get(ctx context.Context, key string) ([]byte, Info, error) {
	if err := l.take(ctx, "get", key); err != nil {
		return nil, Info{}, err
	}
	defer l.give()
	return l.Store.Get(ctx, key)
}

func (l *limited) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := l.take(ctx, "open", key); err != nil {
		return nil, err
	}
	defer l.give()
	body, err := l.Store.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	return &limitedReader{ReadCloser: body, ctx: ctx, limit: l, key: key}, nil
}

type limitedReader struct {
	io.ReadCloser
	ctx   context.Context
	limit *limited
	key   string
}

func (r *limitedReader) Read(p []byte) (int, error) {
	if err := r.limit.take(r.ctx, "read", r.key); err != nil {
		return 0, err
	}
	defer r.limit.give()
	return r.ReadCloser.Read(p)
}

func (l *limited) PutIfAbsent(ctx context.Context, key string, data []byte) (Info, error) {
	if err := l.take(ctx, "put", key); err != nil {
		return Info{}, err
	}
	defer l.give()
	return l.Store.PutIfAbsent(ctx, key, data)
}

func (l *limited) Swap(ctx context.Context, key string, data []byte, etag string) (Info, error) {
	if err := l.take(ctx, "swap", key); err != nil {
		return Info{}, err
	}
	defer l.give()
	return l.Store.Swap(ctx, key, data, etag)
}

func (l *limited) Upload(ctx context.Context, key string, r io.Reader) (Info, error) {
	if err := l.take(ctx, "upload", key); err != nil {
		return Info{}, err
	}
	defer l.give()
	return l.Store.Upload(ctx, key, yieldingReader{r, l})
}

// yieldingReader gives the slot of its upload back while the source works.
type yieldingReader struct {
	source io.Reader
	limit  *limited
}

func (r yieldingReader) Read(p []byte) (int, error) {
	r.limit.give()
	defer r.limit.retake()
	return r.source.Read(p)
}

func (l *limited) List(ctx context.Context, prefix, after string, yield func(Info) error) error {
	if err := l.take(ctx, "list", prefix); err != nil {
		return err
	}
	defer l.give()
	return l.Store.List(ctx, prefix, after, func(info Info) error {
		l.give()
		defer l.retake()
		return yield(info)
	})
}

func (l *limited) Delete(ctx context.Context, key string) error {
	if err := l.take(ctx, "delete", key); err != nil {
		return err
	}
	defer l.give()
	return l.Store.Delete(ctx, key)
}
