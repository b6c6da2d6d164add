package postgres

import (
	"context"
	"errors"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
)

// batchLimit bounds the advisory locks that one transaction holds: the server has
// some thousand places for the locks of all sessions together.
const batchLimit = 200

// BatchLimit is the most writes of one batch.
func (s *Stream) BatchLimit() int { return batchLimit }

// SendBatch runs many statements in one transaction, all in one message, as
// load.Batcher says. Each is the statement that its intent stores, with the
// version that it is conditioned on, so one that is stale changes no row and
// stops no other. What the server refuses is refused whole: it rolls back.
func (s *Stream) SendBatch(ctx context.Context, batch []pipeline.Sending, fence func() error) ([]pipeline.Answer, error) {
	tx, err := s.transaction(batch)
	if err != nil {
		return nil, err
	}
	at, rows, err := s.transact(ctx, tx, fence)
	var late *lateError
	switch {
	case errors.As(err, &late):
		return nil, s.refusedWhole(tx, late.err)
	case err != nil:
		return nil, err
	}
	answers := make([]pipeline.Answer, len(batch))
	for i := range answers {
		answers[i].At = at
		s.answer(&answers[i], tx.statements[i], batch[i].Op, rows[i])
	}
	return answers, nil
}

// refusedWhole is a batch that did not end in a commit that we saw.
func (s *Stream) refusedWhole(tx transaction, err error) error {
	answer := serversWord(err)
	kind := fault.Permanent
	switch outcomeOf(answer) {
	case pipeline.InDoubt:
		return s.silence(tx, err)
	case pipeline.Retryable:
		kind = fault.Transient
	}
	return s.sendError(kind, tx, errors.New(s.client.redact.Text(evidence(answer)))).WithHelp(helpFor(answer)).
		WithNote("the server rolled all of it back")
}
