package lake

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Part is one committer's step in a group.
type Part struct {
	Committer *Committer
	Step      Step
}

// Result is what became of a part, as Commit would have answered.
type Result struct {
	Snapshot *Snapshot
	Err      error
}

// CommitGroup lands the steps of several committers of this tenure in one commit
// where it can, in this order. Each part is judged by itself, on every head: one
// that does not stand fails alone. Every committer may have one part.
func (t *Tenure) CommitGroup(ctx context.Context, group []Part) []Result {
	defer lock(group)()
	parts := make([]*part, len(group))
	for i, g := range group {
		parts[i] = g.Committer.part(g.Step)
		if slices.ContainsFunc(group[:i], func(o Part) bool { return o.Committer == g.Committer }) {
			parts[i].fail(refused("committer "+g.Committer.name, "it has two parts in one group, and its steps are serial"))
		}
	}
	t.land(ctx, parts)
	results := make([]Result, len(group))
	for i, g := range group {
		g.Committer.settle(parts[i])
		results[i] = Result{Snapshot: parts[i].landed, Err: parts[i].err}
	}
	return results
}

// lock makes the committers of a group ours, in an order that all groups share,
// and gives what lets go of them.
func lock(group []Part) func() {
	var held []*Committer
	for _, g := range group {
		if !slices.Contains(held, g.Committer) {
			held = append(held, g.Committer)
		}
	}
	slices.SortFunc(held, func(a, b *Committer) int { return strings.Compare(a.name, b.name) })
	for _, c := range held {
		c.mu.Lock()
	}
	return func() {
		for _, c := range held {
			c.mu.Unlock()
		}
	}
}

// land puts parts on the newest head that this process knows: if that is not the
// head, the put loses and looks.
func (t *Tenure) land(ctx context.Context, parts []*part) { t.l.land(ctx, t.l.known(), parts) }

// queue lands the steps of one process together: those that come while a commit
// is on its way are the next commit. So writers of one process do not race for
// the same number, each losing to each.
type queue struct {
	commit func(ctx context.Context, parts []*part)

	mu      sync.Mutex
	busy    bool
	waiting []*waiter
}

type waiter struct {
	ctx  context.Context
	part *part
	done chan struct{}
}

// land settles a part. Whoever finds the queue idle works it off; the others
// wait, also when their context ends: only the commit knows what became of them.
func (q *queue) land(ctx context.Context, p *part) {
	w := &waiter{ctx: ctx, part: p, done: make(chan struct{})}
	q.mu.Lock()
	q.waiting = append(q.waiting, w)
	if q.busy {
		q.mu.Unlock()
		<-w.done
		return
	}
	q.busy = true
	for len(q.waiting) > 0 {
		group := q.waiting
		q.waiting = nil
		q.mu.Unlock()
		q.work(group)
		q.mu.Lock()
	}
	q.busy = false
	q.mu.Unlock()
}

// work commits a group under a context that ends when all of theirs have.
func (q *queue) work(group []*waiter) {
	if len(group) == 1 {
		q.commit(group[0].ctx, []*part{group[0].part})
		close(group[0].done)
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(group[0].ctx))
	defer cancel()
	var ended atomic.Int64
	parts := make([]*part, len(group))
	for i, w := range group {
		parts[i] = w.part
		stop := context.AfterFunc(w.ctx, func() {
			if ended.Add(1) == int64(len(group)) {
				cancel()
			}
		})
		defer stop()
	}
	q.commit(ctx, parts)
	for _, w := range group {
		close(w.done)
	}
}
