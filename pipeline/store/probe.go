package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/trueup-data/trueup/pipeline/fault"
)

const (
	probeWriters = 32 // broken stores were seen to have 2 to 32 winners of 32
	probeRounds  = 3
	probeTries   = 20 // of one writer, while it is told "send the same again"
)

// Probe tries whether s keeps the promises on which commits stand: of many
// writers that create or swap one name at the same moment exactly one wins, the
// winner is told so, and everybody reads what it wrote. It goes through the
// whole client and whatever lies between, works under names below prefix that
// it makes up, and removes them when all went well. A store that fails is
// refused with the code "store_refused".
func Probe(ctx context.Context, s Store, prefix string) error {
	p := &probe{store: s, prefix: strings.TrimSuffix(prefix, "/") + "/" + rand.Text()}
	if err := p.run(ctx); err != nil {
		return err
	}
	for _, key := range p.keys {
		if err := s.Delete(ctx, key); err != nil {
			return fmt.Errorf("remove what the probe wrote: %w", err)
		}
	}
	return nil
}

type probe struct {
	store  Store
	prefix string
	keys   []string
}

func (p *probe) run(ctx context.Context) error {
	if err := p.empty(ctx); err != nil {
		return err
	}
	for round := range probeRounds {
		key := fmt.Sprintf("%s/race-%d", p.prefix, round)
		p.keys = append(p.keys, key)
		first, err := p.race(ctx, key, "")
		if err != nil {
			return err
		}
		second, err := p.race(ctx, key, first.ETag)
		if err != nil {
			return err
		}
		if err := p.afterwards(ctx, key, first, second); err != nil {
			return err
		}
	}
	return p.listed(ctx)
}

// empty checks that a name which was never used is answered as such, by reads
// and by swaps.
func (p *probe) empty(ctx context.Context) error {
	key := p.prefix + "/never"
	if _, _, err := p.store.Get(ctx, key); !errors.Is(err, ErrNotExist) {
		return p.unexpected("reading a name that does not exist", err)
	}
	err := p.write(ctx, key, []byte(rand.Text()), `"0123456789abcdef0123456789abcdef"`)
	if err == nil {
		p.keys = append(p.keys, key)
	}
	if !errors.Is(err, ErrNotExist) && !errors.Is(err, ErrPrecondition) {
		return p.unexpected("swapping an object that does not exist", err)
	}
	return nil
}

