package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

// A world is a store whose every operation waits until the scheduler lets it go:
// the actors are goroutines, and exactly one of them runs at any moment, so that
// a seed is one interleaving, with its crashes, lost answers and late puts.

var errCrashed = errors.New("this process is dead")

type settings struct {
	seed    uint64
	mutant  mutation
	faults  float64 // chance that an operation goes wrong
	crashes float64 // of those, the share that ends the process
	change  float64 // chance that an actor's priority changes after an operation: low means long pauses
	ops     int     // operations until everything is killed
	ttl     time.Duration
}

type object struct {
	data []byte
	etag string
}

type world struct {
	settings
	rng     *rand.Rand
	now     time.Duration
	ids     int
	etags   int
	objects map[string]object
	actors  []*actor
	late    []*lateEffect // effects of operations that were given up, still on their way
	model   *model
	trace   []string
	quiet   bool // no faults any more: the end of the run

	trip       func(a *actor, op *operation, n int) error // instead of the random faults
	operations int
}

// lateEffect is a put that will land at some time, if it still can.
type lateEffect struct {
	what string
	prio float64
	do   func()
}

// actor is one of the processes of the world, with one life after another.
type actor struct {
	w        *world
	name     string
	prio     float64
	weight   float64         // of its priorities: a low one makes it slow
	ask      chan *operation // nil: finished
	op       *operation      // the one that waits
	finished bool
	crashed  bool
	cancel   context.CancelFunc
}

// operation is what an actor waits for.
type operation struct {
	name, key string
	write     bool
	until     time.Duration // not before this time
	do        func() error  // its effect and answer, run by the scheduler
	err       error
	done      chan struct{}
}

func newWorld(s settings) *world {
	w := &world{settings: s, rng: rand.New(rand.NewPCG(s.seed, 17)), objects: map[string]object{}}
	w.model = newModel(w)
	return w
}

// spawn starts an actor whose life is called again after every crash.
func (w *world) spawn(name string, weight float64, lives int, life func(p *process) error) {
	a := &actor{w: w, name: name, prio: w.rng.Float64() * weight, weight: weight, ask: make(chan *operation)}
	w.actors = append(w.actors, a)
	go func() {
		defer func() { a.ask <- nil }()
		for i := range lives {
			ctx, cancel := context.WithCancel(context.Background())
			a.cancel, a.crashed = cancel, false
			p := &process{a: a, ctx: ctx, life: i, files: map[string][]row{}}
			if a.do(&operation{name: "boot"}) != nil {
				cancel()
				return
			}
			_ = life(p)
			cancel()
			if w.stopped() {
				return
			}
		}
	}()
	a.wait()
}

func (w *world) stopped() bool { return w.ops <= 0 && !w.quiet || w.model.broken != "" }

// wait lets the actor run until it asks for its next operation or is finished.
func (a *actor) wait() {
	a.op = <-a.ask
	a.finished = a.op == nil
}

// do is called by the actor: it waits for its turn.
func (a *actor) do(op *operation) error {
	if a.crashed {
		return errCrashed
	}
	op.done = make(chan struct{})
	a.ask <- op
	<-op.done
	return op.err
}

// run schedules until all are finished.
func (w *world) run() {
	for {
		a, l := w.next()
		switch {
		case a == nil && l < 0:
			return
		case a == nil:
			e := w.late[l]
			w.late = slices.Delete(w.late, l, l+1)
			w.log("late", e.what)
			e.do()
		default:
			w.step(a)
		}
		if w.stopped() {
			w.kill()
			return
		}
	}
}

// next is the actor or the late effect of the highest priority.
func (w *world) next() (who *actor, late int) {
	best, late := -1.0, -1
	var soonest *actor
	for _, a := range w.actors {
		switch {
		case a.finished:
		case a.op.until > w.now:
			if soonest == nil || a.op.until < soonest.op.until {
				soonest = a
			}
		case a.prio > best:
			best, who = a.prio, a
		}
	}
	for i, e := range w.late {
		if e.prio > best {
			best, who, late = e.prio, nil, i
		}
	}
	if who == nil && late < 0 && soonest != nil {
		w.now = soonest.op.until
		return soonest, -1
	}
	return who, late
}

// step executes the operation that an actor waits for, or what the fault makes of it.
func (w *world) step(a *actor) {
	op := a.op
	w.ops--
	w.now += time.Duration(1+w.rng.IntN(30)) * time.Millisecond
	if w.rng.Float64() < w.change {
		a.prio = w.rng.Float64() * a.weight
	}
	op.err = w.execute(a, op)
	w.log(a.name, op.name, op.key, fmt.Sprint(op.err))
	close(op.done)
	a.wait()
}

