package lake

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/mem"
)

// A commit costs one put per changed table, one put of the commit and one read
// of the horizon: nothing is listed and no manifest is read.
func TestACommitCostsOnePutPerTableAndTwoMore(t *testing.T) {
	counter := store.Count(mem.New())
	h := newHands(t, counter)
	tn := h.begin()
	c := tn.Committer("c")
	for range 3 {
		step := Step{Add: Files{"notes": {h.file("notes", tn.Epoch(), "a")}, "journal": {h.file("journal", tn.Epoch(), "b")}}}
		counter.Reset()
		must(c.Commit(h.ctx, step))(t)
		if total := counter.Total().Calls; total != 4 {
			t.Errorf("a commit of two tables made %d requests: %v", total, counter.ByOp())
		}
	}
}

func TestUnchangedTablesShareTheirManifest(t *testing.T) {
	h := newHands(t, mem.New())
	tn := h.begin()
	c := tn.Committer("c")
	one := must(c.Commit(h.ctx, h.adds("notes", tn.Epoch())))(t)
	two := must(c.Commit(h.ctx, h.adds("journal", tn.Epoch())))(t)
	if one.Table("notes") != two.Table("notes") {
		t.Errorf("notes has %+v, then %+v", one.Table("notes"), two.Table("notes"))
	}
	if got := two.Tables(); !slices.Equal(got, []string{"journal", "notes"}) {
		t.Errorf("tables %v", got)
	}
}

func TestAPhantomCommitIsNotBelieved(t *testing.T) {
	st := newTap()
	h := newHands(t, st)
	tn := h.begin()
	zombie := must(h.other().Join(h.ctx, tn.Epoch()))(t)
	must(zombie.Committer("z").Commit(h.ctx, h.adds("notes", tn.Epoch())))(t)
	late := zombie.Committer("late")
	step := h.adds("notes", tn.Epoch())
	newer := must(h.other().Begin(h.ctx, Opening{}))(t) // commit 4
	c := newer.Committer("c")
	for range 3 {
		must(c.Commit(h.ctx, h.adds("journal", newer.Epoch())))(t)
	}
	must(h.other().Collect(h.ctx, Collection{Keep: 1}))(t) // 4 is free again
	_, err := late.Commit(h.ctx, step)
	wants(t, err, ErrFenced)
	if !slices.Contains(h.keys(logPrefix), commitKey(4)) {
		t.Error("the put at the freed number was meant to land")
	}
	if head := must(h.other().Head(h.ctx))(t); head.Seq() != 7 {
		t.Errorf("the head is %d", head.Seq())
	}
}

func TestARaceThatWasWonIsNotLost(t *testing.T) {
	st := newTap()
	h := newHands(t, st)
	tn := h.begin()
	puts := 0
	st.put = func(key string, _ []byte, do func() error) error {
		if !strings.HasPrefix(key, logPrefix) {
			return do()
		}
		if puts++; puts == 1 {
			_ = do()
			return noAnswer()
		}
		return do()
	}
	s := must(tn.Committer("c").Commit(h.ctx, h.adds("notes", tn.Epoch())))(t)
	if s.Seq() != 3 || len(h.live(s, "notes")) != 1 || puts != 2 {
		t.Errorf("commit %d with %v after %d puts", s.Seq(), h.live(s, "notes"), puts)
	}
}

func TestConflictAndUnknownAreTheSamePutAgain(t *testing.T) {
	for name, answer := range map[string]error{"409": store.ErrConflict, "unknown": noAnswer()} {
		st := newTap()
		h := newHands(t, st)
		tn := h.begin()
		var puts []string
		st.put = func(key string, data []byte, do func() error) error {
			if !strings.HasPrefix(key, logPrefix) {
				return do()
			}
			puts = append(puts, key+string(data))
			if len(puts) < 4 {
				return answer
			}
			return do()
		}
		must(tn.Committer("c").Commit(h.ctx, h.adds("notes", tn.Epoch())))(t)
		if len(puts) != 4 || len(slices.Compact(puts)) != 1 {
			t.Errorf("%s: %d puts, %d different ones", name, len(puts), len(slices.Compact(puts)))
		}
	}
}

