// Package load brings the changes that reconcile decided into the systems:
// intents first, then the request, then the outcome, each committed. It must
// never send what has no committed intent, send again what may have taken
// effect without the protocol that makes that safe, or judge who is right.
package load

import (
	"context"

	"github.com/trueup-data/trueup/pipeline"
)

// Target writes one stream of one system. Connectors satisfy it. Safe for
// concurrent use.
type Target interface {
	// Protocol is what makes this operation safe to repeat.
	Protocol(op pipeline.WriteOp) pipeline.Protocol

	// CanWrite reports whether the operation is declared at all.
	CanWrite(op pipeline.WriteOp) bool

	// Prepare renders the exact request, without credentials. It does no I/O.
	Prepare(w pipeline.Write) (pipeline.Request, error)

	// Send puts the request onto the wire once. fence is called after the
	// connection stands, right before the first byte; when it fails nothing is
	// sent and its error is returned. Every answer, also a refusal, is an Answer;
	// Send's own errors have kinds: Transient (nothing was sent), Permanent, or
	// Unknown (it may have taken effect).
	Send(ctx context.Context, req pipeline.Request, op pipeline.WriteOp, fence func() error) (pipeline.Answer, error)

	// Fetch reads records by ID.
	Fetch(ctx context.Context, ids []string) (pipeline.FetchResult, error)

	// CanFetch reports whether Fetch works.
	CanFetch() bool

	// Search finds the records that carry our key; zero, one and many are three
	// answers. Only where Protocol is ByUniqueKey or BySearchableKey.
	Search(ctx context.Context, keyFields map[string]string) (pipeline.Batch, error)
}

// Batcher is a Target that also takes many writes in one round trip. Each keeps
// its own request, precondition and outcome; the batch happens whole or not at all.
type Batcher interface {
	Target

	// BatchLimit is the most writes of one batch; at least two.
	BatchLimit() int

	// SendBatch puts the writes onto the wire once, together, and gives one answer
	// for each, in their order. fence is as with Send, once for the batch. Its
	// errors have kinds: Transient (nothing happened, the same batch may be sent
	// again), Permanent (the system refused the batch as a whole and nothing
	// happened: one of its writes is to blame), or Unknown (all of it may have
	// taken effect, or nothing).
	SendBatch(ctx context.Context, batch []pipeline.Sending, fence func() error) ([]pipeline.Answer, error)
}
