package lake

import (
	"context"
	"errors"
)

// Decision is a commit outside of any tenure: a person's word, or a compaction.
// It works under the epoch of the head and opens nothing.
type Decision struct {
	ID string // stable over retries of the same decision, also by another process

	// In reports whether the decision is in the head already: its ID in the
	// table of decisions, or a compaction's outputs.
	In func(ctx context.Context, head *Snapshot) (bool, error)

	// Build makes the step from a head; its new files are named by NewDataKey
	// with the head's epoch. It is called again on the new head when what it was
	// decided from has moved, and its error ends the decision.
	Build func(ctx context.Context, head *Snapshot) (Step, error)
}

// Decide lands a decision once, however often it is tried under its ID, and
// gives a snapshot that has it in. ErrMoved: it lost again and again. ErrUnknown:
// repeat it under the same ID.
func (l *Lake) Decide(ctx context.Context, d Decision) (*Snapshot, error) {
	for try := 0; ; try++ {
		head, err := l.Head(ctx)
		if err != nil {
			return nil, err
		}
		in, err := l.decided(ctx, d, head)
		if err != nil {
			return nil, failure("look for the decision", d.ID, err)
		}
		if in {
			return head, nil
		}
		step, err := d.Build(ctx, head)
		if err != nil {
			return nil, err
		}
		if step.Stage == "" {
			step.Stage = "decide"
		}
		p := &part{
			step:  step,
			in:    func(ctx context.Context, head *Snapshot) (bool, error) { return l.decided(ctx, d, head) },
			stamp: func(c *Commit) { c.Decision = d.ID },
		}
		if err := step.valid(); err != nil {
			return nil, err
		}
		l.land(ctx, head, []*part{p})
		if !errors.Is(p.err, ErrMoved) || try+1 >= l.o.Tries {
			return p.landed, p.err
		}
	}
}

func (l *Lake) decided(ctx context.Context, d Decision, head *Snapshot) (bool, error) {
	if l.o.breaks(decisionNotLookedFor) {
		return false, nil
	}
	return d.In(ctx, head)
}
