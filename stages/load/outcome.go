package load

import (
	"context"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/replica"
)

// judge turns an answer into an outcome, per field where the record came with it.
func (l *loader) judge(ctx context.Context, s *sent, a pipeline.Answer) {
	s.status, s.digest, s.evidence = a.Status, a.Digest, a.Evidence
	s.outcome = a.Outcome
	if s.change.doubted && a.Outcome == pipeline.Rejected {
		s.change.keyRefused = true
	}
	if s.doubtful() {
		return
	}
	switch a.Outcome {
	case pipeline.InDoubt:
		// A refusal that is no answer to the write itself: the key is taken by other content.
		s.change.keyRefused = s.change.keyRefused || a.Status >= 400 && a.Status < 500 && a.Status != 408 && a.Status != 409
	case pipeline.Applied, pipeline.AlreadyTrue:
		l.applied(ctx, s, a)
	case pipeline.Stale:
		l.afterStale(ctx, s)
	}
}

// doubtful ends a repeat that surely was not done: that says nothing about what was
// sent first, which is in doubt as before.
func (s *sent) doubtful() bool {
	if !s.change.doubted || s.outcome != pipeline.Rejected && s.outcome != pipeline.Retryable {
		return false
	}
	why := "the repeat was refused: "
	if s.outcome == pipeline.Retryable {
		why = "the repeat was put off: "
	}
	s.end(pipeline.InDoubt, why+s.evidence)
	return true
}

// applied finds the record as the system shows it after the write. Without one
// in the answer it is read by ID; where that is not possible, what was sent is
// taken for what is there.
func (l *loader) applied(ctx context.Context, s *sent, a pipeline.Answer) {
	c, at := s.change, a.At
	if at.IsZero() {
		at = l.Now()
	}
	switch {
	case c.op == pipeline.OpDelete && a.Outcome == pipeline.Applied:
		s.sights = append(s.sights, ended(c.id.String, at))
		return
	case c.op == pipeline.OpDelete:
		l.unanswered(s, at)
		return
	}
	id := a.ID
	if id == "" {
		id = c.id.String
	}
	record := a.Record
	if record == nil && id != "" && l.req.Target.CanFetch() {
		at = l.Now()
		if f, err := l.look(ctx, c, id); err == nil && !f.gone {
			record = f.record
		}
	}
	if record == nil || record.Rows == nil {
		l.assume(s, id, at)
		return
	}
	if ids := replica.IDs(record.Rows); id == "" && len(ids) == 1 {
		id = ids[0]
	}
	c.setID(id)
	s.sights = append(s.sights, sight{record: record, at: at})
	l.judgeFields(s, record)
}

// assume stands for a sight that nobody can get.
func (l *loader) assume(s *sent, id string, at time.Time) {
	if id == "" {
		// A create whose ID is not known can only be found by our key, later.
		s.end(pipeline.InDoubt, "done, but the answer does not say under which ID")
		return
	}
	s.change.setID(id)
	rows, err := l.stream.Assumed(id, s.change.after, at)
	if err != nil {
		s.evidence += "; the values sent cannot be kept as an observation: " + err.Error()
		return
	}
	s.sights = append(s.sights, sight{record: &pipeline.Batch{Rows: rows}, at: at})
	s.evidence += "; not read back"
}

// judgeFields compares what is there with what was sent.
func (l *loader) judgeFields(s *sent, record *pipeline.Batch) {
	s.fields = map[string]string{}
	kept, lost := 0, 0
	for name, want := range s.change.after {
		got, known := l.value(record.Rows, name)
		was, had := s.change.before[name]
		switch {
		case known && l.shows(name, got, want):
			s.fields[name] = "applied"
			kept++
		case !known || had && same(got, was):
			s.fields[name] = "not_kept"
			lost++
		default:
			s.fields[name] = "altered"
			kept++
		}
	}
	switch {
	case lost > 0 && kept > 0:
		s.outcome = pipeline.AppliedPartly
	case lost > 0 && s.change.op == pipeline.OpUpdate:
		s.outcome = pipeline.NotKept
	case lost > 0:
		s.outcome = pipeline.AppliedPartly // the record exists now, without these fields
	}
}

// afterStale looks at a record whose precondition failed: after a lost answer
// that may be our own success.
func (l *loader) afterStale(ctx context.Context, s *sent) {
	if !s.change.id.Valid || !l.req.Target.CanFetch() {
		return
	}
	asked := l.Now()
	f, err := l.look(ctx, s.change, s.change.id.String)
	if err != nil {
		return
	}
	if f.gone {
		l.unanswered(s, asked)
		return
	}
	s.sights = append(s.sights, sight{record: f.record, at: asked})
	if seen := l.compare(s.change, f.record.Rows); s.change.op != pipeline.OpDelete && seen.After == seen.Fields {
		s.end(pipeline.AlreadyTrue, s.evidence+"; the record holds what was sent")
	}
}
