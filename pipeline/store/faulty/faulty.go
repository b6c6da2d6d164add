// Package faulty makes a store fail on purpose, so that tests can crash before
// or after any operation, lose its answer, or let it land late. It must never
// be forgiving: a fault that was planned and never hit is reported, since a test
// whose fault does not happen proves nothing.
package faulty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

// Operation is a call of the store.
type Operation struct {
	N    int    // from 1, in the order in which calls begin
	Name string // "get", "open", "put", "swap", "upload", "list", "delete"
	Key  string // or the prefix of a listing
}

// String is "7 put log/00000000000000000001.json".
func (o Operation) String() string { return fmt.Sprintf("%d %s %s", o.N, o.Name, o.Key) }

// Action is what becomes of an operation.
type Action uint8

// The actions. "Write" is a put, swap, upload or delete.
const (
	Pass       Action = iota
	ErrBefore         // it does not happen; a write says Unknown, a read Transient
	ErrAfter          // it happens, the answer is lost; errors as ErrBefore
	LandsLate         // a put, swap or delete says Unknown and happens on Release; of others, ErrBefore
	Torn              // a read or an upload breaks half-way, a listing after one object; of others, ErrBefore
	Throttled         // it does not happen and says so: Transient, with RetryAfter
	Conflict          // a put or swap does not happen: ErrConflict; of others, Throttled
	Crash             // it does not happen; it and all that follow fail with ErrCrashed
	CrashAfter        // it happens, then the process is dead: as Crash
)

// ErrCrashed is what a dead process gets. Nothing may be retried after it.
var ErrCrashed = errors.New("the process crashed here")

var errLost = errors.New("connection reset by peer")

// Store passes calls on to another store, or lets them fail. It is safe for
// concurrent use.
type Store struct {
	inner  store.Store
	decide func(Operation) Action

	mu      sync.Mutex
	calls   []Operation
	crashed bool
	late    []late
	unused  func() []string
}

type late struct {
	op  Operation
	run func(context.Context) error
}

var _ store.Store = (*Store)(nil)

// New wraps inner. decide is called once per operation, before it happens, one
// call at a time; it must not call the store.
func New(inner store.Store, decide func(Operation) Action) *Store {
	return &Store{inner: inner, decide: decide}
}

// Fault is one planned fault: the action for the n-th operation that fits.
type Fault struct {
	Name   string // "" is any
	Prefix string // of the key; "" is any
	Nth    int    // among those that fit, from 1; 0 means 1
	Do     Action
}

// Plan wraps inner with faults that happen once each. Of several that fit one
// operation the first one happens, the others have seen it too.
func Plan(inner store.Store, faults ...Fault) *Store {
	seen := make([]int, len(faults))
	hit := make([]bool, len(faults))
	s := New(inner, func(op Operation) Action {
		action, found := Pass, false
		for i, f := range faults {
			if (f.Name != "" && f.Name != op.Name) || !strings.HasPrefix(op.Key, f.Prefix) {
				continue
			}
			seen[i]++
			if seen[i] == max(f.Nth, 1) && !found {
				action, found, hit[i] = f.Do, true, true
			}
		}
		return action
	})
	s.unused = func() []string {
		var texts []string
		for i, f := range faults {
			if !hit[i] {
				texts = append(texts, fmt.Sprintf("fault %d (%s %s*, number %d) was never hit: %d operations fit", i, f.Name, f.Prefix, max(f.Nth, 1), seen[i]))
			}
		}
		return texts
	}
	return s
}

// CrashAt wraps inner with a crash at the n-th operation of all, from 1: before
// it when after is false, else when it has happened.
func CrashAt(inner store.Store, n int, after bool) *Store {
	action := Crash
	if after {
		action = CrashAfter
	}
	return Plan(inner, Fault{Nth: n, Do: action})
}

// Unused says which planned faults were never hit and which late writes were
// never released; a test ends with none.
func (s *Store) Unused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var texts []string
	if s.unused != nil {
		texts = s.unused()
	}
	for _, l := range s.late {
		texts = append(texts, fmt.Sprintf("the late write %s was never released", l.op))
	}
	return texts
}

// Calls gives the operations so far, those that failed included.
func (s *Store) Calls() []Operation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Crashed reports whether the process is dead.
func (s *Store) Crashed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.crashed
}

