package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/sql"
)

// Deps are what a load works with. All are safe for concurrent use.
type Deps struct {
	Lake   *lake.Lake
	Tenure *lake.Tenure
	Engine *duck.Engine
	Writer func(t tables.Table) *delta.Writer // makes files under the tenure's epoch
	Now    func() time.Time
	Log    *slog.Logger

	// Fence fails when the run may no longer write to the outside: it is asked
	// right before the first byte of every request.
	Fence func() error
}

// Request is one load of one stream.
type Request struct {
	Run         pipeline.RunID
	RunAt       time.Time
	Entity      config.Entity
	Stream      config.Stream
	Target      Target
	PerSecond   float64 // the system's quota: a batch is about two seconds of it
	Concurrency int
	Progress    func(done Counts, left int) // called after each batch, with how many changes are left; may be nil
}

// Counts are changes by what became of them.
type Counts struct {
	Sent        int64 // writes that went onto the wire
	Applied     int64
	AlreadyTrue int64
	Partly      int64
	NotKept     int64
	Stale       int64
	Rejected    int64
	Held        int64
	InDoubt     int64 // at the end: without a known outcome still
	Lost        int64 // sends whose outcome the answer did not tell; most are settled in the same run
	Retried     int64
	Waiting     int64 // not sent in this run: refused for now by the system, or quota gone
	Forbidden   int64 // not sent: a person's latest word is against it
}

// Result is what a load did.
type Result struct {
	Stream pipeline.StreamID
	Counts Counts
	Err    error // the first thing that the outside refused to answer
}

// Attention reports whether something is left that needs a look.
func (c Counts) Attention() bool {
	return c.Partly+c.NotKept+c.Rejected+c.Held+c.InDoubt+c.Waiting > 0
}

// sendsPerRun bounds how often one change is sent in one run.
const sendsPerRun = 4

// loader is one load of one stream: the only writer of its system in this run.
type loader struct {
	Deps
	req       Request
	id        pipeline.StreamID
	stream    *replica.Stream
	committer *lake.Committer
	head      *lake.Snapshot
	words     words
	counts    Counts
	doubts    map[string]bool // changes without a known outcome
	firstErr  error
}

func newLoader(ctx context.Context, deps Deps, req Request) (*loader, error) {
	stream, err := replica.NewStream(req.Entity, req.Stream)
	if err != nil {
		return nil, err
	}
	head, err := deps.Lake.Head(ctx)
	if err != nil {
		return nil, err
	}
	id := stream.ID
	return &loader{Deps: deps, req: req, id: id, stream: stream, head: head, doubts: map[string]bool{},
		committer: deps.Tenure.Committer("load/" + id.System)}, nil
}

// result is what the loader did so far.
func (l *loader) result() Result {
	l.counts.InDoubt = int64(len(l.doubts))
	return Result{Stream: l.id, Counts: l.counts, Err: l.firstErr}
}

// Run sends the changes of one stream that may be sent. The outside's refusals
// are in the Result; an error is our own storage's, a lost lease, or a cancelled
// context's. After an error whatever was on the wire is in doubt, and is settled
// by the next run.
func Run(ctx context.Context, deps Deps, req Request) (Result, error) {
	l, err := newLoader(ctx, deps, req)
	if err != nil {
		return Result{}, err
	}
	queue, err := l.read(ctx, "load/queue.sql", false, l.id.System)
	if err != nil {
		return Result{Stream: l.id}, err
	}
	if err = l.claim(ctx, queue); err == nil {
		queue, err = l.unlisted(ctx, queue)
	}
	if err == nil {
		err = l.drain(ctx, queue)
	}
	return l.result(), err
}

// unlisted is the queue without the creates that a listing of this run has shown to
// be done: those that a person let be sent again after a doubt, and nobody looked at
// since. Their doubts are settled.
func (l *loader) unlisted(ctx context.Context, queue []*change) ([]*change, error) {
	if !slices.ContainsFunc(queue, func(c *change) bool { return c.op == pipeline.OpCreate && c.attempt > 0 }) {
		return queue, nil
	}
	doubts, err := l.read(ctx, "load/doubts.sql", true, l.id.System)
	if err != nil {
		return nil, err
	}
	doubts = slices.DeleteFunc(doubts, func(c *change) bool { return c.op != pipeline.OpCreate || !c.shownID.Valid })
	queue = slices.DeleteFunc(queue, func(c *change) bool {
		return slices.ContainsFunc(doubts, func(d *change) bool { return d.name == c.name })
	})
	again, err := l.settle(ctx, doubts)
	return append(queue, again...), err
}

