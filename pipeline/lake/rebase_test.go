package lake

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store/mem"
)

func TestOnlyWhatStandsIsRebased(t *testing.T) {
	adds, replaces := func(h *hands, e uint64) Step { return h.adds("golden", e) }, func(h *hands, e uint64) Step {
		s := h.adds("golden", e)
		return Step{Replace: s.Add, Basis: map[string]uint64{"golden": 3}}
	}
	based := func(h *hands, e uint64) Step {
		s := h.adds("out", e)
		s.Basis = map[string]uint64{"golden": 3}
		return s
	}
	watermarked := func(h *hands, e uint64) Step {
		s := h.adds("out", e)
		s.Watermarks = map[string]uint64{"golden": 3}
		return s
	}
	empties := func(*hands, uint64) Step {
		return Step{Replace: Files{"golden": nil}, Basis: map[string]uint64{"golden": 3}}
	}
	elsewhere := func(h *hands, e uint64) Step { return h.adds("elsewhere", e) }
	for _, c := range []struct {
		name            string
		between, commit func(*hands, uint64) Step
		err             error
	}{
		{"an append after an append", adds, adds, nil},
		{"an append after a replacement", replaces, adds, nil},
		{"a replacement after an append", adds, replaces, ErrMoved},
		{"a replacement after a replacement", replaces, replaces, ErrMoved},
		{"a replacement after the table was emptied", empties, replaces, ErrMoved},
		{"a decision after an append", adds, based, ErrMoved},
		{"a decision after the table was emptied", empties, based, ErrMoved},
		{"a decision after an append elsewhere", elsewhere, based, nil},
		{"a watermark after an append", adds, watermarked, nil},
		{"a watermark after a replacement", replaces, watermarked, ErrMoved},
		{"a watermark after the table was emptied", empties, watermarked, ErrMoved},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHands(t, mem.New())
			tn := h.begin()
			must(tn.Committer("first").Commit(h.ctx, h.adds("golden", tn.Epoch())))(t) // commit 3
			mine := must(h.other().Join(h.ctx, tn.Epoch()))(t)
			must(tn.Committer("between").Commit(h.ctx, c.between(h, tn.Epoch())))(t)
			committer := mine.Committer("mine")
			_, err := committer.Commit(h.ctx, c.commit(h, tn.Epoch()))
			if !errors.Is(err, c.err) {
				t.Fatalf("the error is %v, expected %v", err, c.err)
			}
			must(committer.Commit(h.ctx, h.adds("elsewhere", tn.Epoch())))(t) // ErrMoved ends nothing
		})
	}
}

func TestACompactionIsNoMove(t *testing.T) {
	h := newHands(t, mem.New())
	tn := h.begin()
	c := tn.Committer("c")
	for range 3 {
		must(c.Commit(h.ctx, h.adds("golden", tn.Epoch())))(t)
	}
	s := must(h.lake.Head(h.ctx))(t)
	files := must(s.Files(h.ctx, "golden"))(t)
	rows := int64(2)
	write := func(_ context.Context, epoch uint64) ([]File, error) {
		f := h.file("golden", epoch, "abc")
		f.Rows = rows
		return []File{f}, nil
	}
	must(h.other().Compact(h.ctx, Compaction{Table: "golden", Inputs: files[:2]}, write))(t)
	step := h.adds("golden", tn.Epoch())
	step.Basis, step.Watermarks = map[string]uint64{"golden": s.Seq()}, map[string]uint64{"golden": s.Seq()}
	after := must(c.Commit(h.ctx, step))(t)
	var places []uint64
	for _, f := range must(after.Files(h.ctx, "golden"))(t) {
		places = append(places, f.Seq)
	}
	if !slices.Equal(places, []uint64{files[1].Seq, files[2].Seq, after.Seq()}) {
		t.Errorf("places %v", places)
	}
	_, err := h.lake.Compact(h.ctx, Compaction{Table: "golden", Inputs: files[:2]}, write)
	wants(t, err, ErrMoved) // its inputs are dead
	live := must(after.Files(h.ctx, "golden"))(t)
	rows = 1
	_, err = h.lake.Compact(h.ctx, Compaction{Table: "golden", Inputs: live[1:]}, write)
	if err == nil || errors.Is(err, ErrMoved) {
		t.Errorf("a compaction that loses a row: %v", err)
	}
	rows = 3
	_, err = h.lake.Compact(h.ctx, Compaction{Table: "golden", Inputs: []File{live[0], live[2]}}, write)
	if err == nil || errors.Is(err, ErrMoved) {
		t.Errorf("inputs with a gap: %v", err)
	}
}

