package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

// Sizes of uploads: within one part of an S3 upload, and over several of the
// smallest parts that S3 takes (5 MiB).
const (
	oneByte   = 1
	onePart   = 1 << 20
	manyParts = 11<<20 + 17
)

// pattern is content without two equal blocks, so that parts in the wrong order
// show.
func pattern(size int) []byte {
	data := make([]byte, size)
	x := uint32(2463534242)
	for i := range data {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		data[i] = byte(x)
	}
	return data
}

// writerAt collects what a download writes.
type writerAt struct {
	mu  sync.Mutex
	buf []byte
}

func (w *writerAt) WriteAt(p []byte, offset int64) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if need := int(offset) + len(p); need > len(w.buf) {
		w.buf = append(w.buf, make([]byte, need-len(w.buf))...)
	}
	return copy(w.buf[offset:], p), nil
}

func (w *writerAt) data() []byte { return w.buf }

// source gives content and calls at when it has given n bytes.
type source struct {
	rest []byte
	left int
	at   func() error
}

func (s *source) Read(p []byte) (int, error) {
	if s.left == 0 && s.at != nil {
		at := s.at
		s.at = nil
		if err := at(); err != nil {
			return 0, err
		}
	}
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	limit := len(s.rest)
	if s.left > 0 {
		limit = min(limit, s.left)
	}
	n := copy(p, s.rest[:limit])
	s.rest = s.rest[n:]
	if s.left > 0 {
		s.left -= n
	}
	return n, nil
}

func uploads(t *testing.T, s store.Store) {
	for name, size := range map[string]int{"none": 0, "one": oneByte, "single": onePart, "multi": manyParts} {
		content := pattern(size)
		info, err := s.Upload(t.Context(), "data/"+name, &source{rest: content})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if info.Key != "data/"+name || info.SizeBytes != int64(size) || info.ETag == "" {
			t.Errorf("%s: %+v", name, info)
		}
		var got writerAt
		err = store.Download(t.Context(), s, "data/"+name, int64(size), &got, store.Ranges{PartBytes: 3 << 20})
		if err != nil || !bytes.Equal(got.data(), content) {
			t.Errorf("%s: %d bytes of %d came back: %v", name, len(got.data()), size, err)
		}
		if _, read := get(t, s, "data/"+name); read != info {
			t.Errorf("%s: wrote %+v, read %+v", name, info, read)
		}
	}
}

func uploadInvisible(t *testing.T, s store.Store) {
	_, err := s.Upload(t.Context(), "data/x", &source{rest: pattern(manyParts), left: manyParts, at: func() error {
		wantAbsent(t, s, "data/x")
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if keys := list(t, s, "data/", ""); len(keys) != 1 {
		t.Errorf("a listing shows %v", keys)
	}
}

func uploadAborted(t *testing.T, s store.Store) {
	broken := errors.New("the source broke")
	for name, size := range map[string]int{"first": 0, "single": onePart, "multi": manyParts} {
		at := &source{rest: pattern(size + 10), left: size, at: func() error { return broken }}
		_, err := s.Upload(t.Context(), "data/"+name, at)
		wantErr(t, "upload of a source that breaks", err, broken)
		if fault.KindOf(err) == fault.Unknown {
			t.Errorf("%s: nothing was finished, but the outcome is unknown: %v", name, err)
		}
		wantAbsent(t, s, "data/"+name)
	}
}

func uploadCanceled(t *testing.T, s store.Store) {
	for name, size := range map[string]int{"single": onePart, "multi": manyParts} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := s.Upload(ctx, "data/"+name, &source{rest: pattern(size + 10), left: size, at: func() error {
			cancel()
			return nil
		}})
		cancel()
		wantErr(t, "a canceled upload", err, context.Canceled)
		wantAbsent(t, s, "data/"+name)
	}
}
