package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
	"golang.org/x/sync/errgroup"
)

const maxParts = 10_000 // S3's limit for one upload

// Upload streams r into a new name: one request if it fits into one part, else a
// multipart upload whose parts travel side by side. Requests are repeated, since
// nobody else writes under the name. A multipart upload that fails is aborted,
// unless its end has an unknown outcome.
func (s *Store) Upload(ctx context.Context, key string, r io.Reader) (store.Info, error) {
	if err := s.check(ctx, "upload", key); err != nil {
		return store.Info{}, err
	}
	source := untilDone{ctx, r}
	first := make([]byte, s.options.PartBytes)
	n, last, err := fill(source, first)
	if err != nil {
		return store.Info{}, s.failure(fault.KindOf(err), "upload", key, err)
	}
	if last {
		return s.uploadWhole(ctx, key, first[:n])
	}
	return s.uploadParts(ctx, key, source, first)
}

// untilDone reads until its context ends.
type untilDone struct {
	ctx    context.Context // the upload's, and ends with it
	source io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.source.Read(p)
}

// fill reads until buf is full or r ends; last says that it ended.
func fill(r io.Reader, buf []byte) (n int, last bool, err error) {
	n, err = io.ReadFull(r, buf)
	if err == io.EOF || err == io.ErrUnexpectedEOF { //nolint:errorlint // a source's own wrapped end is a failure
		return n, true, nil
	}
	return n, false, err
}

// repeat sends a request of an upload until it is answered, each time with a
// connection's whole patience. size is what the body holds; write says whether
// the request can make the object visible.
func (s *Store) repeat(ctx context.Context, op, key string, size int64, write bool, send func(context.Context) error) error {
	return s.options.Retry.Do(ctx, func() error {
		e := s.begin(ctx, size)
		defer e.end()
		if err := send(e.context); err != nil {
			return s.failed(e, op, key, write, err)
		}
		return nil
	})
}

func (s *Store) uploadWhole(ctx context.Context, key string, data []byte) (store.Info, error) {
	info := store.Info{Key: key, SizeBytes: int64(len(data))}
	err := s.repeat(ctx, "upload", key, info.SizeBytes, true, func(ctx context.Context) error {
		out, err := s.client.PutObject(ctx, &api.PutObjectInput{
			Bucket: &s.location.Bucket, Key: s.name(key), Body: bytes.NewReader(data), ContentLength: &info.SizeBytes,
		})
		if err == nil {
			info.ETag = aws.ToString(out.ETag)
		}
		return err
	})
	if err != nil {
		return store.Info{}, err
	}
	return info, nil
}

// multipart is an upload on its way.
type multipart struct {
	store *Store
	key   string
	id    *string
	free  chan []byte // buffers that no part uses: what bounds the memory
	parts []*types.CompletedPart
	size  int64
}

func (s *Store) uploadParts(ctx context.Context, key string, r io.Reader, first []byte) (store.Info, error) {
	m := &multipart{store: s, key: key, free: make(chan []byte, s.options.Parallel)}
	err := s.repeat(ctx, "upload", key, 0, false, func(ctx context.Context) error {
		out, err := s.client.CreateMultipartUpload(ctx, &api.CreateMultipartUploadInput{
			Bucket: &s.location.Bucket, Key: s.name(key),
		})
		if err == nil {
			m.id = out.UploadId
		}
		return err
	})
	if err != nil {
		return store.Info{}, err
	}
	for range s.options.Parallel - 1 {
		m.free <- nil // allocated when it is needed
	}
	if err := m.send(ctx, r, first); err != nil {
		m.abort(ctx)
		return store.Info{}, s.failure(fault.KindOf(err), "upload", key, err)
	}
	return m.complete(ctx)
}

// send uploads first and then what r gives. Parts are read one after the other
// and travel side by side.
func (m *multipart) send(ctx context.Context, r io.Reader, first []byte) error {
	group, groupCtx := errgroup.WithContext(ctx)
	err := m.cut(groupCtx, r, first, func(data, buf []byte) {
		part := &types.CompletedPart{PartNumber: aws.Int32(int32(len(m.parts) + 1))}
		m.parts = append(m.parts, part)
		m.size += int64(len(data))
		group.Go(func() error {
			err := m.part(groupCtx, part, data)
			m.free <- buf
			return err
		})
	})
	// A part that failed ends the others and the reading; its error is the reason.
	if failed := group.Wait(); failed != nil {
		return failed
	}
	return err
}