func TestNothingIsCleanedUpAfterAnUnknownCommit(t *testing.T) {
	st := newTap()
	h := newHands(t, st)
	tn := h.begin()
	step := h.adds("notes", tn.Epoch())
	st.put = func(key string, _ []byte, do func() error) error {
		if strings.HasPrefix(key, logPrefix) {
			return noAnswer()
		}
		return do()
	}
	c := tn.Committer("c")
	_, err := c.Commit(h.ctx, step)
	wants(t, err, ErrUnknown)
	if fault.KindOf(err) != fault.Unknown {
		t.Errorf("kind %s", fault.KindOf(err))
	}
	if len(h.keys("data/")) != 1 || len(h.keys("tables/")) != 1 {
		t.Errorf("left are %v %v", h.keys("data/"), h.keys("tables/"))
	}
	st.put = nil
	_, err = c.Commit(h.ctx, step)
	wants(t, err, ErrUnknown) // the first may still land: only a new tenure can tell
}

// A refusal after a put without an answer does not settle that put.
func TestAnErrorAfterAnUnknownStaysUnknown(t *testing.T) {
	st := newTap()
	h := newHands(t, st)
	tn := h.begin()
	tries := 0
	st.put = func(key string, _ []byte, do func() error) error {
		if !strings.HasPrefix(key, logPrefix) {
			return do()
		}
		if tries++; tries == 1 {
			return noAnswer()
		}
		return fault.New(fault.Permanent, "put", errors.New("access denied"))
	}
	_, err := tn.Committer("c").Commit(h.ctx, h.adds("notes", tn.Epoch()))
	wants(t, err, ErrUnknown)
	c := tn.Committer("d")
	_, err = c.Commit(h.ctx, h.adds("notes", tn.Epoch()))
	if err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("a plain refusal is %v", err)
	}
	st.put = nil
	must(c.Commit(h.ctx, h.adds("notes", tn.Epoch())))(t)
}

func TestAFencedRunCommitsNothing(t *testing.T) {
	h := newHands(t, mem.New())
	old := h.begin()
	c := old.Committer("c")
	must(c.Commit(h.ctx, h.adds("notes", old.Epoch())))(t)
	newer := must(h.other().Begin(h.ctx, Opening{}))(t)
	if newer.Epoch() != old.Epoch()+1 {
		t.Errorf("epoch %d after %d", newer.Epoch(), old.Epoch())
	}
	_, err := c.Commit(h.ctx, h.adds("notes", old.Epoch()))
	if !Fenced(err) {
		t.Errorf("the old run was told %v", err)
	}
	wants(t, old.Check(h.ctx), ErrFenced)
	if err := newer.Check(h.ctx); err != nil {
		t.Error(err)
	}
	_, err = h.other().Join(h.ctx, old.Epoch())
	wants(t, err, ErrFenced)
	if n := len(h.live(must(h.other().Head(h.ctx))(t), "notes")); n != 1 {
		t.Errorf("%d files", n)
	}
}

func TestRunAtNeverRunsBackwards(t *testing.T) {
	h := newHands(t, mem.New())
	at := time.Now().Add(time.Hour).Round(time.Second)
	must(h.lake.Begin(h.ctx, Opening{RunAt: at}))(t)
	later := must(h.lake.Begin(h.ctx, Opening{RunAt: at.Add(-time.Minute), Run: "r2", Project: "p"}))(t)
	if !later.RunAt().Equal(at) {
		t.Errorf("run at %s after %s", later.RunAt(), at)
	}
	if c := later.Start().Commit(); c.Run != "r2" || c.Project != "p" || c.Stage != "open" {
		t.Errorf("the open says %+v", c)
	}
}

func TestADecisionLandsOnceAndSurvivesANewEpoch(t *testing.T) {
	h := newHands(t, mem.New())
	h.begin()
	built := 0
	d := Decision{
		ID: "d1",
		In: func(_ context.Context, head *Snapshot) (bool, error) { return head.Table("decisions").Files > 0, nil },
		Build: func(_ context.Context, head *Snapshot) (Step, error) {
			built++
			step := h.adds("decisions", head.Commit().Epoch)
			step.Basis = map[string]uint64{"golden": head.Seq()}
			if built == 1 { // a run begins and moves what was shown
				tn := must(h.other().Begin(h.ctx, Opening{}))(t)
				must(tn.Committer("c").Commit(h.ctx, h.adds("golden", tn.Epoch())))(t)
			}
			return step, nil
		},
	}
	person := h.other()
	for range 2 {
		s := must(person.Decide(h.ctx, d))(t)
		files := must(s.Files(h.ctx, "decisions"))(t)
		if len(files) != 1 || files[0].Epoch != 2 || s.Commit().Epoch != 2 {
			t.Errorf("files %+v of a commit of epoch %d", files, s.Commit().Epoch)
		}
	}
	if built != 2 {
		t.Errorf("it was built %d times, expected again after the move and not after it landed", built)
	}
}

