package load

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
)

// sendAll puts writes onto the wire whose intents are committed. Its error is a
// lost lease or a cancelled context; whatever was not answered then stays in
// doubt in the store.
func (l *loader) sendAll(ctx context.Context, batch []*sent) ([]*sent, error) {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(max(1, l.req.Concurrency))
	for _, part := range l.parcels(batch) {
		group.Go(func() error { return l.sendParcel(inner, part) })
	}
	return batch, group.Wait()
}

// parcels cuts a batch into what goes onto the wire together: a write that is
// compared right before it is sent goes alone.
func (l *loader) parcels(batch []*sent) [][]*sent {
	limit := 1
	if b, ok := l.req.Target.(Batcher); ok {
		limit = b.BatchLimit()
	}
	var out [][]*sent
	open := false // the last parcel takes more
	for _, s := range batch {
		alone := l.readsRightBefore(s.change)
		if n := len(out) - 1; open && !alone && len(out[n]) < limit {
			out[n] = append(out[n], s)
			continue
		}
		out, open = append(out, []*sent{s}), !alone
	}
	return out
}

// sendParcel sends writes together. A parcel that the system refuses whole had no
// effect: it is halved until the write to blame is alone.
func (l *loader) sendParcel(ctx context.Context, parcel []*sent) error {
	if len(parcel) == 1 {
		return l.send(ctx, parcel[0])
	}
	answers, err := l.sendTogether(ctx, parcel)
	switch {
	case errors.Is(err, errFenced):
		return fmt.Errorf("send to %s: %w", l.id, err)
	case err == nil && len(answers) != len(parcel):
		err = &fault.Error{Kind: fault.Unknown, Op: "send", Err: fmt.Errorf("%d answers to %d writes", len(answers), len(parcel))}
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil && fault.KindOf(err) == fault.Permanent:
		half := len(parcel) / 2
		l.Log.Debug("a batch was refused whole and is halved", "stream", l.id.String(), "writes", len(parcel), "why", err.Error())
		if err := l.sendParcel(ctx, parcel[:half]); err != nil {
			return err
		}
		return l.sendParcel(ctx, parcel[half:])
	}
	for i, s := range parcel {
		if s.crossed = err == nil || fault.KindOf(err) == fault.Unknown; err == nil {
			l.judge(ctx, s, answers[i])
			continue
		}
		s.fail(err)
	}
	return nil
}

func (l *loader) sendTogether(ctx context.Context, parcel []*sent) ([]pipeline.Answer, error) {
	batch := make([]pipeline.Sending, len(parcel))
	for i, s := range parcel {
		batch[i] = pipeline.Sending{Request: s.request, Op: s.change.op}
	}
	return l.req.Target.(Batcher).SendBatch(ctx, batch, l.fenced)
}

// errFenced marks that the fence, and not the outside, stopped a request.
var errFenced = errors.New("the run may no longer write")

// fenced is asked right before the first byte of every request.
func (l *loader) fenced() error {
	if err := l.Fence(); err != nil {
		return errors.Join(errFenced, err)
	}
	return nil
}

// send verifies and sends one change, once.
func (l *loader) send(ctx context.Context, s *sent) error {
	if l.readsRightBefore(s.change) {
		if _, err := l.verify(ctx, s); err != nil {
			s.end(pipeline.Retryable, "could not be read right before: "+err.Error())
			return ctx.Err()
		}
		if s.outcome != "" {
			return nil
		}
	}
	answer, err := l.req.Target.Send(ctx, s.request, s.change.op, l.fenced)
	s.crossed = err == nil || fault.KindOf(err) == fault.Unknown
	switch {
	case errors.Is(err, errFenced):
		return fmt.Errorf("send to %s: %w", l.id, err)
	case err == nil:
		l.judge(ctx, s, answer)
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		s.fail(err)
	}
	return nil
}

// fail ends a write whose send gave an error instead of an answer.
func (s *sent) fail(err error) {
	switch fault.KindOf(err) {
	case fault.Unknown:
		s.end(pipeline.InDoubt, err.Error())
	case fault.Transient:
		s.end(pipeline.Retryable, err.Error())
	default:
		s.end(pipeline.Rejected, err.Error())
	}
}
