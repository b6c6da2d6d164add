package lake

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

// land settles every part: those that stand on the head are put together as one
// commit, and whoever loses is judged by itself on the next head.
func (l *Lake) land(ctx context.Context, head *Snapshot, parts []*part) {
	look := true
	for {
		d, err := l.judge(ctx, head, parts, look)
		if err != nil {
			failAll(parts, err)
			return
		}
		if len(d.parts) == 0 {
			return
		}
		var landed *Snapshot
		landed, look, err = l.put(ctx, d)
		if err != nil {
			failAll(d.parts, err)
			return
		}
		if landed != nil {
			l.learn(landed)
			for _, p := range d.parts {
				p.land(landed)
			}
			return
		}
		stale := head
		if err := l.patiently(ctx, func() error { head, err = l.Head(ctx); return err }); err != nil {
			failAll(parts, unknown("look whether it is in", err))
			return
		}
		if l.o.breaks(staleParent) {
			head = head.withTablesOf(stale)
		}
	}
}

func failAll(parts []*part, err error) {
	for _, p := range parts {
		p.fail(err)
	}
}

// unknown says that nobody knows whether a commit landed.
func unknown(op string, err error) error {
	return failure(op, "", fmt.Errorf("%w: %w", ErrUnknown, err)).
		WithNote("nothing was cleaned up; the next run begins from what landed")
}

// judge makes the next commit out of the parts that are not in the head and
// stand on it; the others are settled. Nothing is put on a head without a look
// whether it is in.
func (l *Lake) judge(ctx context.Context, head *Snapshot, parts []*part, look bool) (*draft, error) {
	d := l.draft(head)
	for _, p := range parts {
		if p.settled {
			continue
		}
		if look {
			in, err := p.in(ctx, head)
			if err != nil {
				return nil, unknown("look whether it is in", err)
			}
			if in {
				p.land(head)
				continue
			}
		}
		if err := d.apply(ctx, p); err != nil {
			p.fail(err)
		}
	}
	return d, nil
}

// put puts a draft and reads what the answers mean. It gives the commit if it
// counts; neither commit nor error if the number is somebody else's or proves
// nothing: then the head tells, and look says that it must be asked.
func (l *Lake) put(ctx context.Context, d *draft) (landed *Snapshot, look bool, err error) {
	if err := l.putManifests(ctx, d); err != nil {
		return nil, false, err
	}
	if err := ctx.Err(); err != nil { // a put that is never begun is not in doubt
		return nil, false, given(false, err)
	}
	d.commit.ID = l.o.NewID()
	data := encode(&d.commit)
	s := &Snapshot{r: l.Reader, commit: &d.commit, sum: sum(data)}
	inDoubt := false // an earlier try of this very put may have landed, or may still
	for try := 0; ; try++ {
		_, err := l.st.PutIfAbsent(ctx, commitKey(d.commit.Seq), data)
		switch kind := fault.KindOf(err); {
		case err == nil:
			return l.proven(ctx, s)
		case errors.Is(err, store.ErrPrecondition):
			if l.o.breaks(takenIsLost) {
				return nil, false, nil
			}
			return l.whose(ctx, s)
		case errors.Is(err, store.ErrConflict):
			if l.o.breaks(conflictIsLost) {
				return nil, false, failure("commit", commitKey(d.commit.Seq), ErrMoved)
			}
		case kind == fault.Transient:
		case kind == fault.Unknown || kind == fault.Canceled:
			inDoubt = true
			if l.o.breaks(cleanupAfterUnknown) {
				return nil, false, l.cleanUp(ctx, d)
			}
			if l.o.breaks(newNameAfterUnknown) {
				return nil, false, nil
			}
		default:
			return nil, false, given(inDoubt, err)
		}
		if try+1 >= l.o.Tries || l.o.Sleep(ctx, backoff(try)) != nil {
			return nil, false, given(inDoubt, err)
		}
	}
}

// given is the error of a put that was given up.
func given(inDoubt bool, err error) error {
	if inDoubt {
		return unknown("commit", err)
	}
	return failure("commit", "", err).WithNote("nothing was committed")
}

// proven reads the horizon after a "done": only a number that is not below it
// proves that the commit landed.
func (l *Lake) proven(ctx context.Context, s *Snapshot) (*Snapshot, bool, error) {
	if l.o.breaks(noHorizonAfterDone) {
		return s, false, nil
	}
	var lowest uint64
	err := l.patiently(ctx, func() (err error) { lowest, err = l.lowest(ctx); return err })
	if err != nil {
		return nil, false, unknown("read the horizon after the commit", err)
	}
	if lowest > s.commit.Seq {
		return nil, true, nil
	}
	return s, false, nil
}

// whose reads the commit that has our number, then the horizon: it may be our
// own earlier try.
func (l *Lake) whose(ctx context.Context, s *Snapshot) (*Snapshot, bool, error) {
	var there *Snapshot
	err := l.patiently(ctx, func() (err error) { there, err = l.commitAt(ctx, s.commit.Seq); return err })
	switch {
	case errors.Is(err, ErrGone):
		return nil, true, nil
	case err != nil:
		return nil, false, unknown("read who has the number", err)
	case there.commit.ID == s.commit.ID:
		return s, false, nil
	}
	return nil, true, nil
}

// putManifests writes the manifests of the tables that changed. A try without an
// answer is followed by one under a new name: nobody names the old one.
func (l *Lake) putManifests(ctx context.Context, d *draft) error {
	refs := make(map[string]*ManifestRef, len(d.drawn))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(l.o.Parallel)
	for _, table := range sorted(d.drawn) {
		ref := d.commit.Tables[table]
		refs[table] = &ref
		g.Go(func() error { return l.putManifest(gctx, table, d.drawn[table], d.commit.Epoch, &ref) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for table, ref := range refs {
		d.commit.Tables[table] = *ref
		l.cache.put(ref.Key, d.drawn[table])
	}
	return nil
}

func (l *Lake) putManifest(ctx context.Context, table string, files []File, epoch uint64, ref *ManifestRef) error {
	data := encode(manifest{Table: table, Files: files})
	ref.SHA256 = sum(data)
	for try := 0; ; try++ {
		ref.Key = manifestKey(table, epoch, l.o.NewID())
		_, err := l.st.PutIfAbsent(ctx, ref.Key, data)
		if err == nil {
			return nil
		}
		if !repeatable(err) || try+1 >= l.o.Tries {
			return failure("write manifest", ref.Key, err).WithNote("nothing was committed")
		}
		if err := l.o.Sleep(ctx, backoff(try)); err != nil {
			return failure("write manifest", ref.Key, err).WithNote("nothing was committed")
		}
	}
}
