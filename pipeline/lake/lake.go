package lake

import (
	"context"
	"errors"
	"fmt"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

// Lake is a Reader that can also commit, collect and hold the lease. Safe for
// concurrent use.
type Lake struct {
	*Reader
	pins sightings
}

// Open opens a lake that Init made. ErrNoLake, with the command that makes one,
// if there is none: a missing horizon stops everything, since a chain without
// one could begin in the middle.
func Open(ctx context.Context, st store.Store, o Options) (*Lake, error) {
	r, err := OpenReader(ctx, st, o)
	if err != nil {
		return nil, err
	}
	return &Lake{Reader: r}, nil
}

// Init tries the store's conditions, then writes the horizon and the first
// commit where they are missing. It may be repeated, also by two at once. A log
// without a horizon is refused: it is what is left of a damaged lake.
func Init(ctx context.Context, st store.Store, o Options) (*Lake, error) {
	o = o.withDefaults()
	if err := o.Probe(ctx, st); err != nil {
		return nil, fmt.Errorf("try the store: %w", err)
	}
	l := &Lake{Reader: &Reader{st: st, o: o}}
	h, _, err := l.horizon(ctx)
	if errors.Is(err, ErrNoLake) {
		if err := l.begin(ctx); err != nil {
			return nil, err
		}
		h, _, err = l.horizon(ctx)
	}
	if err != nil {
		return nil, err
	}
	if h.Lowest > 1 {
		return l, nil // it has a past, so it has a first commit
	}
	first := &Commit{Seq: 1, ID: o.NewID(), Stage: "init", Tables: map[string]ManifestRef{}}
	return l, l.create(ctx, commitKey(1), encode(first))
}

// begin writes the horizon of a lake that has nothing yet.
func (l *Lake) begin(ctx context.Context) error {
	err := l.st.List(ctx, logPrefix, "", func(i store.Info) error {
		if _, ok := seqOf(i.Key); !ok {
			return nil
		}
		return failure("begin a lake", i.Key, because(ErrDamaged, "there are commits but no horizon"))
	})
	if err != nil {
		return err
	}
	return l.create(ctx, horizonKey, encode(horizon{Lowest: 1, Nonce: l.o.NewID()}))
}

// create puts an object that may be there already, whoever put it.
func (l *Lake) create(ctx context.Context, key string, data []byte) error {
	for try := 0; ; try++ {
		_, err := l.st.PutIfAbsent(ctx, key, data)
		if err == nil || errors.Is(err, store.ErrPrecondition) {
			return nil
		}
		if !repeatable(err) || try+1 >= l.o.Tries {
			return failure("begin a lake", key, err).WithHelp("trueup init").WithNote("init may be repeated")
		}
		if err := l.o.Sleep(ctx, backoff(try)); err != nil {
			return err
		}
	}
}

// NewDataKey names a new data file of a table under an epoch: the tenure's own,
// or the epoch of the head that a person's step is built on.
func (l *Lake) NewDataKey(table string, epoch uint64) string {
	return dataKey(table, epoch, l.o.NewID())
}

// repeatable reports whether the very same request may be sent again: nothing
// happened, or nobody knows. For a put-if-absent and a swap both are safe.
func repeatable(err error) bool {
	if err == nil || errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrPrecondition) {
		return false
	}
	kind := fault.KindOf(err)
	return errors.Is(err, store.ErrConflict) || kind == fault.Transient || kind == fault.Unknown
}
