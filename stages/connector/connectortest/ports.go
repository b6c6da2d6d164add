package connectortest

import (
	"context"

	"github.com/trueup-data/trueup/pipeline"
)

// Source is extract.Source, method by method. It is repeated here so that a
// connector's tests do not link what extract needs; a test keeps the two equal.
type Source interface {
	Partitions(ctx context.Context) ([]pipeline.Partition, error)
	Read(ctx context.Context, req pipeline.ReadRequest, yield func(pipeline.Batch) error) (pipeline.End, error)
	Fetch(ctx context.Context, ids []string) (pipeline.FetchResult, error)
	CanFetch() bool
}

// Target is load.Target, method by method, for the same reason.
type Target interface {
	Protocol(op pipeline.WriteOp) pipeline.Protocol
	CanWrite(op pipeline.WriteOp) bool
	Prepare(w pipeline.Write) (pipeline.Request, error)
	Send(ctx context.Context, req pipeline.Request, op pipeline.WriteOp, fence func() error) (pipeline.Answer, error)
	Fetch(ctx context.Context, ids []string) (pipeline.FetchResult, error)
	CanFetch() bool
	Search(ctx context.Context, keyFields map[string]string) (pipeline.Batch, error)
}

// Batcher is load.Batcher, method by method, for the same reason.
type Batcher interface {
	Target
	BatchLimit() int
	SendBatch(ctx context.Context, batch []pipeline.Sending, fence func() error) ([]pipeline.Answer, error)
}
