package lake

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/trueup-data/trueup/pipeline/store"
)

// Collection says what to keep. Both limits hold; the head always stays.
type Collection struct {
	Keep    uint64        // the newest commits, in number; at least 1
	KeepFor time.Duration // commits of runs that began within this time; 0 sets no limit

	// WatchPins waits once for the longest time-to-live of the pins there are, so
	// that those of dead readers are recognised within this one call. Without it
	// a pin counts as dead only if an earlier call of this process saw it.
	WatchPins bool
}

// Collected is what a collection did.
type Collected struct {
	Horizon   uint64 // the lowest number that counts now
	Files     int    // data files and manifests deleted
	SizeBytes int64  // of those
	Commits   int    // commits deleted
	Held      int    // commits held by live pins
	DeadPins  int    // pins of readers that are gone, deleted
}

// Collect moves the horizon and deletes what no commit from there on, no pinned
// one and no commit still to come can name: files of an older epoch than the
// head's, which nobody can commit any more, and commits below the horizon.
// Unfinished things of the current epoch stay. It may run beside everything and
// may be repeated; what it cannot read stops it before it deletes anything.
func (l *Lake) Collect(ctx context.Context, o Collection) (Collected, error) {
	for {
		done, again, err := l.collect(ctx, o)
		if err != nil || !again {
			return done, err
		}
	}
}

func (l *Lake) collect(ctx context.Context, o Collection) (done Collected, again bool, err error) {
	if err := l.watchPins(ctx, o); err != nil {
		return done, false, err
	}
	head, err := l.Head(ctx)
	if err != nil {
		return done, false, err
	}
	target, err := l.target(ctx, o, head)
	if err != nil {
		return done, false, err
	}
	if done.Horizon, err = l.raise(ctx, target); err != nil {
		return done, false, err
	}
	held, dead, _, err := l.readPins(ctx)
	if err != nil {
		return done, false, err
	}
	done.Held = len(held)
	files, named, again, err := l.unnamed(ctx, done.Horizon, held)
	if err != nil || again {
		return done, again, err
	}
	return done, false, l.sweep(ctx, &done, files, named, held, dead)
}

// watchPins looks at the pins, and again after the longest time-to-live.
func (l *Lake) watchPins(ctx context.Context, o Collection) error {
	if !o.WatchPins {
		return nil
	}
	held, _, longest, err := l.readPins(ctx)
	if err != nil || len(held) == 0 {
		return err
	}
	return l.o.Sleep(ctx, longest)
}

// census is what the commits that count name.
type census struct {
	keys  map[string]bool
	epoch uint64 // of the head: files of older epochs that are not named are nobody's
}

// unnamed lists the files, and reads who names them after that: a file that is
// listed was written before its name is looked for.
func (l *Lake) unnamed(ctx context.Context, lowest uint64, held []uint64) (files []store.Info, named census, again bool, err error) {
	if l.o.breaks(namedBeforeListing) {
		if named, again, err = l.names(ctx, lowest, held); err != nil || again {
			return nil, named, again, err
		}
	}
	for _, prefix := range []string{dataPrefix, tablePrefix} {
		err := l.st.List(ctx, prefix, "", func(i store.Info) error {
			files = append(files, i)
			return nil
		})
		if err != nil {
			return nil, named, false, failure("list files", prefix, err)
		}
	}
	if l.o.breaks(namedBeforeListing) {
		head, err := l.Head(ctx)
		if err == nil {
			named.epoch = head.commit.Epoch
		}
		return files, named, false, err
	}
	named, again, err = l.names(ctx, lowest, held)
	return files, named, again, err
}

