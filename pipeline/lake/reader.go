package lake

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/trueup-data/trueup/pipeline/store"
)

// Reader reads a lake and has no method that commits: what a dry run, a query
// or a page of the review gets. Its only writes are its own pins. Safe for
// concurrent use.
type Reader struct {
	st    store.Store
	o     Options
	cache manifestCache

	mu   sync.Mutex
	last *Snapshot // the highest commit known to count
}

// OpenReader opens a lake for reading. ErrNoLake: there is none.
func OpenReader(ctx context.Context, st store.Store, o Options) (*Reader, error) {
	r := &Reader{st: st, o: o.withDefaults()}
	if _, err := r.lowest(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// URL names the store, without credentials.
func (r *Reader) URL() string { return r.st.URL() }

// At is the commit of a number. ErrGone: it is below the horizon; a commit below
// it is only to be had through the pin that holds it.
func (r *Reader) At(ctx context.Context, seq uint64) (*Snapshot, error) {
	if seq == 0 {
		return nil, failure("read commit", commitKey(seq), because(ErrGone, "numbers begin at 1"))
	}
	head, err := r.Head(ctx)
	if err != nil {
		return nil, err
	}
	if seq == head.commit.Seq {
		return head, nil
	}
	if seq > head.commit.Seq {
		return nil, failure("read commit", commitKey(seq), because(ErrGone, "it does not exist yet; the head is %d", head.commit.Seq))
	}
	return r.commitAt(ctx, seq)
}

// Log yields the commits from a number (or the horizon, if that is higher) up to
// the head, each checked to be the parent of the next. It ends at the first error.
func (r *Reader) Log(ctx context.Context, from uint64) iter.Seq2[*Commit, error] {
	return func(yield func(*Commit, error) bool) {
		head, err := r.Head(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		lowest, err := r.lowest(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		parent := ""
		for seq := max(from, lowest); seq <= head.commit.Seq; seq++ {
			s, err := r.commitAt(ctx, seq)
			if errors.Is(err, ErrGone) && parent == "" {
				continue // the horizon moved meanwhile: the log begins later
			}
			if err == nil && parent != "" && s.commit.Parent != parent {
				err = failure("read commit", commitKey(seq), because(ErrDamaged, "its parent is %s, the commit before it is %s", s.commit.Parent, parent))
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if parent = s.sum; !yield(s.commit, nil) {
				return
			}
		}
	}
}

// known is the highest commit that this process knows to count, or nil.
func (r *Reader) known() *Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// learn remembers a commit that counts.
func (r *Reader) learn(s *Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil || r.last.commit.Seq < s.commit.Seq {
		r.last = s
	}
}

// patiently repeats a read that stands between an unknown outcome and knowing it.
func (r *Reader) patiently(ctx context.Context, read func() error) error {
	for try := 0; ; try++ {
		err := read()
		if !repeatable(err) || try+1 >= r.o.Tries {
			return err
		}
		if e := r.o.Sleep(ctx, backoff(try)); e != nil {
			return err
		}
	}
}
