package lake

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/trueup-data/trueup/pipeline/store"
)

const leaseKey = "lease"

// leaseRecord is the lease as it lies in the store. Holder "" is nobody.
type leaseRecord struct {
	Holder string        `json:"holder"`
	Nonce  string        `json:"nonce"`
	TTL    time.Duration `json:"ttl_ns"`
	Since  time.Time     `json:"since"` // for people; nothing is decided by it
}

// Lease is who runs. It spares two runs the same work and bounds how their
// writes to the outside overlap; no stored state rests on it. Safe for
// concurrent use.
type Lease struct {
	l      *Lake
	holder string
	ttl    time.Duration

	mu      sync.Mutex
	etag    string
	renewed instant // when the request of the last renewal began
	lost    bool
}

// Acquire takes the lease. One that another holds is watched for its whole
// time-to-live plus grace (the longest request that the other may have on the
// wire): if its nonce has not changed by then, by both clocks of this process,
// the holder is dead and the lease is taken over. ErrLeaseHeld: it lives.
func (l *Lake) Acquire(ctx context.Context, holder string, grace time.Duration) (*Lease, error) {
	var seen *sighting
	for {
		there, etag, err := l.readLease(ctx)
		if err != nil {
			return nil, err
		}
		now := l.o.instant()
		switch {
		case there.Holder == "":
			ls, err := l.take(ctx, holder, etag)
			if ls != nil || err != nil {
				return ls, err
			}
			continue // another was faster: look who
		case seen == nil:
			seen = &sighting{nonce: there.Nonce, at: now}
		case seen.at.surelyOver(now, there.TTL+grace):
			if seen.nonce != there.Nonce {
				return nil, failure("acquire the lease", leaseKey, because(ErrLeaseHeld, "%s, since %s", there.Holder, there.Since.Format(time.RFC3339)))
			}
			ls, err := l.take(ctx, holder, etag)
			if ls != nil || err != nil {
				return ls, err
			}
			seen = nil
			continue
		}
		if err := l.o.Sleep(ctx, max((there.TTL+grace)/10, time.Millisecond)); err != nil {
			return nil, failure("acquire the lease", leaseKey, err)
		}
	}
}

// Holder says who holds the lease, "" for nobody, and since when by its own clock.
func (r *Reader) Holder(ctx context.Context) (holder string, since time.Time, err error) {
	there, _, err := r.readLease(ctx)
	return there.Holder, there.Since, err
}

// readLease reads the lease; one that was never taken is nobody's.
func (r *Reader) readLease(ctx context.Context) (leaseRecord, string, error) {
	data, info, err := r.st.Get(ctx, leaseKey)
	if errors.Is(err, store.ErrNotExist) {
		return leaseRecord{}, "", nil
	}
	var there leaseRecord
	if err == nil {
		err = json.Unmarshal(data, &there)
	}
	if err != nil {
		return there, "", failure("read the lease", leaseKey, err)
	}
	return there, info.ETag, nil
}

// take swaps the lease in; nil without an error if another was faster.
func (l *Lake) take(ctx context.Context, holder, etag string) (*Lease, error) {
	ls := &Lease{l: l, holder: holder, ttl: l.o.LeaseTTL, renewed: l.o.instant()}
	info, err := swap(ctx, l.Reader, leaseKey, ls.record(holder), etag)
	if errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, failure("acquire the lease", leaseKey, err)
	}
	ls.etag = info.ETag
	return ls, nil
}

func (ls *Lease) record(holder string) []byte {
	return encode(leaseRecord{Holder: holder, Nonce: ls.l.o.NewID(), TTL: ls.ttl, Since: ls.l.o.Now().UTC().Round(0)})
}

// TTL is how long the lease holds without renewal.
func (ls *Lease) TTL() time.Duration { return ls.ttl }

// Check is nil while the lease is held. It does no I/O, so it can be asked right
// before the first byte of a request. ErrLeaseLost: either clock says that it is
// over, or it was taken.
func (ls *Lease) Check() error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.check()
}

func (ls *Lease) check() error {
	if ls.renewed.over(ls.l.o.instant(), ls.ttl) {
		ls.lost = true
	}
	if ls.lost {
		return failure("hold the lease", leaseKey, because(ErrLeaseLost, "holder %s", ls.holder))
	}
	return nil
}

// Remaining is how long the lease still holds if it is not renewed: a request
// must carry a deadline that ends before it does.
func (ls *Lease) Remaining() time.Duration {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	now := ls.l.o.instant()
	left := ls.ttl - max(now.mono-ls.renewed.mono, now.wall.Sub(ls.renewed.wall))
	if ls.lost {
		return 0
	}
	return max(left, 0)
}

// Renew gives the lease a new life. ErrLeaseLost: it came too late or another
// took it. Any other error leaves it as it was; try again before it is over.
func (ls *Lease) Renew(ctx context.Context) error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if err := ls.check(); err != nil {
		return err
	}
	began := ls.l.o.instant()
	info, err := swap(ctx, ls.l.Reader, leaseKey, ls.record(ls.holder), ls.etag)
	switch {
	case errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrNotExist):
		ls.lost = true
		return ls.check()
	case err != nil:
		return failure("renew the lease", leaseKey, err)
	}
	ls.etag = info.ETag
	if err := ls.check(); err != nil {
		return err
	}
	ls.renewed = began
	return nil
}

// Keep renews the lease until ctx ends (nil) or the lease is lost.
func (ls *Lease) Keep(ctx context.Context) error {
	for {
		if ls.l.o.Sleep(ctx, ls.ttl/4) != nil {
			return nil
		}
		if err := ls.Renew(ctx); errors.Is(err, ErrLeaseLost) {
			return err
		}
	}
}

// Release swaps in nobody. A lease that is lost already is left to its new
// holder. It may be called again.
func (ls *Lease) Release(ctx context.Context) error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.lost {
		return nil
	}
	ls.lost = true
	_, err := swap(ctx, ls.l.Reader, leaseKey, ls.record(""), ls.etag)
	if err == nil || errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrNotExist) {
		return nil
	}
	return failure("release the lease", leaseKey, err).WithNote("it ends by itself")
}