// Release lets what lands late happen now, in the order in which it was sent,
// and gives each one's answer, which nobody hears. It works after a crash too:
// what was on the wire outlives its process.
func (s *Store) Release(ctx context.Context) []error {
	s.mu.Lock()
	pending := s.late
	s.late = nil
	s.mu.Unlock()
	answers := make([]error, len(pending))
	for i, l := range pending {
		answers[i] = l.run(ctx)
	}
	return answers
}

// begin counts an operation and decides about it.
func (s *Store) begin(name, key string) (Operation, Action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op := Operation{N: len(s.calls) + 1, Name: name, Key: key}
	s.calls = append(s.calls, op)
	if s.crashed {
		return op, Crash
	}
	action := s.decide(op)
	if action == Crash || action == CrashAfter {
		s.crashed = true
	}
	return op, action
}

func (s *Store) delay(op Operation, run func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = append(s.late, late{op, run})
}

func (s *Store) failure(kind fault.Kind, op Operation, err error) error {
	return store.Failure(kind, op.Name, s.inner.URL(), op.Key, err)
}

func (s *Store) lost(op Operation, kind fault.Kind) error { return s.failure(kind, op, errLost) }

func (s *Store) dead(op Operation) error { return s.failure(fault.Permanent, op, ErrCrashed) }

func (s *Store) throttled(op Operation) error {
	return &fault.Error{Kind: fault.Transient, Op: op.Name, Where: fault.Place{Object: s.inner.URL() + "/" + op.Key},
		Err: errors.New("slow down"), RetryAfter: time.Nanosecond}
}

// write does one write, or what was decided instead. run may be called later.
func (s *Store) write(ctx context.Context, name, key string, run func(context.Context) error) error {
	op, action := s.begin(name, key)
	switch action {
	case Pass:
		return run(ctx)
	case ErrAfter:
		_ = run(ctx) // whatever the answer was, nobody hears it
		return s.lost(op, fault.Unknown)
	case LandsLate:
		s.delay(op, run)
		return s.lost(op, fault.Unknown)
	case Throttled:
		return s.throttled(op)
	case Conflict:
		if name == "delete" {
			return s.throttled(op)
		}
		return s.failure(fault.Transient, op, store.ErrConflict)
	case Crash:
		return s.dead(op)
	case CrashAfter:
		_ = run(ctx)
		return s.dead(op)
	}
	return s.lost(op, fault.Unknown)
}

// PutIfAbsent creates key, or fails as decided.
func (s *Store) PutIfAbsent(ctx context.Context, key string, data []byte) (info store.Info, err error) {
	data = slices.Clone(data) // a late write sends what was given, whatever the caller does with it
	err = s.write(ctx, "put", key, func(ctx context.Context) error {
		var err error
		info, err = s.inner.PutIfAbsent(ctx, key, data)
		return err
	})
	return known(info, err)
}

// Swap replaces key, or fails as decided.
func (s *Store) Swap(ctx context.Context, key string, data []byte, etag string) (info store.Info, err error) {
	data = slices.Clone(data)
	err = s.write(ctx, "swap", key, func(ctx context.Context) error {
		var err error
		info, err = s.inner.Swap(ctx, key, data, etag)
		return err
	})
	return known(info, err)
}

// known gives no Info beside an error: whoever got no answer knows no ETag.
func known(info store.Info, err error) (store.Info, error) {
	if err != nil {
		return store.Info{}, err
	}
	return info, nil
}

// Delete removes key, or fails as decided.
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.write(ctx, "delete", key, func(ctx context.Context) error { return s.inner.Delete(ctx, key) })
}

// URL is the inner store's.
func (s *Store) URL() string { return s.inner.URL() }

// read decides about a read: run it, run it torn, or fail.
func (s *Store) read(name, key string) (op Operation, torn bool, err error) {
	op, action := s.begin(name, key)
	switch action {
	case Pass:
		return op, false, nil
	case Torn:
		return op, true, nil
	case Throttled, Conflict:
		return op, false, s.throttled(op)
	case Crash, CrashAfter:
		return op, false, s.dead(op)
	}
	return op, false, s.lost(op, fault.Transient)
}

// Get reads a whole object, or fails as decided.
func (s *Store) Get(ctx context.Context, key string) ([]byte, store.Info, error) {
	op, torn, err := s.read("get", key)
	if err == nil && torn {
		err = s.failure(fault.Transient, op, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return nil, store.Info{}, err
	}
	return s.inner.Get(ctx, key)
}
