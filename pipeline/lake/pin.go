package lake

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

const pinPrefix = "pins/"

// pinRecord is a pin as it lies in the store. The nonce changes with every
// renewal; a collector only ever compares it with what it saw before.
type pinRecord struct {
	Seq   uint64        `json:"seq"`
	Nonce string        `json:"nonce"`
	TTL   time.Duration `json:"ttl_ns"`
}

// Pin holds a commit: none of its files is collected while the pin lives. It
// dies when it was not renewed for its whole time-to-live, by either clock of
// its holder. Safe for concurrent use.
type Pin struct {
	r    *Reader
	key  string
	snap *Snapshot
	ttl  time.Duration

	mu      sync.Mutex
	etag    string
	renewed instant // when the request of the last renewal began
	lost    bool
}

// Pin puts a pin on a commit and then reads the horizon. ErrGone: the commit is
// below it; begin again with a newer one.
func (r *Reader) Pin(ctx context.Context, seq uint64) (*Pin, error) {
	p := &Pin{r: r, key: pinPrefix + r.o.NewID(), ttl: r.o.PinTTL, renewed: r.o.instant()}
	info, err := r.st.PutIfAbsent(ctx, p.key, p.record(seq))
	if err != nil {
		return nil, failure("pin a commit", commitKey(seq), err)
	}
	p.etag = info.ETag
	p.snap, err = r.pinned(ctx, seq)
	if err == nil {
		err = p.Err()
	}
	if err != nil {
		return nil, errors.Join(err, p.Release(ctx))
	}
	return p, nil
}

// PinHead pins the head, again until it was not overtaken by a collector.
func (r *Reader) PinHead(ctx context.Context) (*Pin, error) {
	for {
		head, err := r.Head(ctx)
		if err != nil {
			return nil, err
		}
		p, err := r.Pin(ctx, head.commit.Seq)
		if !errors.Is(err, ErrGone) {
			return p, err
		}
	}
}

// pinned reads a commit whose pin is in the store: the horizon read now decides
// whether the pin came in time.
func (r *Reader) pinned(ctx context.Context, seq uint64) (*Snapshot, error) {
	if known := r.known(); r.o.breaks(readerSkipsHorizon) && known != nil && known.commit.Seq == seq {
		return known, nil
	}
	return r.commitAt(ctx, seq)
}

func (p *Pin) record(seq uint64) []byte {
	return encode(pinRecord{Seq: seq, Nonce: p.r.o.NewID(), TTL: p.ttl})
}

// Snapshot is the commit that is held.
func (p *Pin) Snapshot() *Snapshot { return p.snap }

// TTL is how long the pin lives without renewal; renew every third of it.
func (p *Pin) TTL() time.Duration { return p.ttl }

// Err is nil while the pin lives: ask after reading, before trusting that all
// that was read belongs together. ErrPinLost: begin again.
func (p *Pin) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err()
}

func (p *Pin) err() error {
	if p.r.o.breaks(lateReaderGoesOn) {
		return nil
	}
	if p.renewed.over(p.r.o.instant(), p.ttl) {
		p.lost = true
	}
	if p.lost {
		return failure("hold a commit", p.key, because(ErrPinLost, "it was not renewed for %s", p.ttl))
	}
	return nil
}

// Renew gives the pin a new life. ErrPinLost: it came too late. Any other error
// leaves the pin as it was; try again before its time is over.
func (p *Pin) Renew(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.err(); err != nil {
		return err
	}
	began, data := p.r.o.instant(), p.record(p.snap.commit.Seq)
	info, err := swap(ctx, p.r, p.key, data, p.etag)
	switch {
	case errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrPrecondition):
		p.lost = !p.r.o.breaks(lateReaderGoesOn)
		return p.err()
	case err != nil:
		return failure("renew the pin", p.key, err)
	}
	// A collector may have seen the old nonce for the whole time-to-live just
	// before this renewal landed: then it is over already, whatever the store said.
	if err := p.err(); err != nil {
		return err
	}
	p.etag, p.renewed = info.ETag, began
	return nil
}

// Release lets go of the commit. It may be called again.
func (p *Pin) Release(ctx context.Context) error {
	p.mu.Lock()
	p.lost = true
	p.mu.Unlock()
	if err := p.r.st.Delete(ctx, p.key); err != nil {
		return failure("release the pin", p.key, err)
	}
	return nil
}

// Keep renews the pin until ctx ends (nil) or the pin is lost.
func (p *Pin) Keep(ctx context.Context) error {
	for {
		if p.r.o.Sleep(ctx, p.ttl/4) != nil {
			return nil
		}
		if err := p.Renew(ctx); errors.Is(err, ErrPinLost) {
			return err
		}
	}
}

// swap replaces an object that carries a nonce of ours. Without an answer the
// same swap is made again; one that then meets our own nonce had landed.
func swap(ctx context.Context, r *Reader, key string, data []byte, etag string) (store.Info, error) {
	inDoubt := false
	for try := 0; ; try++ {
		info, err := r.st.Swap(ctx, key, data, etag)
		if err == nil {
			return info, nil
		}
		if inDoubt && errors.Is(err, store.ErrPrecondition) {
			there, now, readErr := r.st.Get(ctx, key)
			if readErr == nil && string(there) == string(data) {
				return now, nil
			}
			return info, err
		}
		if !repeatable(err) || try+1 >= r.o.Tries {
			return info, err
		}
		inDoubt = inDoubt || fault.KindOf(err) == fault.Unknown
		if e := r.o.Sleep(ctx, backoff(try)); e != nil {
			return info, err
		}
	}
}

// sightings is what a collector remembers of the pins it saw: a nonce, and when
// it was first seen.
type sightings struct {
	mu   sync.Mutex
	seen map[string]sighting
}

type sighting struct {
	nonce string
	at    instant
}

// pins reads all pins and gives the commits that live ones hold, and the keys of
// the dead: those whose nonce this process has seen unchanged for a whole
// time-to-live by both clocks.
func (l *Lake) readPins(ctx context.Context) (held []uint64, dead []string, longest time.Duration, err error) {
	if l.o.breaks(pinsIgnored) {
		return nil, nil, 0, nil
	}
	l.pins.mu.Lock()
	defer l.pins.mu.Unlock()
	seen := map[string]sighting{}
	err = l.st.List(ctx, pinPrefix, "", func(i store.Info) error {
		data, _, err := l.st.Get(ctx, i.Key)
		if errors.Is(err, store.ErrNotExist) {
			return nil // released meanwhile
		}
		if err != nil {
			return failure("read the pin", i.Key, err)
		}
		var p pinRecord
		if err := json.Unmarshal(data, &p); err != nil {
			return failure("read the pin", i.Key, because(ErrDamaged, "%v", err))
		}
		now, before := l.o.instant(), l.pins.seen[i.Key]
		if before.nonce != p.Nonce {
			before = sighting{nonce: p.Nonce, at: now}
		}
		seen[i.Key] = before
		if before.at.surelyOver(now, p.TTL) || l.o.breaks(pinDeadAtOnce) {
			dead = append(dead, i.Key)
			return nil
		}
		held, longest = append(held, p.Seq), max(longest, p.TTL)
		return nil
	})
	l.pins.seen = seen
	return held, dead, longest, err
}