// race lets all writers go at once: with etag "" they create key, else they
// swap it. It gives the winner's object.
func (p *probe) race(ctx context.Context, key, etag string) (Info, error) {
	bids := make([]bid, probeWriters)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range bids {
		bids[i].data = []byte(rand.Text())
		ready.Add(1)
		done.Go(func() {
			// The connection is opened before the barrier, so that the writes meet.
			_, _, _ = p.store.Get(ctx, key)
			ready.Done()
			<-start
			bids[i].put(ctx, p.store, key, etag)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return p.judge(ctx, key, bids)
}

// bid is what one writer of a race sent and was told.
type bid struct {
	data    []byte
	info    Info
	err     error
	unknown bool // some try had an unknown outcome
}

// put sends the same until it is told done or taken, as a commit does.
func (b *bid) put(ctx context.Context, s Store, key, etag string) {
	for range probeTries {
		if etag == "" {
			b.info, b.err = s.PutIfAbsent(ctx, key, b.data)
		} else {
			b.info, b.err = s.Swap(ctx, key, b.data, etag)
		}
		kind := fault.KindOf(b.err)
		if b.err == nil || (kind != fault.Unknown && kind != fault.Transient) {
			return
		}
		b.unknown = b.unknown || kind == fault.Unknown
	}
}

func (p *probe) judge(ctx context.Context, key string, bids []bid) (Info, error) {
	data, info, err := p.store.Get(ctx, key)
	if err != nil {
		return Info{}, errors.Join(p.unexpected("reading what a race of writers left", err), bidsFailed(bids))
	}
	winners, holder := 0, -1
	for i, b := range bids {
		switch {
		case b.err == nil:
			winners++
		case !errors.Is(b.err, ErrPrecondition):
			return Info{}, p.unexpected("writing under a condition", b.err)
		}
		if string(b.data) == string(data) {
			holder = i
		}
	}
	switch {
	case winners > 1:
		return Info{}, p.refuse("%d of %d writers were told that they alone wrote one name", winners, len(bids))
	case holder < 0:
		return Info{}, p.refuse("what one of %d writers wrote reads back as something else", len(bids))
	case bids[holder].err != nil && !bids[holder].unknown:
		return Info{}, p.refuse("a writer was told that the name is taken, and had taken it itself")
	case bids[holder].err == nil && bids[holder].info.ETag != info.ETag:
		return Info{}, p.refuse("a writer was told another ETag than its object has")
	case winners == 1 && bids[holder].err != nil:
		return Info{}, p.refuse("one writer was told that it wrote, another one's content is there")
	}
	return info, nil
}

func bidsFailed(bids []bid) error {
	for _, b := range bids {
		if b.err != nil && !errors.Is(b.err, ErrPrecondition) {
			return b.err
		}
	}
	return nil
}

// afterwards checks that what was swapped out cannot be swapped again, and that
// a taken name stays taken even for its own content.
func (p *probe) afterwards(ctx context.Context, key string, first, second Info) error {
	if first.ETag == second.ETag {
		return p.refuse("an object that was swapped kept its ETag")
	}
	if err := p.write(ctx, key, []byte(rand.Text()), first.ETag); !errors.Is(err, ErrPrecondition) {
		return p.unexpected("swapping by an ETag that is gone", err)
	}
	data, info, err := p.store.Get(ctx, key)
	if err != nil {
		return p.unexpected("reading after a swap that was refused", err)
	}
	if info.ETag != second.ETag {
		return p.refuse("a swap that was refused took effect")
	}
	if err := p.write(ctx, key, data, ""); !errors.Is(err, ErrPrecondition) {
		return p.unexpected("creating a name again with its own content", err)
	}
	return nil
}

// write sends one write until it is answered.
func (p *probe) write(ctx context.Context, key string, data []byte, etag string) error {
	b := bid{data: data}
	b.put(ctx, p.store, key, etag)
	return b.err
}

// listed checks that a listing shows what was written, in order.
func (p *probe) listed(ctx context.Context) error {
	found := 0
	last := ""
	err := p.store.List(ctx, p.prefix+"/", "", func(info Info) error {
		if info.Key <= last {
			return p.refuse("its listings are not in order")
		}
		last = info.Key
		found++
		return nil
	})
	if err != nil {
		return err
	}
	if found != len(p.keys) {
		return p.refuse("a listing shows %d of %d objects that were just written", found, len(p.keys))
	}
	return nil
}

// unexpected passes failures on as they are and refuses the store for a wrong
// answer.
func (p *probe) unexpected(doing string, err error) error {
	switch {
	case err == nil:
		return p.refuse("%s was answered with success", doing)
	case errors.Is(err, ErrPrecondition), errors.Is(err, ErrConflict), errors.Is(err, ErrNotExist):
		return p.refuse("%s was answered with: %v", doing, err)
	}
	return fmt.Errorf("probe the store, %s: %w", doing, err)
}

func (p *probe) refuse(format string, args ...any) error {
	return &fault.Error{
		Kind:  fault.Permanent,
		Op:    "probe the store",
		Where: fault.Place{Object: p.store.URL()},
		Err:   fmt.Errorf(format, args...),
		Code:  fault.CodeStoreRefused,
		Note:  "Nothing but the probe's own objects was written. On such a store two runs could both believe that they committed.",
		Help: "use a store with atomic conditional writes (If-None-Match, If-Match): Amazon S3, a current MinIO or VersityGW, " +
			"or file:// on a local disk; a proxy in between must pass these headers on and repeat nothing",
	}
}
