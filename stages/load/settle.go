package load

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/load/protocol"
)

// again picks, from a batch that was sent, what may be sent once more in this
// run: what surely did not happen, and doubts that a look or the same key
// settles. rest are the outcomes that are still to be committed.
func (l *loader) again(ctx context.Context, done []*sent) (rest []*sent, queue []*change, err error) {
	var doubts []*change
	for _, s := range done {
		c := s.change
		switch {
		case s.outcome == pipeline.Retryable && c.sends < sendsPerRun:
			queue = append(queue, c)
		case s.outcome == pipeline.Retryable:
			l.counts.Waiting++
			l.note(fmt.Errorf("%s: %s of %s was put off %d times: %s", l.id, c.op, c.key, c.sends, s.evidence))
		case s.outcome == pipeline.InDoubt && c.sends < sendsPerRun:
			c.doubt(s, l.Now())
			doubts = append(doubts, c)
		}
	}
	if len(doubts) == 0 {
		return done, queue, nil
	}
	// The outcomes, doubts among them, are committed before anything is looked at.
	if _, err := l.commit(ctx, done, nil); err != nil {
		return nil, nil, err
	}
	more, err := l.settle(ctx, doubts)
	return nil, append(queue, more...), err
}

// doubt notes a send without a known outcome. The same failure twice under one
// key may be a replay of a saved answer: the key tells nothing any more.
func (c *change) doubt(s *sent, now time.Time) {
	if c.firstSent.IsZero() {
		c.firstSent = s.at
	}
	if s.status >= 500 && c.failure == s.digest && c.doubted {
		c.keyRefused = true
	}
	c.doubted, c.failure, c.lastSent = true, s.digest, now
}

// begin starts anew after a look proved that nothing was done: the next send has a
// key and an answer of its own.
func (c *change) begin() {
	c.generation++
	c.doubted, c.keyRefused, c.failure, c.firstSent = false, false, "", time.Time{}
}

func (l *loader) note(err error) {
	if l.firstErr == nil {
		l.firstErr = err
	}
}