func TestStepsThatCanStandNowhereAreRefused(t *testing.T) {
	h := newHands(t, mem.New())
	tn := h.begin()
	c := tn.Committer("c")
	f := h.file("t", tn.Epoch(), "x")
	must(c.Commit(h.ctx, Step{Add: Files{"t": {f}}}))(t)
	for name, s := range map[string]Step{
		"replaced without a basis":  {Replace: Files{"t": {f}}},
		"replaced and added to":     {Replace: Files{"t": {}}, Add: Files{"t": {f}}, Basis: map[string]uint64{"t": 9}},
		"rewritten twice":           {Rewrite: []Rewrite{{Table: "t", Inputs: []string{f.Key}}, {Table: "t", Inputs: []string{f.Key}}}},
		"rewritten from nothing":    {Rewrite: []Rewrite{{Table: "t"}}},
		"live already":              {Add: Files{"t": {f}}},
		"a name that is not ours":   {Add: Files{"t": {{Key: "elsewhere.parquet"}}}},
		"a file of a coming epoch":  {Add: Files{"t": {{Key: dataKey("t", 99, "x")}}}},
		"the same file added twice": {Add: Files{"u": {h.file("u", tn.Epoch(), "x")}, "t": {f, f}}},
	} {
		if _, err := c.Commit(h.ctx, s); fault.KindOf(err) != fault.Permanent || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if head := must(h.lake.Head(h.ctx))(t); head.Seq() != 3 {
		t.Errorf("the head is %d", head.Seq())
	}
}

func TestIntentsLandOnlyFromTheWriterThatClaimedLast(t *testing.T) {
	h := newHands(t, mem.New())
	tn := h.begin()
	one, two := tn.Committer("load"), tn.Committer("load")
	intent := func(c *Committer) error {
		s := h.adds("journal", tn.Epoch())
		s.Writer = "airbnb"
		_, err := c.Commit(h.ctx, s)
		return err
	}
	wants(t, intent(one), ErrFenced)
	must(one.Claim(h.ctx, "airbnb"))(t)
	if err := intent(one); err != nil {
		t.Fatal(err)
	}
	must(two.Claim(h.ctx, "airbnb"))(t)
	wants(t, intent(one), ErrFenced)
	if err := intent(two); err != nil {
		t.Fatal(err)
	}
	must(one.Commit(h.ctx, h.adds("journal", tn.Epoch())))(t) // what it sent before has its outcome
	if w := must(h.other().Begin(h.ctx, Opening{}))(t).Start().Commit().Writers; len(w) != 0 {
		t.Errorf("a new tenure begins with the writers %v", w)
	}
}

func TestEachPartOfAGroupIsJudgedByItself(t *testing.T) {
	h := newHands(t, mem.New())
	tn := h.begin()
	parts := func() []Part {
		var parts []Part
		for _, basis := range []uint64{2, 0, 2} {
			s := h.adds("golden", tn.Epoch())
			if s.Check = nil; basis > 0 {
				s.Basis = map[string]uint64{"golden": basis}
			}
			parts = append(parts, Part{Committer: tn.Committer("c"), Step: s})
		}
		return parts
	}
	results := tn.CommitGroup(h.ctx, parts())
	if results[0].Err != nil || results[1].Err != nil {
		t.Fatal(results)
	}
	wants(t, results[2].Err, ErrMoved) // it does not see what the parts before it add
	if results[0].Snapshot != results[1].Snapshot || results[0].Snapshot.Seq() != 3 {
		t.Error("the parts that stand were meant to be one commit")
	}
	results = tn.CommitGroup(h.ctx, parts())
	wants(t, results[0].Err, ErrMoved)
	if results[1].Err != nil {
		t.Fatal(results[1].Err)
	}
	c := tn.Committer("twice")
	results = tn.CommitGroup(h.ctx, []Part{{c, h.adds("t", tn.Epoch())}, {c, h.adds("t", tn.Epoch())}})
	if results[0].Err != nil || results[1].Err == nil {
		t.Errorf("a committer with two parts: %v", results)
	}
}

func TestAGroupThatLosesIsTakenApart(t *testing.T) {
	st := newTap()
	h := newHands(t, st)
	tn := h.begin()
	mine := must(h.other().Join(h.ctx, tn.Epoch()))(t)
	s := h.adds("out", tn.Epoch())
	s.Basis = map[string]uint64{"golden": 2}
	must(tn.Committer("between").Commit(h.ctx, h.adds("golden", tn.Epoch())))(t)
	results := mine.CommitGroup(h.ctx, []Part{{mine.Committer("a"), s}, {mine.Committer("b"), h.adds("out", tn.Epoch())}})
	wants(t, results[0].Err, ErrMoved)
	if results[1].Err != nil || results[1].Snapshot.Seq() != 4 || len(h.live(results[1].Snapshot, "out")) != 1 {
		t.Errorf("the part that stands: %+v", results[1])
	}
}

// A part's own condition sees what the parts before it add, so that two attempts
// of one task do not both land because they came in one group.
func TestAConditionSeesThePartsBeforeIt(t *testing.T) {
	h := newHands(t, mem.New())
	tn := h.begin()
	part := func() Part {
		s := h.adds("checkpoints", tn.Epoch())
		s.Check = func(ctx context.Context, head *Snapshot) error {
			if files, err := head.Files(ctx, "checkpoints"); err != nil || len(files) > 0 {
				return errors.Join(err, ErrMoved)
			}
			return nil
		}
		return Part{tn.Committer("c"), s}
	}
	results := tn.CommitGroup(h.ctx, []Part{part(), part()})
	if results[0].Err != nil {
		t.Fatal(results[0].Err)
	}
	wants(t, results[1].Err, ErrMoved)
}

// Steps that come while a commit is on its way land together in the next one.
func TestStepsOfOneProcessDoNotRaceEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newTap()
		h := newHands(t, st)
		tn := h.begin()
		release, puts := make(chan struct{}), 0
		st.put = func(key string, _ []byte, do func() error) error {
			if strings.HasPrefix(key, logPrefix) {
				if puts++; puts == 1 {
					<-release
				}
			}
			return do()
		}
		var g sync.WaitGroup
		commit := func(ctx context.Context, want error) {
			step := h.adds("notes", tn.Epoch())
			g.Go(func() {
				s, err := tn.Committer("c").Commit(ctx, step)
				if !errors.Is(err, want) || err == nil && !slices.Contains(h.live(s, "notes"), step.Add["notes"][0].Key) {
					t.Errorf("the answer is %v", err)
				}
			})
		}
		commit(t.Context(), nil)
		synctest.Wait()
		hurried, cancel := context.WithCancel(t.Context())
		for range 5 {
			commit(t.Context(), nil)
		}
		commit(hurried, nil) // the group goes on, so it learns that it landed
		synctest.Wait()
		cancel()
		close(release)
		g.Wait()
		if head := must(h.other().Head(h.ctx))(t); puts != 2 || head.Seq() != 4 || len(h.live(head, "notes")) != 7 {
			t.Errorf("%d puts, commit %d with %v", puts, head.Seq(), h.live(head, "notes"))
		}
	})
}

// A context that is over before the first put has done nothing.
func TestAContextThatIsOverCommitsNothing(t *testing.T) {
	h := newHands(t, mem.New())
	tn := h.begin()
	c := tn.Committer("c")
	step := h.adds("notes", tn.Epoch())
	over, cancel := context.WithCancel(h.ctx)
	cancel()
	if _, err := c.Commit(over, step); fault.KindOf(err) != fault.Canceled {
		t.Errorf("the error is %v", err)
	}
	if s := must(c.Commit(h.ctx, step))(t); len(h.live(s, "notes")) != 1 {
		t.Errorf("files %v", h.live(s, "notes"))
	}
}
