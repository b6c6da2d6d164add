package store

import (
	"context"
	"fmt"
	"io"

	"github.com/trueup-data/trueup/pipeline/fault"
	"golang.org/x/sync/errgroup"
)

// Ranges says how Download cuts an object up. The zero value is usable.
type Ranges struct {
	PartBytes int64 // 0 means 8 MiB
	Parallel  int   // ranges on their way at once; 0 means 4
}

// Download copies an object of known size into w by ranges that travel side by
// side. It is done only if every byte came; after an error what w holds is worth
// nothing. Memory stays within a copy buffer per range.
func Download(ctx context.Context, s Store, key string, sizeBytes int64, w io.WriterAt, r Ranges) error {
	if r.PartBytes <= 0 {
		r.PartBytes = 8 << 20
	}
	if r.Parallel <= 0 {
		r.Parallel = 4
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.Parallel)
	for offset := int64(0); offset < sizeBytes; offset += r.PartBytes {
		length := min(r.PartBytes, sizeBytes-offset)
		group.Go(func() error { return downloadRange(ctx, s, key, offset, length, w) })
	}
	return group.Wait()
}

func downloadRange(ctx context.Context, s Store, key string, offset, length int64, w io.WriterAt) error {
	body, err := s.Open(ctx, key, offset, length)
	if err != nil {
		return err
	}
	defer body.Close()
	n, err := io.Copy(io.NewOffsetWriter(w, offset), body)
	if err != nil {
		return Failure(fault.KindOf(err), "download", s.URL(), key, err)
	}
	if n != length {
		return Failure(fault.Transient, "download", s.URL(), key,
			fmt.Errorf("%d of %d bytes came from offset %d: %w", n, length, offset, io.ErrUnexpectedEOF))
	}
	return nil
}
