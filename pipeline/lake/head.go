package lake

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/trueup-data/trueup/pipeline/store"
)

// Head is the newest commit: the highest number listed from the horizon up,
// which counts only if the horizon, read after it, is not above it (a name below
// the horizon may have been deleted and taken again by a late put). A head that
// cannot be read is an error; nobody falls back to the one before it.
func (r *Reader) Head(ctx context.Context) (*Snapshot, error) {
	for {
		s, err := r.tryHead(ctx)
		if s != nil || err != nil {
			return s, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// tryHead gives nil without an error when what it saw was overtaken.
func (r *Reader) tryHead(ctx context.Context) (*Snapshot, error) {
	lowest, err := r.lowest(ctx)
	if err != nil {
		return nil, err
	}
	from := lowest
	known := r.known()
	if known != nil {
		from = max(from, known.commit.Seq)
	}
	seq, err := r.highest(ctx, from)
	if err != nil {
		return nil, err
	}
	if known != nil && seq == known.commit.Seq {
		return known, nil
	}
	s, err := r.commitAt(ctx, seq)
	if err != nil && r.o.breaks(headFallsBack) {
		s, err = r.commitAt(ctx, seq-1)
	}
	if errors.Is(err, ErrGone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r.learn(s)
	return s, nil
}

// highest lists the log from a number that is not above the head.
func (r *Reader) highest(ctx context.Context, from uint64) (uint64, error) {
	var seq uint64
	err := r.st.List(ctx, logPrefix, commitKey(from-1), func(i store.Info) error {
		if n, ok := seqOf(i.Key); ok {
			seq = n
		}
		return nil
	})
	switch {
	case err != nil:
		return 0, failure("list the log", r.st.URL(), err)
	case seq == 0 && from == 1:
		return 0, failure("read the head", r.st.URL(), because(ErrNoLake, "it was begun and has no first commit"))
	case seq == 0:
		return 0, failure("read the head", r.st.URL(), because(ErrDamaged, "the horizon is %d and no commit from there on exists", from))
	}
	return seq, nil
}

// commitAt reads a commit and then the horizon. ErrGone: the number is below it.
func (r *Reader) commitAt(ctx context.Context, seq uint64) (*Snapshot, error) {
	data, _, err := r.st.Get(ctx, commitKey(seq))
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return nil, failure("read commit", commitKey(seq), err)
	}
	missing := err != nil
	if !r.o.breaks(noHorizonAfterReading) || missing {
		lowest, err := r.lowest(ctx)
		if err != nil {
			return nil, err
		}
		if lowest > seq {
			return nil, failure("read commit", commitKey(seq), because(ErrGone, "the horizon is %d", lowest))
		}
	}
	if missing {
		return nil, failure("read commit", commitKey(seq), because(ErrDamaged, "it is not there and the horizon is not above it"))
	}
	return r.decodeCommit(seq, data)
}

// decodeCommit makes a snapshot of a commit's bytes.
func (r *Reader) decodeCommit(seq uint64, data []byte) (*Snapshot, error) {
	var c Commit
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, failure("read commit", commitKey(seq), because(ErrDamaged, "%v", err))
	}
	if c.Seq != seq {
		return nil, failure("read commit", commitKey(seq), because(ErrDamaged, "it says that it is number %d", c.Seq))
	}
	return &Snapshot{r: r, commit: &c, sum: sum(data)}, nil
}

// lowest reads the horizon.
func (r *Reader) lowest(ctx context.Context) (uint64, error) {
	h, _, err := r.horizon(ctx)
	return h.Lowest, err
}

func (r *Reader) horizon(ctx context.Context) (horizon, store.Info, error) {
	data, info, err := r.st.Get(ctx, horizonKey)
	if errors.Is(err, store.ErrNotExist) {
		return horizon{}, info, failure("read the horizon", horizonKey, because(ErrNoLake, "%s has no horizon", r.st.URL()))
	}
	if err != nil {
		return horizon{}, info, failure("read the horizon", horizonKey, err)
	}
	var h horizon
	if err := json.Unmarshal(data, &h); err != nil || h.Lowest == 0 {
		return horizon{}, info, failure("read the horizon", horizonKey, because(ErrDamaged, "it says %q", data))
	}
	return h, info, nil
}