// claim makes this committer the one that writes to the system, before it does.
func (l *loader) claim(ctx context.Context, work []*change) error {
	if len(work) == 0 {
		return nil
	}
	head, err := l.committer.Claim(ctx, l.id.System)
	if err != nil {
		return fmt.Errorf("become the writer of %s: %w", l.id.System, err)
	}
	l.head = head
	return nil
}

// Settle looks at what an earlier run left in doubt, and sends again what that
// showed to be safe.
func Settle(ctx context.Context, deps Deps, req Request) (Result, error) {
	l, err := newLoader(ctx, deps, req)
	if err != nil {
		return Result{}, err
	}
	doubts, err := l.read(ctx, "load/doubts.sql", true, l.id.System)
	if err != nil {
		return Result{Stream: l.id}, err
	}
	for _, c := range doubts {
		l.doubts[c.name] = true
	}
	if err := l.claim(ctx, doubts); err != nil {
		return l.result(), err
	}
	again, err := l.settle(ctx, doubts)
	if err == nil {
		err = l.drain(ctx, again)
	}
	return l.result(), err
}

// read gets changes from the head.
func (l *loader) read(ctx context.Context, name string, doubts bool, args ...any) ([]*change, error) {
	session, err := l.Engine.Session(ctx, l.head)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	if err := session.Current(ctx, tables.Changes(l.id.Entity), "changes"); err != nil {
		return nil, err
	}
	if open, err := anyOpen(ctx, session, l.id.System); err != nil || !open {
		return nil, err
	}
	if err := l.hear(ctx, session); err != nil {
		return nil, err
	}
	if doubts {
		if err := session.Rows(ctx, tables.Journal(), "journal"); err != nil {
			return nil, err
		}
		if err := session.Current(ctx, l.stream.Table, "current"); err != nil {
			return nil, err
		}
	}
	return readChanges(ctx, session, name, doubts, args...)
}

// anyOpen reports whether the system has a change that is not done with.
func anyOpen(ctx context.Context, session *duck.Session, system string) (bool, error) {
	statement, err := queries.Text("load/open.sql")
	if err != nil {
		return false, err
	}
	rows, err := session.Query(ctx, statement, system)
	if err != nil {
		return false, fmt.Errorf("load/open.sql: %w", err)
	}
	defer rows.Close()
	return rows.Next(), rows.Err()
}

// drain sends changes in batches: the commit that holds the intents of one batch
// holds the outcomes of the batch before.
func (l *loader) drain(ctx context.Context, queue []*change) error {
	var done []*sent
	for len(queue) > 0 || len(done) > 0 {
		var batch []*change
		batch, queue = l.take(queue)
		batch, err := l.allowed(ctx, batch)
		if err != nil {
			return err
		}
		ready, refused, err := l.prepare(ctx, batch)
		if err != nil {
			return err
		}
		done = append(done, refused...)
		if ready, err = l.commit(ctx, done, ready); err != nil {
			return err
		}
		if l.req.Progress != nil {
			l.req.Progress(l.counts, len(ready)+len(queue))
		}
		if done, err = l.sendAll(ctx, ready); err != nil {
			return err
		}
		var again []*change
		if done, again, err = l.again(ctx, done); err != nil {
			return err
		}
		queue = append(again, queue...)
	}
	return nil
}

// unsafeAtOnce bounds how many writes that nothing makes safe to repeat may be in
// doubt at once.
const unsafeAtOnce = 5

// take cuts the next batch off the queue.
func (l *loader) take(queue []*change) (batch, rest []*change) {
	n, unsafe := min(l.batchSize(), len(queue)), 0
	for i, c := range queue[:n] {
		if l.req.Target.Protocol(c.op) != pipeline.ByNothing {
			continue
		}
		if unsafe++; unsafe > unsafeAtOnce {
			return queue[:i], queue[i:]
		}
	}
	return queue[:n], queue[n:]
}

// batchSize is about two seconds of the system's quota of requests.
func (l *loader) batchSize() int {
	n := min(2*l.req.PerSecond, 1000)
	if b, ok := l.req.Target.(Batcher); ok {
		n *= float64(b.BatchLimit())
	}
	return int(min(max(n, 1), 1000))
}

// keyFields splits a key into the entity's key fields.
func (l *loader) keyFields(key string) (map[string]string, error) {
	names := l.req.Entity.Key
	if len(names) == 1 {
		return map[string]string{names[0]: key}, nil
	}
	var parts []string
	if err := json.Unmarshal([]byte(key), &parts); err != nil || len(parts) != len(names) {
		return nil, errors.Join(fmt.Errorf("key %q does not have the %d parts of %s", key, len(names), l.req.Entity.Name), err)
	}
	out := map[string]string{}
	for i, n := range names {
		out[n] = parts[i]
	}
	return out, nil
}