// names reads the head, every commit from the horizon up and every pinned one.
// again: another collector moved the horizon meanwhile, so that what was read
// need not count.
func (l *Lake) names(ctx context.Context, lowest uint64, held []uint64) (named census, again bool, err error) {
	head, err := l.Head(ctx)
	if err != nil {
		return named, false, err
	}
	named = census{keys: map[string]bool{}, epoch: head.commit.Epoch}
	for seq := lowest; seq <= head.commit.Seq; seq++ {
		s, err := l.commitAt(ctx, seq)
		if errors.Is(err, ErrGone) {
			return named, true, nil
		}
		if err == nil {
			err = named.add(ctx, s)
		}
		if err != nil && !l.o.breaks(collectorStopsAtNothing) {
			gone, readErr := l.gone(ctx, seq)
			return named, gone, errors.Join(readErr, unless(gone, err))
		}
	}
	for _, seq := range held {
		if seq >= lowest {
			continue // counted above, or a pin of what never was
		}
		if err := l.addPinned(ctx, named, seq); err != nil {
			return named, false, err
		}
	}
	return named, false, nil
}

// gone reports whether the horizon is above a number now.
func (l *Lake) gone(ctx context.Context, seq uint64) (bool, error) {
	lowest, err := l.lowest(ctx)
	return lowest > seq, err
}

func unless(excused bool, err error) error {
	if excused {
		return nil
	}
	return err
}

// addPinned adds a commit below the horizon. One that is not there is held by
// nobody: its reader put the pin too late and begins again, since collectors
// read the pins after they moved the horizon.
func (l *Lake) addPinned(ctx context.Context, named census, seq uint64) error {
	data, _, err := l.st.Get(ctx, commitKey(seq))
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if err != nil {
		return failure("read pinned commit", commitKey(seq), err)
	}
	s, err := l.decodeCommit(seq, data)
	if err == nil {
		err = named.add(ctx, s)
	}
	return unless(errors.Is(err, store.ErrNotExist), err)
}

// add takes in all that a commit names.
func (c *census) add(ctx context.Context, s *Snapshot) error {
	for _, table := range s.Tables() {
		ref := s.commit.Tables[table]
		if c.keys[ref.Key] {
			continue
		}
		files, err := s.r.manifest(ctx, table, ref)
		if err != nil {
			return err
		}
		c.keys[ref.Key] = true
		for _, f := range files {
			c.keys[f.Key] = true
		}
	}
	return nil
}

// sweep deletes: files first, then commits below the horizon, so that what stops
// it half-way leaves commits that can be asked again, then dead pins.
func (l *Lake) sweep(ctx context.Context, done *Collected, files []store.Info, named census, held []uint64, dead []string) error {
	var keys []string
	for _, f := range files {
		if named.spares(f.Key, l.o) {
			continue
		}
		keys = append(keys, f.Key)
		done.SizeBytes += f.SizeBytes
	}
	done.Files = len(keys)
	if err := l.deleteAll(ctx, keys); err != nil {
		return err
	}
	keys = keys[:0]
	pinned := map[uint64]bool{}
	for _, seq := range held {
		pinned[seq] = true
	}
	err := l.st.List(ctx, logPrefix, "", func(i store.Info) error {
		if seq, ok := seqOf(i.Key); ok && seq < done.Horizon && !pinned[seq] {
			keys = append(keys, i.Key)
		}
		return nil
	})
	if err != nil {
		return failure("list the log", logPrefix, err)
	}
	done.Commits, done.DeadPins = len(keys), len(dead)
	if err := l.deleteAll(ctx, keys); err != nil {
		return err
	}
	return l.deleteAll(ctx, dead)
}

// spares reports whether a file must stay: somebody names it, a writer of the
// current epoch may still commit it, or it is not one of ours.
func (c census) spares(key string, o Options) bool {
	epoch, ok := epochOf(key)
	return c.keys[key] || !ok || (epoch >= c.epoch && !o.breaks(currentEpochCollected))
}

func (l *Lake) deleteAll(ctx context.Context, keys []string) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(l.o.Parallel)
	for _, key := range keys {
		g.Go(func() error {
			if err := l.st.Delete(gctx, key); err != nil {
				return failure("delete", key, err).WithHelp("trueup collect").WithNote("collecting may be repeated")
			}
			return nil
		})
	}
	return g.Wait()
}
