// Package extract reads streams into their replicas: it asks a Source for
// pages, checks and keys the observations, and commits rows and checkpoints
// together. It must never advance a cursor past a row that is not stored, call
// an incomplete pass complete, or write to a system.
package extract

import (
	"context"

	"github.com/trueup-data/trueup/pipeline"
)

// Source reads one stream of one system. Connectors satisfy it. Its methods are
// called from several goroutines, at most one per partition; limits and retries
// are the source's own. It never re-orders or drops a record.
type Source interface {
	// Partitions lists the parts of the stream as they are now. It is called at
	// the start and at the end of a pass; both lists must be equal.
	Partitions(ctx context.Context) ([]pipeline.Partition, error)

	// Read yields the batches of one partition in the source's order. A batch's
	// checkpoint is true once its rows are stored. It returns how the partition
	// ended; an error means that it did not end. An error of yield is returned
	// as it is.
	Read(ctx context.Context, req pipeline.ReadRequest, yield func(pipeline.Batch) error) (pipeline.End, error)

	// Fetch reads records by ID, each with an answer of its own.
	Fetch(ctx context.Context, ids []string) (pipeline.FetchResult, error)

	// CanFetch reports whether Fetch works: without it nothing is ever proven deleted by absence.
	CanFetch() bool
}
