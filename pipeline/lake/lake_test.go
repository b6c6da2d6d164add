package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/mem"
)

// tap is a store in memory whose answers a test can change.
type tap struct {
	store.Store
	put func(key string, data []byte, do func() error) error // around PutIfAbsent and Swap
	get func(key string, do func() error) error              // around Get
}

func newTap() *tap { return &tap{Store: mem.New()} }

func (s *tap) PutIfAbsent(ctx context.Context, key string, data []byte) (info store.Info, err error) {
	do := func() error { info, err = s.Store.PutIfAbsent(ctx, key, data); return err }
	if s.put == nil {
		return info, do()
	}
	return info, s.put(key, data, do)
}

func (s *tap) Swap(ctx context.Context, key string, data []byte, etag string) (info store.Info, err error) {
	do := func() error { info, err = s.Store.Swap(ctx, key, data, etag); return err }
	if s.put == nil {
		return info, do()
	}
	return info, s.put(key, data, do)
}

func (s *tap) Get(ctx context.Context, key string) (data []byte, info store.Info, err error) {
	do := func() error { data, info, err = s.Store.Get(ctx, key); return err }
	if s.get == nil {
		return data, info, do()
	}
	return data, info, s.get(key, do)
}

func noAnswer() error { return fault.New(fault.Unknown, "put", errors.New("no answer")) }

// hands is what a test needs to work on a lake.
type hands struct {
	*testing.T
	ctx  context.Context
	st   store.Store
	lake *Lake
	o    Options
}

// testOptions never wait and do not try the store.
func testOptions() Options {
	return Options{
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Probe: func(context.Context, store.Store) error { return nil },
	}
}

func newHands(t *testing.T, st store.Store) *hands {
	t.Helper()
	h := &hands{T: t, ctx: t.Context(), st: st, o: testOptions()}
	h.lake = must(Init(h.ctx, st, h.o))(t)
	return h
}

func must[V any](v V, err error) func(t testing.TB) V {
	return func(t testing.TB) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wants(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("the error is %v, expected %v", err, target)
	}
}

// other is the lake as another process sees it.
func (h *hands) other() *Lake { return must(Open(h.ctx, h.st, h.o))(h) }

func (h *hands) begin() *Tenure { return must(h.lake.Begin(h.ctx, Opening{Run: "r"}))(h) }

// file uploads a data file.
func (h *hands) file(table string, epoch uint64, text string) File {
	f := File{Key: h.lake.NewDataKey(table, epoch), Kind: Delta, Rows: 1, SizeBytes: int64(len(text)), SHA256: sum([]byte(text))}
	must(h.st.Upload(h.ctx, f.Key, strings.NewReader(text)))(h)
	return f
}

func (h *hands) adds(table string, epoch uint64) Step {
	return Step{Stage: "test", Add: Files{table: {h.file(table, epoch, "x")}}}
}

// keys lists what the store has below a prefix.
func (h *hands) keys(prefix string) (keys []string) {
	err := h.st.List(h.ctx, prefix, "", func(i store.Info) error { keys = append(keys, i.Key); return nil })
	if err != nil {
		h.Fatal(err)
	}
	return keys
}

func (h *hands) live(s *Snapshot, table string) (keys []string) {
	for _, f := range must(s.Files(h.ctx, table))(h) {
		keys = append(keys, f.Key)
	}
	return keys
}

func TestInitMayBeRepeatedAlsoByManyAtOnce(t *testing.T) {
	st := mem.New()
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			if _, err := Init(t.Context(), st, testOptions()); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	h := newHands(t, st)
	before := h.begin().Start()
	h = newHands(t, st)
	if head := must(h.lake.Head(h.ctx))(t); head.Seq() != 2 || head.sum != before.sum {
		t.Errorf("after init again the head is %d", head.Seq())
	}
}

func TestInitAndTheFirstOpenTryTheStore(t *testing.T) {
	tried := 0
	o := testOptions()
	o.Probe = func(context.Context, store.Store) error { tried++; return nil }
	l := must(Init(t.Context(), mem.New(), o))(t)
	for range 3 {
		must(l.Begin(t.Context(), Opening{}))(t)
	}
	if tried != 2 {
		t.Errorf("the store was tried %d times, expected by init and by the first open", tried)
	}
	o.Probe = func(context.Context, store.Store) error { return errors.New("two winners") }
	if _, err := Init(t.Context(), mem.New(), o); err == nil {
		t.Error("a store that fails the probe was taken")
	}
	if _, err := Init(t.Context(), mem.New(), Options{}); err != nil {
		t.Errorf("the real probe on a good store: %v", err)
	}
}