// cut reads r into parts; buf is the first one, and full.
func (m *multipart) cut(ctx context.Context, r io.Reader, buf []byte, part func(data, buf []byte)) error {
	for n, last := len(buf), false; ; {
		if len(m.parts) == maxParts {
			return fmt.Errorf("it is larger than %d parts of %d bytes; write smaller files", maxParts, len(buf))
		}
		part(buf[:n], buf)
		if last {
			return nil
		}
		select {
		case buf = <-m.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		if buf == nil {
			buf = make([]byte, m.store.options.PartBytes)
		}
		var err error
		if n, last, err = fill(r, buf); err != nil || (last && n == 0) {
			return err
		}
	}
}

func (m *multipart) part(ctx context.Context, part *types.CompletedPart, data []byte) error {
	s, size := m.store, int64(len(data))
	// A part that landed is not visible, so sending it is not a write.
	return s.repeat(ctx, "upload part", m.key, size, false, func(ctx context.Context) error {
		out, err := s.client.UploadPart(ctx, &api.UploadPartInput{
			Bucket: &s.location.Bucket, Key: s.name(m.key), UploadId: m.id, PartNumber: part.PartNumber,
			Body: bytes.NewReader(data), ContentLength: &size,
		})
		if err == nil {
			part.ETag = out.ETag
		}
		return err
	})
}

// complete makes the object visible. It is repeated when the answer is lost, and
// may then hear that there is no such upload any more; so where the outcome is
// open the object itself is asked: nobody else can have written it.
func (m *multipart) complete(ctx context.Context) (store.Info, error) {
	s := m.store
	info := store.Info{Key: m.key, SizeBytes: m.size}
	parts := make([]types.CompletedPart, len(m.parts))
	for i, part := range m.parts {
		parts[i] = *part
	}
	gone := false
	err := s.repeat(ctx, "upload", m.key, 0, true, func(ctx context.Context) error {
		out, err := s.client.CompleteMultipartUpload(ctx, &api.CompleteMultipartUploadInput{
			Bucket: &s.location.Bucket, Key: s.name(m.key), UploadId: m.id,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
		if err != nil {
			gone = answerOf(err).status == http.StatusNotFound
			return err
		}
		info.ETag = aws.ToString(out.ETag)
		return nil
	})
	switch {
	case err == nil:
		return info, nil
	case fault.KindOf(err) != fault.Unknown && !gone:
		m.abort(ctx)
		return store.Info{}, err
	case m.landed(ctx, &info):
		return info, nil
	}
	return store.Info{}, s.failure(fault.Unknown, "upload", m.key, err)
}

// landed reports whether the object is there, whole.
func (m *multipart) landed(ctx context.Context, info *store.Info) bool {
	s := m.store
	err := s.repeat(ctx, "upload", m.key, 0, false, func(ctx context.Context) error {
		out, err := s.client.HeadObject(ctx, &api.HeadObjectInput{Bucket: &s.location.Bucket, Key: s.name(m.key)})
		if err != nil {
			return err
		}
		info.ETag = aws.ToString(out.ETag)
		if size := aws.ToInt64(out.ContentLength); size != m.size {
			return fmt.Errorf("the object has %d bytes", size)
		}
		return nil
	})
	return err == nil
}

// abort frees the parts, also when the caller's context has ended. Parts that
// stay cost space and are never visible; a lifecycle rule of the bucket removes
// them.
func (m *multipart) abort(ctx context.Context) {
	s := m.store
	// The upload's own error is the one to report.
	_ = s.repeat(context.WithoutCancel(ctx), "abort upload", m.key, 0, false, func(ctx context.Context) error {
		_, err := s.client.AbortMultipartUpload(ctx, &api.AbortMultipartUploadInput{
			Bucket: &s.location.Bucket, Key: s.name(m.key), UploadId: m.id,
		})
		return err
	})
}
