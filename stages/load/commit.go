package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// commit stores the outcomes of the last batch and the intents of the next, with
// what the answers showed as observations. Nothing of next may be sent before it
// returns, and then only what it gives back: a word of a person that landed before
// the intents is heeded, one that lands behind them comes too late.
func (l *loader) commit(ctx context.Context, done, next []*sent) ([]*sent, error) {
	for _, s := range done {
		l.count(s)
	}
	for try := 1; len(done)+len(next) > 0; try++ {
		err := l.land(ctx, done, next)
		if err == nil {
			break
		}
		if !errors.Is(err, lake.ErrMoved) || try == movedRetries {
			return nil, fmt.Errorf("commit the load of %s: %w", l.id, err)
		}
		if l.head, err = l.Lake.Head(ctx); err != nil {
			return nil, err
		}
		if next, err = l.withdraw(ctx, next); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// movedRetries is how often a commit is tried while people go on deciding.
const movedRetries = 8

// land puts outcomes and intents into the lake. ErrMoved: somebody decided
// something since the words of people were read, and nothing landed.
func (l *loader) land(ctx context.Context, done, next []*sent) error {
	changes, journal := delta.NewRows(tables.Changes(l.id.Entity)), delta.NewRows(tables.Journal())
	again := map[*change]bool{} // on their way once more: that is how they stand
	for _, s := range next {
		again[s.change] = true
	}
	for _, s := range done {
		if !again[s.change] {
			s.change.to(closed(s.outcome), s.reason())
			s.change.appendTo(changes, l.req.Run, l.Now())
		}
		if err := l.journal(journal, s, s.kind); err != nil {
			return err
		}
	}
	step := lake.Step{Stage: "load", Add: lake.Files{}, Writer: l.id.System}
	for _, s := range next {
		s.change.appendTo(changes, l.req.Run, l.Now())
		if err := l.journal(journal, s, tables.JournalIntent); err != nil {
			return err
		}
		step.Basis = map[string]uint64{tables.Decisions().Name: l.words.seq}
	}
	for t, rows := range map[*tables.Table]*delta.Rows{ptr(tables.Changes(l.id.Entity)): changes, ptr(tables.Journal()): journal} {
		if err := l.store(ctx, step.Add, *t, rows.Batch()); err != nil {
			return err
		}
	}
	if err := l.observe(ctx, step.Add, done); err != nil {
		return err
	}
	// A commit without an answer ends the committer, so a signal waits for it.
	head, err := l.committer.Commit(context.WithoutCancel(ctx), step)
	if err == nil {
		l.head = head
	}
	return err
}

func ptr[T any](v T) *T { return &v }

// reason says in a change's row why it ended as it did.
func (s *sent) reason() string {
	switch s.outcome {
	case pipeline.Applied:
		return ""
	case pipeline.Retryable:
		return "to be sent again: " + s.evidence
	default:
		return string(s.outcome) + ": " + s.evidence
	}
}

func (l *loader) journal(b *delta.Rows, s *sent, kind string) error {
	c := s.change
	at := l.Now()
	b.Text(c.name).Text(l.id.Entity).Text(l.id.System).Text(c.key).Optional(c.id.String).Text(string(c.op)).
		Text(kind).Number(s.attempt).Number(s.generation).Number(int64(l.Tenure.Epoch())).
		Text(l.committer.ID()).Text(string(l.req.Run)).Time(at).Text(string(s.protocol)).Optional(s.key)
	if kind == tables.JournalIntent {
		request, err := json.Marshal(s.request)
		if err != nil {
			return fmt.Errorf("request of change %s: %w", c.name, err)
		}
		b.Text(string(request))
	} else {
		b.Null()
	}
	b.OptionalNumber(c.observedHash).Text(encode(c.before)).Text(encode(c.after))
	if kind == tables.JournalIntent {
		b.Null().Null().Null().Null().Null()
		return nil
	}
	fields, err := json.Marshal(s.fields)
	if err != nil {
		return fmt.Errorf("outcome of change %s: %w", c.name, err)
	}
	b.Number(int64(s.status)).Text(string(s.outcome)).Optional(s.digest).Text(string(fields)).Optional(s.evidence)
	return nil
}

func (l *loader) store(ctx context.Context, files map[string][]lake.File, t tables.Table, rows arrow.RecordBatch) error {
	defer rows.Release()
	w := l.Writer(t)
	if err := w.Write(rows); err != nil {
		w.Abort()
		return fmt.Errorf("write %s: %w", t.Name, err)
	}
	made, err := w.Close(ctx)
	if err != nil {
		return fmt.Errorf("write %s: %w", t.Name, err)
	}
	files[t.Name] = append(files[t.Name], made...)
	return nil
}

// observe stores what the answers showed in the replica, in the same commit.
func (l *loader) observe(ctx context.Context, files map[string][]lake.File, done []*sent) error {
	var batches []arrow.RecordBatch
	for _, s := range done {
		for _, v := range s.sights {
			if v.record == nil {
				batches = append(batches, l.stream.Verdicts([]string{v.absent}, v.is, v.at))
				continue
			}
			batches = append(batches, v.record.Rows)
		}
	}
	if len(batches) == 0 {
		return nil
	}
	session, err := l.Engine.Session(ctx, l.head)
	if err != nil {
		return err
	}
	defer session.Close()
	keys := map[string]bool{} // every answer is stored, also one that changed nothing: it is evidence
	for _, s := range done {
		keys[s.change.key] = true
	}
	folded, err := l.stream.Fold(ctx, session, replica.Context{Doubted: keys}, batches, nil, l.req.Run, l.Tenure.Epoch())
	if err != nil || folded.Rows == nil {
		return err
	}
	return l.store(ctx, files, l.stream.Table, folded.Rows)
}

// count adds an outcome to the figures of the run.
func (l *loader) count(s *sent) {
	n := &l.counts
	if s.crossed {
		n.Sent++
	}
	delete(l.doubts, s.change.name)
	switch s.outcome {
	case pipeline.Applied:
		n.Applied++
	case pipeline.AlreadyTrue:
		n.AlreadyTrue++
	case pipeline.AppliedPartly:
		n.Partly++
	case pipeline.NotKept:
		n.NotKept++
	case pipeline.Stale:
		n.Stale++
	case pipeline.InDoubt:
		n.Lost++
		l.doubts[s.change.name] = true
	case pipeline.HeldBack:
		n.Held++
	case pipeline.Retryable:
		n.Retried++
	default:
		n.Rejected++
	}
	if s.outcome != pipeline.Applied && s.outcome != pipeline.AlreadyTrue {
		l.Log.Info("a change was not applied", "stream", l.id.String(), "key", s.change.key, "op", string(s.change.op),
			"outcome", string(s.outcome), "status", s.status, "evidence", s.evidence)
	}
}