// settle decides doubts, and gives back what may be sent again.
func (l *loader) settle(ctx context.Context, doubts []*change) ([]*change, error) {
	bases, err := l.bases(ctx, doubts)
	if err != nil {
		return nil, err
	}
	var done []*sent
	var queue []*change
	for _, c := range doubts {
		s := &sent{change: c, protocol: l.req.Target.Protocol(c.op), key: c.sentKey.String, kind: tables.JournalSettled, at: l.Now(),
			attempt: c.attempt, generation: c.generation}
		switch protocol.Next(l.doubt(c), l.Now()) {
		case protocol.Wait:
			continue
		case protocol.Resend:
			queue = append(queue, c)
			continue
		case protocol.Shown:
			l.wasShown(ctx, s, c.shownID.String)
		case protocol.Ended:
			s.end(pipeline.Applied, "the record is proven absent since")
		case protocol.ReadBack:
			l.readBack(ctx, s, bases[baseID{c.key, c.id.String}])
		case protocol.Search:
			l.search(ctx, s)
		case protocol.Hold:
			s.end(pipeline.HeldBack, "nothing that this system offers tells whether it was done; look, and approve or reject it")
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if s.outcome == "" {
			continue // still in doubt
		}
		done = append(done, s)
		if s.outcome == pipeline.Retryable {
			c.begin()
			queue = append(queue, c)
		}
	}
	_, err = l.commit(ctx, done, nil)
	return queue, err
}

func (l *loader) doubt(c *change) protocol.Doubt {
	w := l.req.Stream.Write
	return protocol.Doubt{Op: c.op, Protocol: l.req.Target.Protocol(c.op), FirstSent: c.firstSent, LastSent: c.lastSent,
		Listed: c.shownID.Valid, Absent: c.ended, HasID: c.id.Valid, CanFetch: l.req.Target.CanFetch(), KeyRefused: c.keyRefused,
		Retention: w.Idempotency, Settle: w.Settle}
}

// readBack looks at the record after a doubt. known is what was seen of it last, or
// nil. A record that was written to since, and shows everything as it was before, may
// have held what was sent until somebody set it back: sent again it would undo that.
func (l *loader) readBack(ctx context.Context, s *sent, known *pipeline.Batch) {
	asked := l.Now()
	f, err := l.look(ctx, s.change, s.change.id.String)
	if err != nil {
		l.note(fmt.Errorf("%s: read back %s: %w", l.id, s.change.key, err))
		return
	}
	if f.gone {
		s.evidence = "read back"
		l.unanswered(s, asked)
		return
	}
	seen := l.compare(s.change, f.record.Rows)
	s.sights = append(s.sights, sight{record: f.record, at: asked})
	switch protocol.Judge(s.change.op, s.protocol, seen) {
	case protocol.DidApply:
		s.end(pipeline.Applied, "read back: it shows what was sent")
	case protocol.NotYet:
		if s.change.op == pipeline.OpUpdate && l.touched(s.change, known, f) {
			s.end(pipeline.HeldBack, "read back: it shows what was there before, and was written to since: it was not done, or somebody set it back")
			break
		}
		s.end(pipeline.Retryable, "read back: it was not done")
	case protocol.Moved:
		s.end(pipeline.Stale, "read back: somebody else changed it")
	case protocol.Unclear:
		s.end(pipeline.HeldBack, "read back: a field shows neither what was sent nor what was there before")
	}
	s.fields = l.proven(s.change, f.record)
}

// wasShown ends the doubt about a create of which a listing has shown the record:
// sent again it would be there twice. What it holds as it was sent is our own, and no
// news; a read by ID tells. Without one, nothing is proven of any field.
func (l *loader) wasShown(ctx context.Context, s *sent, id string) {
	asked := l.Now()
	var f fresh
	if l.req.Target.CanFetch() {
		var err error
		if f, err = l.look(ctx, s.change, id); err != nil {
			l.note(fmt.Errorf("%s: read back %s: %w", l.id, s.change.key, err))
			return
		}
	}
	s.change.setID(id)
	s.end(pipeline.Applied, "a listing shows it")
	switch {
	case f.record != nil:
		s.sights = append(s.sights, sight{record: f.record, at: asked})
		s.fields = l.proven(s.change, f.record)
		return
	case f.gone:
		s.sights = append(s.sights, silent(id, asked))
	}
	s.fields = map[string]string{}
	for name := range s.change.after {
		s.fields[name] = "unknown"
	}
}

// proven lists the fields that a read back shows as sent: only these teach base.
func (l *loader) proven(c *change, record *pipeline.Batch) map[string]string {
	out := map[string]string{}
	for name, want := range c.after {
		got, known := l.value(record.Rows, name)
		if known && l.shows(name, got, want) {
			out[name] = "applied"
		} else {
			out[name] = "unknown"
		}
	}
	return out
}

// search looks for the record that a doubted create may have made.
func (l *loader) search(ctx context.Context, s *sent) {
	fields, err := l.keyFields(s.change.key)
	if err != nil {
		s.end(pipeline.HeldBack, err.Error())
		return
	}
	asked := l.Now()
	found, err := l.req.Target.Search(ctx, fields)
	if err != nil {
		l.note(fmt.Errorf("%s: search %s: %w", l.id, s.change.key, err))
		return
	}
	ids, err := l.matching(ctx, found, s.change.key)
	if err != nil {
		l.note(fmt.Errorf("%s: search %s: %w", l.id, s.change.key, err))
		return
	}
	switch len(ids) {
	case 0:
		s.end(pipeline.Retryable, "searched: it does not exist")
	case 1:
		record := only(found, ids[0])
		s.change.setID(ids[0])
		s.sights = append(s.sights, sight{record: record, at: asked})
		s.end(pipeline.Applied, "searched: it exists")
		s.fields = l.proven(s.change, record)
	default:
		s.sights = append(s.sights, sight{record: &found, at: asked})
		s.end(pipeline.HeldBack, fmt.Sprintf("searched: %d records carry this key", len(ids)))
	}
}

// matching gives the IDs of the records that carry a key: what a search answers
// is what the system thinks of the question.
func (l *loader) matching(ctx context.Context, found pipeline.Batch, key string) ([]string, error) {
	if found.Rows == nil {
		return nil, nil
	}
	session, err := l.Engine.Session(ctx, l.head)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	keys, err := l.stream.KeysOf(ctx, session, found.Rows)
	if err != nil {
		return nil, err
	}
	var ids []string
	for i, id := range replica.IDs(found.Rows) {
		if keys[i] == key {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// only is the row of a batch that has an ID.
func only(b pipeline.Batch, id string) *pipeline.Batch {
	i := slices.Index(replica.IDs(b.Rows), id)
	return &pipeline.Batch{Rows: b.Rows.NewSlice(int64(i), int64(i)+1)}
}