func TestAMissingHorizonStopsEverything(t *testing.T) {
	st := mem.New()
	_, err := Open(t.Context(), st, testOptions())
	wants(t, err, ErrNoLake)
	if help := fault.HelpOf(err); help != "trueup init" {
		t.Errorf("help is %q", help)
	}
	h := newHands(t, st)
	h.begin()
	if err := st.Delete(t.Context(), horizonKey); err != nil {
		t.Fatal(err)
	}
	_, err = h.lake.Head(t.Context())
	wants(t, err, ErrNoLake)
	_, err = Init(t.Context(), st, testOptions())
	wants(t, err, ErrDamaged)
}

func TestAHeadThatCannotBeReadStopsEverything(t *testing.T) {
	st := newTap()
	h := newHands(t, st)
	h.begin()
	st.get = func(key string, do func() error) error {
		if key == commitKey(2) {
			return fault.New(fault.Permanent, "get", errors.New("access denied"))
		}
		return do()
	}
	if s, err := h.other().Head(h.ctx); err == nil {
		t.Errorf("the head is %d although 2 cannot be read", s.Seq())
	}
	st.get = nil
	if err := st.Delete(h.ctx, commitKey(2)); err != nil {
		t.Fatal(err)
	}
	must(st.Store.PutIfAbsent(h.ctx, commitKey(2), []byte(`{"seq":7}`)))(t)
	_, err := h.other().Head(h.ctx)
	wants(t, err, ErrDamaged)
}

func TestAMissingOrChangedManifestIsAnErrorNeverAnEmptyTable(t *testing.T) {
	h := newHands(t, mem.New())
	tn := h.begin()
	s := must(tn.Committer("c").Commit(h.ctx, h.adds("notes", tn.Epoch())))(t)
	key := s.Table("notes").Key
	data, _, err := h.st.Get(h.ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, there := range map[string][]byte{"missing": nil, "changed": append(data, ' ')} {
		if err := h.st.Delete(h.ctx, key); err != nil {
			t.Fatal(err)
		}
		if there != nil {
			must(h.st.PutIfAbsent(h.ctx, key, there))(t)
		}
		head := must(h.other().Head(h.ctx))(t)
		if files, err := head.Files(h.ctx, "notes"); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: files %v, error %v", name, files, err)
		}
	}
	if files, err := s.Files(h.ctx, "never"); files != nil || err != nil {
		t.Errorf("a table that never had a file: %v, %v", files, err)
	}
}

func TestTheLogIsAChain(t *testing.T) {
	h := newHands(t, mem.New())
	tn := h.begin()
	c := tn.Committer("c")
	for range 4 {
		must(c.Commit(h.ctx, h.adds("notes", tn.Epoch())))(t)
	}
	var seqs []uint64
	for c, err := range h.other().Log(h.ctx, 2) {
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, c.Seq)
	}
	if !slices.Equal(seqs, []uint64{2, 3, 4, 5, 6}) {
		t.Errorf("the log from 2 is %v", seqs)
	}
	data, _, err := h.st.Get(h.ctx, commitKey(4))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.st.Delete(h.ctx, commitKey(4)); err != nil {
		t.Fatal(err)
	}
	must(h.st.PutIfAbsent(h.ctx, commitKey(4), append(data, '\n')))(t)
	var last error
	for _, err := range h.other().Log(h.ctx, 1) {
		last = err
	}
	wants(t, last, ErrDamaged)
}

func TestAsOfIsANumber(t *testing.T) {
	h := newHands(t, mem.New())
	tn := h.begin()
	c := tn.Committer("c")
	for n := range uint64(3) {
		must(c.Commit(h.ctx, h.adds("notes", tn.Epoch())))(t)
		if s := must(h.lake.At(h.ctx, 3+n))(t); len(h.live(s, "notes")) != int(n)+1 {
			t.Errorf("commit %d has files %v", 3+n, h.live(s, "notes"))
		}
	}
	for _, seq := range []uint64{0, 6} {
		_, err := h.lake.At(h.ctx, seq)
		wants(t, err, ErrGone)
	}
	if _, err := h.lake.Collect(h.ctx, Collection{Keep: 2}); err != nil {
		t.Fatal(err)
	}
	_, err := h.lake.At(h.ctx, 3)
	wants(t, err, ErrGone)
}

func TestErrorsHaveKinds(t *testing.T) {
	for sentinel, kind := range map[error]fault.Kind{
		ErrFenced: fault.LostRace, ErrMoved: fault.LostRace, ErrUnknown: fault.Unknown, ErrLeaseHeld: fault.LostRace,
		ErrLeaseLost: fault.LostRace, ErrPinLost: fault.LostRace, ErrNoLake: fault.Permanent, ErrGone: fault.LostRace, ErrDamaged: fault.Permanent,
	} {
		err := fmt.Errorf("around: %w", failure("do", "it", because(sentinel, "of it")))
		if !errors.Is(err, sentinel) || fault.KindOf(err) != kind {
			t.Errorf("%v has kind %s", err, fault.KindOf(err))
		}
	}
}
