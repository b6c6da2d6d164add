package lake

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/mem"
)

// hours are two clocks that a test sets apart: the wall clock, and one that
// stands still while the machine sleeps.
type hours struct{ wall, mono time.Duration }

func (c *hours) both(d time.Duration) { c.wall += d; c.mono += d }

func (c *hours) set(o *Options) {
	o.Now = func() time.Time { return time.Unix(1_700_000_000, 0).Add(c.wall) }
	o.Mono = func() time.Duration { return c.mono }
}

// history makes a lake whose commits 2 to n+1 are opens, each with one file more
// that the next commit replaces.
func (h *hands) history(n int) {
	for range n {
		tn := h.begin()
		head := tn.Start()
		step := h.adds("counter", tn.Epoch())
		step.Replace, step.Add = step.Add, nil
		step.Basis = map[string]uint64{"counter": head.Seq()}
		must(tn.Committer("c").Commit(h.ctx, step))(h)
	}
}

func TestAPinnedCommitIsKeptUntilItIsReleased(t *testing.T) {
	h := newHands(t, mem.New())
	h.history(2)
	pin := must(h.other().PinHead(h.ctx))(t) // commit 5
	held := h.live(pin.Snapshot(), "counter")
	h.history(2)
	c := must(h.other().Collect(h.ctx, Collection{Keep: 1}))(t)
	if c.Held != 1 || c.Horizon != 9 {
		t.Errorf("collected %+v", c)
	}
	pin.Snapshot().r.cache = manifestCache{}
	if got := h.live(pin.Snapshot(), "counter"); len(got) != 1 || got[0] != held[0] {
		t.Errorf("the pinned commit has %v", got)
	}
	if err := get(h, held[0]); err != nil {
		t.Error(err)
	}
	_, err := h.other().At(h.ctx, 5)
	wants(t, err, ErrGone) // only its holder may read it
	if err := pin.Release(h.ctx); err != nil {
		t.Fatal(err)
	}
	wants(t, pin.Err(), ErrPinLost)
	if c = must(h.other().Collect(h.ctx, Collection{Keep: 1}))(t); c.Files == 0 || c.Commits != 1 {
		t.Errorf("after the release %+v", c)
	}
}

// get is nil if an object is there.
func get(h *hands, key string) error {
	_, _, err := h.st.Get(h.ctx, key)
	return err
}

func TestAPinThatCameTooLateBeginsAgain(t *testing.T) {
	h := newHands(t, mem.New())
	h.history(3)
	must(h.other().Collect(h.ctx, Collection{Keep: 1}))(t)
	_, err := h.other().Pin(h.ctx, 3)
	wants(t, err, ErrGone)
	if left := h.keys(pinPrefix); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
	if pin := must(h.other().PinHead(h.ctx))(t); pin.Snapshot().Seq() != 7 {
		t.Errorf("the head is %d", pin.Snapshot().Seq())
	}
}

func TestAPinIsOverWhenEitherClockOfItsReaderSaysSo(t *testing.T) {
	for name, pass := range map[string]func(*hours, time.Duration){
		"the machine slept":        func(c *hours, d time.Duration) { c.wall += d },
		"the wall clock was reset": func(c *hours, d time.Duration) { c.mono += d; c.wall -= time.Hour },
	} {
		h, c := newHands(t, mem.New()), &hours{}
		c.set(&h.o)
		h.o.PinTTL = time.Minute
		pin := must(h.other().PinHead(h.ctx))(t)
		pass(c, 59*time.Second)
		if err := pin.Renew(h.ctx); err != nil {
			t.Errorf("%s, in time: %v", name, err)
		}
		pass(c, time.Minute)
		wants(t, pin.Err(), ErrPinLost)
		wants(t, pin.Renew(h.ctx), ErrPinLost)
	}
}

// A renewal that landed after its time is over may come after a collector's last look.
func TestARenewalThatLandsTooLateIsNone(t *testing.T) {
	st, c := newTap(), &hours{}
	h := newHands(t, st)
	c.set(&h.o)
	h.o.PinTTL = time.Minute
	pin := must(h.other().PinHead(h.ctx))(t)
	c.both(59 * time.Second)
	st.put = func(_ string, _ []byte, do func() error) error { c.both(2 * time.Second); return do() }
	wants(t, pin.Renew(h.ctx), ErrPinLost)
}

