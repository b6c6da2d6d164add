package s3

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

// Get reads a whole object.
func (s *Store) Get(ctx context.Context, key string) ([]byte, store.Info, error) {
	if err := s.check(ctx, "get", key); err != nil {
		return nil, store.Info{}, err
	}
	body, etag, err := s.get(ctx, "get", key, 0, -1)
	if err != nil {
		return nil, store.Info{}, err
	}
	defer func() { _ = body.Close() }()
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, store.Info{}, err
	}
	return data, store.Info{Key: key, SizeBytes: int64(len(data)), ETag: etag}, nil
}

// Open reads a range of an object.
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := store.CheckRange(offset, length); err != nil {
		return nil, err
	}
	if err := s.check(ctx, "open", key); err != nil {
		return nil, err
	}
	body, _, err := s.get(ctx, "open", key, offset, length)
	if err != nil {
		return nil, err
	}
	return body, nil
}

func (s *Store) get(ctx context.Context, op, key string, offset, length int64) (*reader, string, error) {
	in := &api.GetObjectInput{Bucket: &s.location.Bucket, Key: s.name(key)}
	ranged := offset > 0 || length > 0
	switch {
	case length > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	case ranged:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", offset))
	}
	e := s.begin(ctx, 0)
	out, err := s.client.GetObject(e.context, in)
	if err != nil {
		defer e.end()
		return nil, "", s.reading(e, op, key, err)
	}
	e.rest()
	r := &reader{store: s, exchange: e, key: key, body: out.Body, left: aws.ToInt64(out.ContentLength)}
	if reason := wrongBody(out, ranged, offset, length); reason != nil {
		_ = r.Close()
		return nil, "", s.failure(fault.Permanent, op, key, reason)
	}
	return r, aws.ToString(out.ETag), nil
}

// wrongBody is why an answer is not the range that was asked for: a range that
// goes beyond the end comes cut, and some proxies send the whole object.
func wrongBody(out *api.GetObjectOutput, ranged bool, offset, length int64) error {
	if out.ContentLength == nil {
		return errors.New("the store does not say how long the body is, so a torn one would not show")
	}
	if !ranged {
		return nil
	}
	if aws.ToString(out.ContentRange) == "" {
		return errors.New("the store, or a proxy, does not know ranges")
	}
	if length > 0 && *out.ContentLength != length {
		return fmt.Errorf("the range of %d bytes from %d lies outside of the object: %s", length, offset, *out.ContentRange)
	}
	return nil
}

// reader reads a body to the length that was announced.
type reader struct {
	store    *Store
	exchange *exchange
	key      string
	body     io.ReadCloser
	left     int64
}

func (r *reader) Read(p []byte) (int, error) {
	r.exchange.wait()
	n, err := r.body.Read(p)
	r.exchange.rest()
	r.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && r.left == 0:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return n, r.torn(err)
}

func (r *reader) torn(err error) error {
	kind := fault.Transient
	if silent := r.exchange.silence(); silent != nil {
		err = silent
	} else if ended := r.exchange.context.Err(); ended != nil {
		kind, err = fault.Canceled, ended
	}
	return r.store.failure(kind, "read", r.key, fmt.Errorf("%d bytes of the body did not come: %w", r.left, err))
}

func (r *reader) Close() error {
	r.exchange.end() // what was not read is not waited for
	return r.body.Close()
}