func (w *world) execute(a *actor, op *operation) error {
	if op.do == nil {
		return nil
	}
	w.operations++
	if w.trip != nil {
		return w.trip(a, op, w.operations-1)
	}
	if w.quiet || w.rng.Float64() >= w.faults {
		return op.do()
	}
	landed := w.rng.IntN(3) // 0: never, 1: now, 2: late
	if !op.write {
		landed = 0
	}
	switch landed {
	case 1:
		_ = op.do()
	case 2:
		w.late = append(w.late, &lateEffect{what: op.name + " " + op.key, prio: w.rng.Float64() * 0.5, do: func() { _ = op.do() }})
	}
	if w.rng.Float64() < w.crashes {
		a.crashed = true
		a.cancel()
		return errCrashed
	}
	if !op.write || landed == 0 && w.rng.IntN(3) == 0 {
		return fault.New(fault.Transient, op.name, errors.New("try again"))
	}
	if landed == 0 && w.rng.IntN(2) == 0 && op.name != "delete" && op.name != "upload" {
		return store.ErrConflict
	}
	return fault.New(fault.Unknown, op.name, errors.New("no answer"))
}

// kill ends every process where it stands.
func (w *world) kill() {
	for _, a := range w.actors {
		for !a.finished {
			a.crashed = true
			a.cancel()
			a.op.err = errCrashed
			close(a.op.done)
			a.wait()
		}
	}
}

func (w *world) log(parts ...string) { w.trace = append(w.trace, strings.Join(parts, " ")) }

// handle is the store as one process sees it.
type handle struct{ p *process }

var _ store.Store = handle{}

func (h handle) Get(_ context.Context, key string) (data []byte, info store.Info, err error) {
	w := h.p.a.w
	err = h.p.a.do(&operation{name: "get", key: key, do: func() error {
		o, ok := w.objects[key]
		if !ok {
			return store.ErrNotExist
		}
		data, info = o.data, store.Info{Key: key, SizeBytes: int64(len(o.data)), ETag: o.etag}
		return nil
	}})
	return data, info, err
}

func (h handle) Open(ctx context.Context, key string, _, _ int64) (io.ReadCloser, error) {
	data, _, err := h.Get(ctx, key)
	return io.NopCloser(bytes.NewReader(data)), err
}

func (h handle) PutIfAbsent(ctx context.Context, key string, data []byte) (store.Info, error) {
	return h.Swap(ctx, key, data, "")
}

func (h handle) Swap(_ context.Context, key string, data []byte, etag string) (info store.Info, err error) {
	w := h.p.a.w
	err = h.p.a.do(&operation{name: "put", key: key, write: true, do: func() error {
		o, ok := w.objects[key]
		switch {
		case !ok && etag != "":
			return store.ErrNotExist
		case ok && o.etag != etag:
			return store.ErrPrecondition
		}
		info = w.set(key, data)
		return nil
	}})
	return info, err
}

func (h handle) Upload(_ context.Context, key string, r io.Reader) (info store.Info, err error) {
	w := h.p.a.w
	data, err := io.ReadAll(r)
	if err != nil {
		return info, err
	}
	err = h.p.a.do(&operation{name: "upload", key: key, write: true, do: func() error {
		info = w.set(key, data)
		return nil
	}})
	return info, err
}

func (h handle) List(_ context.Context, prefix, after string, yield func(store.Info) error) error {
	w := h.p.a.w
	var found []store.Info
	err := h.p.a.do(&operation{name: "list", key: prefix, do: func() error {
		for key, o := range w.objects {
			if strings.HasPrefix(key, prefix) && key > after {
				found = append(found, store.Info{Key: key, SizeBytes: int64(len(o.data)), ETag: o.etag})
			}
		}
		return nil
	}})
	slices.SortFunc(found, func(a, b store.Info) int { return strings.Compare(a.Key, b.Key) })
	for _, i := range found {
		if err == nil {
			err = yield(i)
		}
	}
	return err
}

func (h handle) Delete(_ context.Context, key string) error {
	w := h.p.a.w
	return h.p.a.do(&operation{name: "delete", key: key, write: true, do: func() error {
		if _, ok := w.objects[key]; ok {
			delete(w.objects, key)
			w.model.deleted(key)
		}
		return nil
	}})
}

func (h handle) URL() string { return "world://" }

// set makes an object. ETags are never equal here; that equal bytes may have
// equal ones is tested with the store's own answers elsewhere.
func (w *world) set(key string, data []byte) store.Info {
	w.etags++
	o := object{data: bytes.Clone(data), etag: fmt.Sprintf("e%d", w.etags)}
	w.objects[key] = o
	w.model.stored(key, o.data)
	return store.Info{Key: key, SizeBytes: int64(len(data)), ETag: o.etag}
}

// options are those of one process.
func (p *process) options() Options {
	w := p.a.w
	return Options{
		Now:      func() time.Time { return time.Unix(1_700_000_000, 0).Add(w.now) },
		Mono:     func() time.Duration { return w.now },
		NewID:    w.newID,
		Sleep:    p.sleep,
		PinTTL:   w.ttl,
		Tries:    6,
		Parallel: 1,
		Probe:    func(context.Context, store.Store) error { return nil },
		mutant:   w.mutant,
	}
}

func (w *world) newID() string { w.ids++; return fmt.Sprintf("id%05d", w.ids) }

// sleep waits in the world's time. A backoff is random, so all are taken for equal.
func (p *process) sleep(ctx context.Context, d time.Duration) error {
	w := p.a.w
	if d < w.ttl/2 {
		d = 20 * time.Millisecond
	}
	err := p.a.do(&operation{name: "sleep", until: w.now + d})
	if err == nil {
		err = ctx.Err()
	}
	return err
}
