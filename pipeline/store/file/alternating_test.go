package file_test

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/trueup-data/trueup/pipeline/store"
)

// alternating sends every call to the other one of two stores.
type alternating struct {
	a, b  store.Store
	calls atomic.Int64
}

func (s *alternating) next() store.Store {
	if s.calls.Add(1)%2 == 0 {
		return s.a
	}
	return s.b
}

func (s *alternating) Get(ctx context.Context, key string) ([]byte, store.Info, error) {
	return s.next().Get(ctx, key)
}

func (s *alternating) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	return s.next().Open(ctx, key, offset, length)
}

func (s *alternating) PutIfAbsent(ctx context.Context, key string, data []byte) (store.Info, error) {
	return s.next().PutIfAbsent(ctx, key, data)
}

func (s *alternating) Swap(ctx context.Context, key string, data []byte, etag string) (store.Info, error) {
	return s.next().Swap(ctx, key, data, etag)
}

func (s *alternating) Upload(ctx context.Context, key string, r io.Reader) (store.Info, error) {
	return s.next().Upload(ctx, key, r)
}

func (s *alternating) List(ctx context.Context, prefix, after string, yield func(store.Info) error) error {
	return s.next().List(ctx, prefix, after, yield)
}

func (s *alternating) Delete(ctx context.Context, key string) error {
	return s.next().Delete(ctx, key)
}

func (s *alternating) URL() string { return s.a.URL() }