func TestAFileOfAnOlderEpochIsWrittenAgain(t *testing.T) {
	h := newHands(t, mem.New())
	build := func(spoil func(f File) error) Decision {
		return Decision{ID: "d",
			In: func(context.Context, *Snapshot) (bool, error) { return false, nil },
			Build: func(_ context.Context, head *Snapshot) (Step, error) {
				f := h.file("notes", head.Commit().Epoch, "text")
				must(h.other().Begin(h.ctx, Opening{}))(t)
				return Step{Add: Files{"notes": {f}}}, spoil(f)
			}}
	}
	fine := build(func(File) error { return nil })
	s := must(h.other().Decide(h.ctx, fine))(t)
	f := must(s.Files(h.ctx, "notes"))(t)[0]
	data, _, err := h.st.Get(h.ctx, f.Key)
	if epoch, _ := epochOf(f.Key); err != nil || string(data) != "text" || epoch != 1 || f.Epoch != 1 {
		t.Errorf("file %+v holds %q (%v)", f, data, err)
	}
	_, err = h.other().Decide(h.ctx, build(func(f File) error { return h.st.Delete(h.ctx, f.Key) }))
	wants(t, err, ErrMoved)
	_, err = h.other().Decide(h.ctx, build(func(f File) error {
		_, e := h.st.PutIfAbsent(h.ctx, f.Key+"x", nil)
		return errors.Join(e, h.st.Delete(h.ctx, f.Key), put(h, f.Key, "torn"))
	}))
	wants(t, err, ErrDamaged)
}

func put(h *hands, key, text string) error {
	_, err := h.st.PutIfAbsent(h.ctx, key, []byte(text))
	return err
}

// A reader has no method that could commit, collect or take the lease: a dry run
// is read-only by its type.
func TestAReaderCannotWrite(t *testing.T) {
	var got []string
	for i := range reflect.TypeFor[*Reader]().NumMethod() {
		got = append(got, reflect.TypeFor[*Reader]().Method(i).Name)
	}
	if want := []string{"At", "Head", "Holder", "Log", "Pin", "PinHead", "URL"}; !slices.Equal(got, want) {
		t.Errorf("a reader can %v, expected %v", got, want)
	}
	h := newHands(t, mem.New())
	h.begin()
	before := h.keys("")
	r := must(OpenReader(h.ctx, h.st, h.o))(t)
	must(r.Head(h.ctx))(t)
	for range r.Log(h.ctx, 1) {
		continue
	}
	if after := h.keys(""); !slices.Equal(before, after) {
		t.Errorf("reading left %v, then %v", before, after)
	}
}

// The names and fields of what is stored are read by every later version.
func TestTheStoredFormStays(t *testing.T) {
	h := newHands(t, mem.New())
	n := 0
	h.o.NewID = func() string { n++; return string(rune('a' + n)) }
	h.o.Now = func() time.Time { return time.Unix(1_700_000_000, 0) }
	h.lake = h.other()
	tn := must(h.lake.Begin(h.ctx, Opening{Run: "r", RunAt: h.o.Now(), Project: "p"}))(t)
	f := File{Key: tn.NewDataKey("notes"), Kind: Delta, Rows: 2, SizeBytes: 3, SHA256: "00", MinHash: -1, MaxHash: 1, Tag: "t"}
	s := must(tn.Committer("c").Commit(h.ctx, Step{Stage: "s", Add: Files{"notes": {f}}, Versions: map[string]int{"notes": 4}, Claim: "sys"}))(t)
	s.commit.Parent = "-"
	data, _ := json.Marshal(s.commit)
	want := `{"seq":3,"id":"g","parent":"-","epoch":1,"tenure":"b","run":"r","run_at":"` + s.commit.RunAt.Format(time.RFC3339Nano) +
		`","project":"p","stage":"s","steps":{"c/e":1},"writers":{"sys":"c/e"},"tables":{"notes":{"key":"tables/notes/1/f.json","sha256":"` +
		s.Table("notes").SHA256 + `","version":4,"changed":3,"replaced":0,"files":1,"rows":2}}}`
	if string(data) != want {
		t.Errorf("a commit is stored as\n%s\nexpected\n%s", data, want)
	}
	list, _, err := h.st.Get(h.ctx, "tables/notes/1/f.json")
	wantList := `{"table":"notes","files":[{"key":"data/notes/1/d.parquet","kind":"delta","rows":2,"bytes":3,"sha256":"00","min_hash":-1,"max_hash":1,"seq":3,"epoch":1,"tag":"t"}]}` + "\n"
	if err != nil || string(list) != wantList {
		t.Errorf("a manifest is stored as\n%s\nexpected\n%s", list, wantList)
	}
}
