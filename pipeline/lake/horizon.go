package lake

import (
	"context"
	"errors"

	"github.com/trueup-data/trueup/pipeline/store"
)

// raise moves the horizon up to a number, or leaves it where it is higher, and
// gives what it is then. Without an answer it is read again: nothing is deleted
// under a horizon that is only believed to have moved.
func (l *Lake) raise(ctx context.Context, target uint64) (uint64, error) {
	for try := 0; ; try++ {
		h, info, err := l.horizon(ctx)
		if err != nil {
			return 0, err
		}
		if h.Lowest >= target && (try == 0 || !l.o.breaks(horizonBlind)) {
			return h.Lowest, nil
		}
		_, err = l.st.Swap(ctx, horizonKey, encode(horizon{Lowest: target, Nonce: l.o.NewID()}), info.ETag)
		if err == nil {
			return target, nil
		}
		if l.o.breaks(horizonUnread) && repeatable(err) && !errors.Is(err, store.ErrConflict) {
			return target, nil
		}
		again := repeatable(err) || errors.Is(err, store.ErrPrecondition)
		if !again || try+1 >= l.o.Tries {
			return 0, failure("move the horizon", horizonKey, err)
		}
		if err := l.o.Sleep(ctx, backoff(try)); err != nil {
			return 0, failure("move the horizon", horizonKey, err)
		}
	}
}

// target is the number up to which the log may be forgotten: the newest Keep
// commits stay, and all whose run began within KeepFor.
func (l *Lake) target(ctx context.Context, o Collection, head *Snapshot) (uint64, error) {
	lowest, err := l.lowest(ctx)
	if err != nil {
		return 0, err
	}
	keep := max(o.Keep, 1)
	if head.commit.Seq < lowest+keep {
		return lowest, nil
	}
	target := head.commit.Seq - keep + 1
	since := l.o.Now().Add(-o.KeepFor)
	for seq := lowest; o.KeepFor > 0 && seq < target; seq++ {
		s, err := l.commitAt(ctx, seq)
		if errors.Is(err, ErrGone) {
			continue // another collector was here
		}
		if err != nil {
			return 0, err
		}
		if s.commit.RunAt.After(since) {
			return seq, nil
		}
	}
	return target, nil
}
