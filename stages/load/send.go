package load

import (
	"context"
	"errors"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/load/protocol"
)

// sent is a change on its way: its request, and later what became of it.
type sent struct {
	change   *change
	request  pipeline.Request
	protocol pipeline.Protocol
	key      string          // idempotency key
	base     *pipeline.Batch // of a request that replaces a record: what its body was made from; nil: not read by ID
	kind     string          // of the journal row: outcome, or settled after a doubt
	at       time.Time       // when the intent was made
	stood    string          // the state that the change had before, and
	stoodFor string          // its reason

	attempt, generation int64 // of the intent; the change's own may rise before its outcome is written

	crossed  bool             // it went onto the wire, as far as anybody knows
	outcome  pipeline.Outcome // "" while on its way
	status   int
	fields   map[string]string // outcome per field
	evidence string
	digest   string
	sights   []sight // observations that came with it
}

// sight is an observation to store: a record, or that an ID did not answer.
type sight struct {
	record *pipeline.Batch
	absent string      // the ID that did not answer
	is     pipeline.Op // what it is then: Missing, or Delete after our own
	at     time.Time
}

// ended is the sight of a record that our own delete ended.
func ended(id string, at time.Time) sight {
	return sight{absent: id, is: pipeline.Delete, at: at}
}

// silent is the sight of a record that did not answer, for whatever reason. It may
// have gone, or be out of our sight for now: one answer proves no absence, so it is
// missing. Nobody else's record is deleted for it, and a record that shows up again
// is the same as before, not one that was made anew.
func silent(id string, at time.Time) sight {
	return sight{absent: id, is: pipeline.Missing, at: at}
}

func (s *sent) end(o pipeline.Outcome, evidence string) *sent {
	s.outcome, s.evidence = o, evidence
	return s
}

// prepare renders the requests of a batch. Refused are those that cannot be sent.
func (l *loader) prepare(ctx context.Context, batch []*change) (ready, refused []*sent, err error) {
	if len(batch) == 0 {
		return nil, nil, nil
	}
	bases, err := l.bases(ctx, batch)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range batch {
		s := &sent{change: c, protocol: l.req.Target.Protocol(c.op), at: l.Now(), kind: tables.JournalOutcome,
			attempt: c.attempt, generation: c.generation}
		if err := l.render(ctx, s, bases[baseID{c.key, c.id.String}]); err != nil {
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			s.end(refusal(err), err.Error())
		}
		if s.outcome != "" {
			s.doubtful()
			refused = append(refused, s)
			continue
		}
		s.stood, s.stoodFor = c.state, c.reason.String
		c.attempt++
		s.attempt = c.attempt
		c.sends++
		c.to(tables.ChangeSent, "")
		ready = append(ready, s)
	}
	return ready, refused, nil
}

// refusal is the outcome of a change that could not be made into a request.
func refusal(err error) pipeline.Outcome {
	if fault.KindOf(err) == fault.Transient {
		return pipeline.Retryable
	}
	return pipeline.Rejected
}

// render makes the request of s. A record whose precondition its listings do not
// carry is read first, and compared; so is one that is replaced whole, since a
// listing may show less of it than there is.
func (l *loader) render(ctx context.Context, s *sent, base *pipeline.Batch) error {
	c := s.change
	fields, err := l.keyFields(c.key)
	if err != nil {
		return err
	}
	s.key = protocol.Key(c.name, c.observedHash, c.generation)
	w := pipeline.Write{Change: c.name, Op: c.op, Key: c.key, KeyFields: fields, ID: c.id.String,
		Before: c.before, After: c.after, Base: base, Version: c.observedVersion, IdempotencyKey: s.key}
	if c.observedETag != nil {
		w.ETag = *c.observedETag
	}
	s.request, err = l.req.Target.Prepare(w)
	replaces := err == nil && s.request.Whole && l.req.Target.CanFetch()
	if !replaces && !errors.Is(err, pipeline.ErrNeedsRead) {
		return err
	}
	fresh, err := l.verify(ctx, s)
	if err != nil || s.outcome != "" {
		return err
	}
	w.Base, w.ETag, w.Version = fresh.record, fresh.etag, fresh.version
	if s.request, err = l.req.Target.Prepare(w); s.request.Whole {
		s.base = fresh.record
	}
	return err
}

// readsRightBefore reports whether a write without a precondition is compared
// with the record right before it is sent.
func (l *loader) readsRightBefore(c *change) bool {
	w := l.req.Stream.Write
	return c.op != pipeline.OpCreate && !w.Precondition && w.Verify != "none" && l.req.Target.CanFetch()
}
