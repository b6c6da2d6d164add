package lake

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"
)

// Opening is what a run says of itself when it begins.
type Opening struct {
	Run     string
	RunAt   time.Time // the run's pinned clock
	Project string    // hash of the project file
}

// Tenure is one run's right to commit: the epoch that its open commit began.
// From that commit on nothing of an older epoch lands, and nothing of this one
// does after the next. Safe for concurrent use.
type Tenure struct {
	l     *Lake
	epoch uint64
	id    string
	start *Snapshot
	queue *queue
}

// Begin opens a tenure: it commits an open whose epoch is the head's plus one,
// again on the new head whenever it loses the race. Work, checkpoints and
// decisions are then taken from Start, never from memory. RunAt never runs
// backwards: one before the last run's becomes the last run's.
func (l *Lake) Begin(ctx context.Context, o Opening) (*Tenure, error) {
	head, err := l.Head(ctx)
	if err != nil {
		return nil, err
	}
	if head.commit.Seq == 1 { // the first commit of all: the store is tried through this client too
		if err := l.o.Probe(ctx, l.st); err != nil {
			return nil, failure("try the store", l.URL(), err)
		}
	}
	id := l.o.NewID()
	var epoch uint64 // of the last attempt
	p := &part{
		in: func(_ context.Context, head *Snapshot) (bool, error) {
			if l.o.breaks(openTrustsEpoch) {
				return epoch > 0 && head.commit.Epoch == epoch, nil
			}
			return head.commit.Tenure == id, nil
		},
		stamp: func(c *Commit) {
			epoch = c.Epoch + 1
			c.Epoch, c.Tenure, c.Stage = epoch, id, "open"
			c.Run, c.Project = o.Run, o.Project
			if at := o.RunAt.UTC().Round(0); at.After(c.RunAt) {
				c.RunAt = at
			}
			c.Steps, c.Writers = map[string]uint64{}, map[string]string{}
		},
	}
	l.land(ctx, head, []*part{p})
	if p.err != nil {
		return nil, p.err
	}
	return l.tenure(p.landed), nil
}

// Join gives a task on another machine its run's tenure. ErrFenced: the head's
// epoch is not that one.
func (l *Lake) Join(ctx context.Context, epoch uint64) (*Tenure, error) {
	head, err := l.Head(ctx)
	if err != nil {
		return nil, err
	}
	if head.commit.Epoch != epoch {
		return nil, failure("join a run", commitKey(head.commit.Seq), because(ErrFenced, "the epoch is %d, the run's was %d", head.commit.Epoch, epoch))
	}
	return l.tenure(head), nil
}

func (l *Lake) tenure(start *Snapshot) *Tenure {
	t := &Tenure{l: l, epoch: start.commit.Epoch, id: start.commit.Tenure, start: start}
	t.queue = &queue{commit: t.land}
	return t
}

// Epoch is the number of the tenure.
func (t *Tenure) Epoch() uint64 { return t.epoch }

// RunAt is the run's pinned clock.
func (t *Tenure) RunAt() time.Time { return t.start.commit.RunAt }

// Start is the state in which the tenure began (or was joined).
func (t *Tenure) Start() *Snapshot { return t.start }

// NewDataKey names a new data file under this tenure's epoch.
func (t *Tenure) NewDataKey(table string) string { return t.l.NewDataKey(table, t.epoch) }

// Check looks at the head: ErrFenced if a newer tenure began.
func (t *Tenure) Check(ctx context.Context) error {
	head, err := t.l.Head(ctx)
	if err != nil {
		return err
	}
	return t.fence(head.commit)
}

// fence is nil for a head of this tenure.
func (t *Tenure) fence(head *Commit) error {
	if head.Epoch == t.epoch && head.Tenure == t.id || t.l.o.breaks(epochNotChecked) {
		return nil
	}
	return failure("commit", commitKey(head.Seq), because(ErrFenced, "epoch %d of run %s began, this is epoch %d", head.Epoch, head.Run, t.epoch))
}

// Committer makes the commits of one attempt of one task. Its steps are serial;
// each attempt needs a committer of its own, and gets one that is told apart
// even if the name is used again.
type Committer struct {
	t    *Tenure
	name string

	mu   sync.Mutex
	step uint64 // the last one that landed
	dead error  // ErrUnknown: nothing more is committed
}

// Committer makes a new committer; name is for people who read the log.
func (t *Tenure) Committer(name string) *Committer {
	return &Committer{t: t, name: name + "/" + t.l.o.NewID()}
}

// ID names the committer in the log and in journals.
func (c *Committer) ID() string { return c.name }

// Commit lands a step and gives a snapshot that has it in, which may be later
// than the step's own commit. Steps of one process that come while another is on
// its way land together, as CommitGroup does. Nothing landed: ErrMoved (the
// committer may go on), the error of Check, or a refusal of the store. ErrFenced:
// a newer tenure, or another writer of the system, took over; what landed is for
// it to read. ErrUnknown: it may have landed; the committer is finished. A
// context that ends while a put has no answer makes the outcome unknown, so
// commit under one that outlives a signal.
func (c *Committer) Commit(ctx context.Context, s Step) (*Snapshot, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.part(s)
	c.t.queue.land(ctx, p)
	c.settle(p)
	return p.landed, p.err
}

// Claim makes the committer the writer of a system: from then on intents of any
// other committer for it do not land. What to write is read from the snapshot.
func (c *Committer) Claim(ctx context.Context, system string) (*Snapshot, error) {
	return c.Commit(ctx, Step{Stage: "claim", Claim: system})
}

// part is a step as the commit protocol sees it. mu is held.
func (c *Committer) part(s Step) *part {
	number := c.step + 1
	p := &part{step: s, name: c.name}
	if c.dead != nil {
		p.fail(c.dead)
	}
	if err := s.valid(); err != nil {
		p.fail(err)
	}
	p.fence = c.t.fence
	p.in = func(_ context.Context, head *Snapshot) (bool, error) {
		same := head.commit.Epoch == c.t.epoch && head.commit.Tenure == c.t.id
		return same && head.commit.Steps[c.name] >= number, nil
	}
	p.stamp = func(commit *Commit) {
		commit.Steps = with(commit.Steps, c.name, number)
		if s.Claim != "" {
			commit.Writers = with(commit.Writers, s.Claim, c.name)
		}
	}
	return p
}

// settle takes in what became of a part. mu is held.
func (c *Committer) settle(p *part) {
	switch {
	case p.err == nil:
		c.step++
	case errors.Is(p.err, ErrUnknown):
		c.dead = p.err
	}
}

// with is a copy of m with one entry more, so that a commit that others hold
// does not change.
func with[V any](m map[string]V, key string, value V) map[string]V {
	c := maps.Clone(m)
	if c == nil {
		c = map[string]V{}
	}
	c[key] = value
	return c
}