func TestARenewalWithoutAnAnswerIsMadeAgain(t *testing.T) {
	st := newTap()
	h := newHands(t, st)
	pin := must(h.other().PinHead(h.ctx))(t)
	for _, landed := range []bool{true, false} {
		puts := 0
		st.put = func(_ string, _ []byte, do func() error) error {
			if puts++; puts > 1 {
				return do()
			}
			if landed {
				_ = do()
			}
			return noAnswer()
		}
		if err := pin.Renew(h.ctx); err != nil || puts != 2 {
			t.Errorf("landed %v: %v after %d puts", landed, err, puts)
		}
	}
	if err := h.st.Delete(h.ctx, pin.key); err != nil {
		t.Fatal(err)
	}
	wants(t, pin.Renew(h.ctx), ErrPinLost)
}

func TestAPinIsDeadOnlyAfterItsWholeTimeByBothClocksOfTheCollector(t *testing.T) {
	h, c := newHands(t, mem.New()), &hours{}
	h.history(1)
	h.o.PinTTL = time.Minute
	must(h.other().PinHead(h.ctx))(t) // its reader dies
	h.history(2)
	c.set(&h.o)
	l := h.other()
	steps := []struct {
		name       string
		wall, mono time.Duration
		dead       int
	}{
		{"first seen", 0, 0, 0}, {"almost", 59 * time.Second, 59 * time.Second, 0},
		{"only the wall clock jumped", time.Hour, 0, 0}, {"both", 0, time.Second, 1}, {"gone", 0, 0, 0},
	}
	for _, s := range steps {
		c.wall, c.mono = c.wall+s.wall, c.mono+s.mono
		got := must(l.Collect(h.ctx, Collection{Keep: 1}))(t)
		if got.DeadPins != s.dead {
			t.Errorf("%s: %+v", s.name, got)
		}
	}
	if left := h.keys(pinPrefix); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

func TestOneCollectionCanWatchForDeadReaders(t *testing.T) {
	h, c := newHands(t, mem.New()), &hours{}
	must(h.other().PinHead(h.ctx))(t)
	h.history(2)
	c.set(&h.o)
	var slept time.Duration
	h.o.Sleep = func(_ context.Context, d time.Duration) error { slept += d; c.both(d); return nil }
	got := must(h.other().Collect(h.ctx, Collection{Keep: 1, WatchPins: true}))(t)
	if got.DeadPins != 1 || slept != 10*time.Minute {
		t.Errorf("%+v after %s", got, slept)
	}
}

func TestKeepRenewsUntilItEndsOrIsLost(t *testing.T) {
	h, c := newHands(t, mem.New()), &hours{}
	c.set(&h.o)
	ctx, stop := context.WithCancel(h.ctx)
	rounds := 0
	h.o.Sleep = func(ctx context.Context, d time.Duration) error {
		if rounds++; rounds == 20 {
			stop()
		}
		c.both(d)
		return ctx.Err()
	}
	l := h.other()
	pin, lease := must(l.PinHead(h.ctx))(t), must(l.Acquire(h.ctx, "me", 0))(t)
	if err := pin.Keep(ctx); err != nil || pin.Err() != nil || rounds != 20 {
		t.Errorf("after %d rounds: %v, %v", rounds, err, pin.Err())
	}
	wants(t, lease.Check(), ErrLeaseLost) // nobody kept it
	wants(t, lease.Keep(h.ctx), ErrLeaseLost)
	c.both(time.Hour)
	wants(t, pin.Keep(h.ctx), ErrPinLost)
}

func TestFilesOfOlderEpochsThatNobodyNamesAreCollectedAndNoOthers(t *testing.T) {
	h := newHands(t, mem.New())
	old := h.begin()
	orphan := h.file("notes", old.Epoch(), "never committed")
	named := h.adds("notes", old.Epoch())
	must(old.Committer("c").Commit(h.ctx, named))(t)
	now := h.begin()
	unfinished := h.file("notes", now.Epoch(), "soon")
	foreign := "data/readme.txt"
	must(h.st.PutIfAbsent(h.ctx, foreign, []byte("not ours")))(t)
	got := must(h.other().Collect(h.ctx, Collection{Keep: 100}))(t)
	if got.Files != 1 || got.SizeBytes != orphan.SizeBytes || got.Commits != 0 || got.Horizon != 1 {
		t.Errorf("collected %+v", got)
	}
	for key, there := range map[string]bool{orphan.Key: false, named.Add["notes"][0].Key: true, unfinished.Key: true, foreign: true} {
		if err := get(h, key); (err == nil) != there {
			t.Errorf("%s: %v", key, err)
		}
	}
	must(now.Committer("c").Commit(h.ctx, Step{Add: Files{"notes": {unfinished}}}))(t)
}

func TestWhatACollectorCannotReadStopsIt(t *testing.T) {
	for _, unreadable := range []string{"log/00000000000000000004", "tables/", "pins/"} {
		st := newTap()
		h := newHands(t, st)
		h.history(3)
		must(h.other().Pin(h.ctx, 3))(t)
		before := len(h.keys(""))
		st.get = func(key string, do func() error) error {
			if strings.HasPrefix(key, unreadable) {
				return errors.New("access denied")
			}
			return do()
		}
		if _, err := h.other().Collect(h.ctx, Collection{Keep: 4}); err == nil {
			t.Errorf("%s cannot be read, and the collector went on", unreadable)
		}
		if after := len(h.keys("")); after != before {
			t.Errorf("%s: %d objects, then %d", unreadable, before, after)
		}
	}
}

func TestWhatIsKept(t *testing.T) {
	h, c := newHands(t, mem.New()), &hours{}
	c.set(&h.o)
	h.lake = h.other()
	for range 5 { // commits 2 to 6, an hour apart
		must(h.lake.Begin(h.ctx, Opening{RunAt: h.o.Now()}))(t)
		c.both(time.Hour)
	}
	for _, k := range []struct {
		keep    Collection
		horizon uint64
	}{
		{Collection{Keep: 10}, 1}, {Collection{Keep: 1, KeepFor: 200 * time.Hour}, 2},
		{Collection{Keep: 5, KeepFor: time.Hour}, 2}, {Collection{Keep: 1, KeepFor: 150 * time.Minute}, 5},
		{Collection{Keep: 3}, 5}, {Collection{}, 6},
	} {
		if got := must(h.other().Collect(h.ctx, k.keep))(t); got.Horizon != k.horizon {
			t.Errorf("%+v moved the horizon to %d, expected %d", k.keep, got.Horizon, k.horizon)
		}
	}
}

// The horizon only ever rises, and without an answer it is read again.
func TestTheHorizonIsSwappedNotSet(t *testing.T) {
	st := newTap()
	h := newHands(t, st)
	h.history(4)
	for name, answer := range map[string]error{"unknown": noAnswer(), "409": store.ErrConflict} {
		tries := 0
		st.put = func(key string, _ []byte, do func() error) error {
			if tries++; tries < 3 {
				return answer
			}
			return do()
		}
		to := map[string]uint64{"unknown": 4, "409": 6}[name]
		for range 2 {
			if got, err := h.lake.raise(h.ctx, to); err != nil || got < to {
				t.Errorf("%s: moved to %d (%v)", name, got, err)
			}
		}
	}
	st.put = func(_ string, _ []byte, do func() error) error {
		st.put = nil
		return errors.Join(do(), noAnswer()) // another collector's move beside ours
	}
	if got, err := h.lake.raise(h.ctx, 2); err != nil || got != 6 {
		t.Errorf("the horizon is %d (%v)", got, err)
	}
	st.put = func(string, []byte, func() error) error { return errors.New("access denied") }
	if _, err := h.lake.raise(h.ctx, 7); err == nil {
		t.Error("a horizon that cannot be moved was taken for moved")
	}
}
