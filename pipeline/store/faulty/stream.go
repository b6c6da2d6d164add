package faulty

import (
	"context"
	"io"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

// Open reads a range, or fails as decided.
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	op, torn, err := s.read("open", key)
	if err != nil {
		return nil, err
	}
	body, err := s.inner.Open(ctx, key, offset, length)
	if err != nil || !torn {
		return body, err
	}
	if length < 0 {
		length, err = s.sizeFrom(ctx, key, offset)
		if err != nil {
			body.Close() //nolint:errcheck // the other error is the one to report
			return nil, err
		}
	}
	return &tornReader{ReadCloser: body, left: length / 2, err: s.failure(fault.Transient, op, io.ErrUnexpectedEOF)}, nil
}

// sizeFrom is how many bytes follow offset.
func (s *Store) sizeFrom(ctx context.Context, key string, offset int64) (int64, error) {
	_, info, err := s.inner.Get(ctx, key)
	return info.SizeBytes - offset, err
}

// tornReader breaks after left bytes.
type tornReader struct {
	io.ReadCloser
	left int64
	err  error
}

func (r *tornReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, r.err
	}
	n, err := r.ReadCloser.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

// Upload stores r, or fails as decided. An upload that fails before it happens
// has read what a real one would: everything, or half when it is torn.
func (s *Store) Upload(ctx context.Context, key string, r io.Reader) (store.Info, error) {
	op, action := s.begin("upload", key)
	switch action {
	case Pass:
		return s.inner.Upload(ctx, key, r)
	case ErrAfter, CrashAfter:
		_, _ = s.inner.Upload(ctx, key, r) // whatever the answer was, nobody hears it
	case ErrBefore, LandsLate:
		if _, err := io.Copy(io.Discard, r); err != nil {
			return store.Info{}, s.failure(fault.KindOf(err), op, err)
		}
	case Torn:
		return store.Info{}, s.tornUpload(ctx, op, r)
	case Throttled, Conflict:
		return store.Info{}, s.throttled(op)
	}
	if action == Crash || action == CrashAfter {
		return store.Info{}, s.dead(op)
	}
	return store.Info{}, s.lost(op, fault.Unknown)
}

// tornUpload lets the inner store see a source that breaks half-way.
func (s *Store) tornUpload(ctx context.Context, op Operation, r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return s.failure(fault.KindOf(err), op, err)
	}
	broken := s.failure(fault.Transient, op, errLost)
	half := &failingReader{data: data[:len(data)/2], err: broken}
	if _, err := s.inner.Upload(ctx, op.Key, half); err != nil {
		return err
	}
	return broken
}

type failingReader struct {
	data []byte
	err  error
}

func (r *failingReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, r.err
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

// List visits objects, or fails as decided.
func (s *Store) List(ctx context.Context, prefix, after string, yield func(store.Info) error) error {
	op, torn, err := s.read("list", prefix)
	if err != nil {
		return err
	}
	if !torn {
		return s.inner.List(ctx, prefix, after, yield)
	}
	broken := s.lost(op, fault.Transient)
	first := true
	err = s.inner.List(ctx, prefix, after, func(info store.Info) error {
		if !first {
			return broken
		}
		first = false
		return yield(info)
	})
	if err == nil {
		return broken // a listing of one object, or none, breaks before it could say so
	}
	return err
}
