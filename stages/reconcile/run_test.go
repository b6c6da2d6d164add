package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/load"
	"github.com/trueup-data/trueup/stages/reconcile"
	"github.com/trueup-data/trueup/stages/stagetest"
)

// house is a lake with two systems, run through extract, reconcile and load.
type house struct {
	*stagetest.Bench
	t      *testing.T
	entity config.Entity
	sys    map[string]*stagetest.System
	runs   int
	hash   string
	broken map[string]bool // systems that cannot be read
	yes    bool
	after  time.Duration // until the next run
}

func newHouse(t *testing.T) *house {
	b := stagetest.New(t)
	h := &house{Bench: b, t: t, sys: map[string]*stagetest.System{}, hash: "project-1", broken: map[string]bool{}, after: time.Hour}
	text := schemas.Type{Kind: schemas.String}
	h.entity = config.Entity{Name: "bookings", Key: []string{"code"}, Fields: []config.EntityField{
		{Name: "code", Type: text}, {Name: "guest", Type: text}, {Name: "price", Type: schemas.Type{Kind: schemas.Decimal, Precision: 12, Scale: 2}}},
		Resolve: config.Resolve{Default: config.Rule{Authority: []string{"pms"}}, Fields: map[string]config.Rule{"guest": {Authority: []string{"air", "pms"}}},
			Deletes: config.DeleteRule{Authority: []string{"pms"}, AgainstUpdate: "hold"}}}
	for _, name := range []string{"pms", "air"} {
		h.sys[name] = stagetest.NewSystem(name, b.Clock)
		h.sys[name].By = pipeline.ByPrecondition
		h.entity.Streams = append(h.entity.Streams, config.Stream{System: name,
			Extract: config.Extract{PrimaryKey: []string{"id"}, Fields: stagetest.Fields(), Version: "updated_at", Absence: true,
				Incremental: &config.IncrementalRead{CursorField: "updated_at"}},
			Write: &config.Write{Create: true, Update: true, Delete: true, Precondition: true, Fields: []config.Mapping{
				{Name: "code", Expr: config.Expr{SQL: "code"}}, {Name: "guest", Expr: config.Expr{SQL: "guest"}}, {Name: "price", Expr: config.Expr{SQL: "price"}}}}})
	}
	return h
}

// run does one whole run: settle, extract, reconcile, load.
func (h *house) run(mode pipeline.Mode) reconcile.Result {
	h.t.Helper()
	h.Clock.Advance(h.after)
	tenure := h.Begin(h.t)
	h.runs++
	run, at := pipeline.RunID(fmt.Sprintf("run-%03d", h.runs)), h.Clock.Now()
	read := map[string]reconcile.Read{}
	each := func(do func(stream config.Stream)) {
		for _, st := range h.entity.Streams {
			do(st)
		}
	}
	write := func(st config.Stream) (load.Deps, load.Request) {
		return load.Deps{Lake: h.Lake, Tenure: tenure, Engine: h.Engine, Writer: h.Writer(tenure), Now: h.Clock.Now, Log: h.Log, Fence: func() error { return nil }},
			load.Request{Run: run, RunAt: at, Entity: h.entity, Stream: st, Target: h.sys[st.System], PerSecond: 100, Concurrency: 2}
	}
	each(func(st config.Stream) {
		deps, req := write(st)
		_, err := load.Settle(h.t.Context(), deps, req)
		h.must(err)
	})
	each(func(st config.Stream) {
		if h.broken[st.System] {
			read[st.System] = reconcile.Read{Due: true}
			return
		}
		r, err := extract.Run(h.t.Context(), extract.Deps{Lake: h.Lake, Tenure: tenure, Engine: h.Engine, Writer: h.Writer(tenure), Now: h.Clock.Now, Log: h.Log},
			extract.Request{Run: run, RunAt: at, Mode: mode, Entity: h.entity, Stream: st, Fingerprint: "scope",
				Every: config.CheckpointEvery{Records: 100, Bytes: 1 << 20, Every: time.Hour}, Concurrency: 2, Source: h.sys[st.System]})
		h.must(err)
		read[st.System] = reconcile.Read{Due: true, Complete: r.State == extract.Complete}
	})
	result, err := reconcile.Run(h.t.Context(), reconcile.Deps{Lake: h.Lake, Tenure: tenure, Engine: h.Engine, Writer: h.Writer(tenure), Log: h.Log},
		reconcile.Request{Run: run, RunAt: at, Entity: h.entity, ProjectHash: h.hash, Read: read, Yes: h.yes})
	h.must(err)
	each(func(st config.Stream) {
		deps, req := write(st)
		_, err := load.Run(h.t.Context(), deps, req)
		h.must(err)
	})
	return result
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// holds gives what a system holds of a code: "guest price", or "-".
func (h *house) holds(system, code string) string {
	s := h.sys[system]
	var out []string
	for _, id := range s.IDs() {
		if s.Get(id, "code") == code {
			out = append(out, s.Get(id, "guest")+" "+s.Get(id, "price"))
		}
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, "; ")
}

func (h *house) expect(code, pms, air string) {
	h.t.Helper()
	if p, a := h.holds("pms", code), h.holds("air", code); p != pms || a != air {
		h.t.Fatalf("%s: pms %q, air %q; want %q, %q\n%s", code, p, a, pms, air, strings.Join(h.Query(h.t, "FROM bookings ORDER BY ALL", tables.Changes("bookings")), "\n"))
	}
}

func sends(h *house) int { return h.sys["pms"].Sends + h.sys["air"].Sends }

// quiet runs until nothing is sent any more.
func (h *house) quiet() {
	h.t.Helper()
	for range 4 {
		before := sends(h)
		r := h.run(pipeline.Incremental)
		if sends(h) == before && len(r.Changes) == 0 {
			return
		}
	}
	h.t.Fatalf("still writing after 4 quiet runs:\n%s", strings.Join(h.Query(h.t, "FROM bookings ORDER BY ALL", tables.Changes("bookings")), "\n"))
}

func TestARunMakesTwoSystemsAgree(t *testing.T) {
	h := newHouse(t)
	h.sys["pms"].Put("p1", map[string]string{"code": "A", "guest": "Ana", "price": "100.00"})
	h.sys["pms"].Put("p2", map[string]string{"code": "B", "guest": "Bo", "price": "50.00"})
	h.sys["air"].Put("a1", map[string]string{"code": "A", "guest": "Anna", "price": "90.00"})
	h.sys["air"].Put("a3", map[string]string{"code": "C", "guest": "Cy", "price": "10.00"})

	r := h.run(pipeline.Sweep)
	if r.Plan == "" || sends(h) != 0 || !r.Attention() {
		t.Fatalf("the first reconcile is a plan to approve: %+v, %d sends", r, sends(h))
	}
	h.yes = true
	h.run(pipeline.Incremental)
	h.yes = false
	h.expect("A", "Anna 100.00", "Anna 100.00")
	h.expect("B", "Bo 50.00", "Bo 50.00")
	h.expect("C", "Cy 10.00", "Cy 10.00")
	h.quiet()

	h.sys["pms"].Put("p1", map[string]string{"price": "120.00", "guest": "overridden"})
	h.sys["air"].Put("a1", map[string]string{"guest": "Annabel"})
	h.run(pipeline.Incremental)
	h.expect("A", "Annabel 120.00", "Annabel 120.00")
	if got := h.Query(t, "SELECT system, field, seen, chosen, reason FROM bookings WHERE seen = 'overridden'", tables.Conflicts("bookings")); len(got) != 1 {
		t.Fatalf("the edit that lost is kept: %v", got)
	}
	h.quiet()

	h.sys["pms"].Remove("p2")
	h.run(pipeline.Sweep)
	h.run(pipeline.Incremental)
	h.expect("B", "-", "-")
	h.sys["air"].Remove("a3")
	h.run(pipeline.Sweep)
	h.run(pipeline.Incremental)
	h.expect("C", "Cy 10.00", "-")
	h.quiet()
}

// A system whose state is unknown gets no write; when it is back it gets what it missed.
func TestASystemThatWasAwayGetsWhatItMissed(t *testing.T) {
	h := newHouse(t)
	h.yes = true
	h.sys["pms"].Put("p1", map[string]string{"code": "A", "guest": "Ana", "price": "100.00"})
	h.run(pipeline.Sweep)
	h.yes = false
	h.quiet()
	h.broken["air"] = true
	h.sys["pms"].Put("p1", map[string]string{"price": "110.00"})
	h.sys["pms"].Put("p2", map[string]string{"code": "B", "guest": "Bo", "price": "1.00"})
	before := h.sys["air"].Sends
	h.run(pipeline.Incremental)
	h.run(pipeline.Incremental)
	if h.sys["air"].Sends != before {
		t.Fatal("a write to a system that could not be read")
	}
	h.broken["air"] = false
	h.run(pipeline.Incremental)
	h.expect("A", "Ana 110.00", "Ana 110.00")
	h.expect("B", "Bo 1.00", "Bo 1.00")
	h.quiet()
}

// A record that was judged in a system which has joined needs no plan to be
// created elsewhere, also while that system cannot be read.
func TestARecordOfASystemThatIsAwayIsCreatedElsewhere(t *testing.T) {
	h := newHouse(t)
	h.yes = true
	h.sys["pms"].Put("p1", map[string]string{"code": "A", "guest": "Ana", "price": "100.00"})
	h.run(pipeline.Sweep)
	h.yes = false
	h.quiet()
	h.broken["pms"] = true
	h.sys["air"].Put("a2", map[string]string{"code": "B", "guest": "Bo", "price": "1.00"})
	h.run(pipeline.Incremental)
	h.broken["pms"], h.broken["air"] = false, true
	if r := h.run(pipeline.Incremental); r.Waiting != 0 || r.Plan != "" {
		t.Fatalf("a plan for a record of a system that has joined: %+v", r)
	}
	h.broken["air"] = false
	h.expect("B", "Bo 1.00", "Bo 1.00")
	h.quiet()
}

// A plan that waits outlasts a run in which its system could not be read: its
// changes are dropped while nothing is known, and wanted again afterwards.
func TestAPlanOutlastsAnUnreadSystem(t *testing.T) {
	h := newHouse(t)
	h.sys["pms"].Put("p1", map[string]string{"code": "A", "guest": "Ana", "price": "100.00"})
	h.sys["air"].Put("a1", map[string]string{"code": "A", "guest": "Ana", "price": "90.00"})
	if r := h.run(pipeline.Sweep); r.Plan == "" {
		t.Fatalf("%+v", r)
	}
	h.run(pipeline.Incremental)
	h.broken["air"] = true
	h.run(pipeline.Incremental)
	h.broken["air"] = false
	h.run(pipeline.Sweep)
	h.yes = true
	h.run(pipeline.Incremental)
	h.yes = false
	h.expect("A", "Ana 100.00", "Ana 100.00")
	h.quiet()
}

func TestALostAnswerIsNoNewsAndNoSecondWrite(t *testing.T) {
	for _, fault := range []stagetest.Fault{stagetest.LostAfter, stagetest.LostBefore, stagetest.Refuse} {
		t.Run(string(fault), func(t *testing.T) {
			h := newHouse(t)
			h.yes = true
			h.sys["pms"].Put("p1", map[string]string{"code": "A", "guest": "Ana", "price": "100.00"})
			h.run(pipeline.Sweep)
			h.yes = false
			h.quiet()
			h.sys["pms"].Put("p1", map[string]string{"price": "110.00"})
			h.sys["air"].OnSend = func(n int) stagetest.Fault {
				if n == 2 {
					return fault
				}
				return stagetest.Fine
			}
			h.run(pipeline.Incremental)
			h.run(pipeline.Incremental)
			want := "Ana 110.00"
			if fault == stagetest.Refuse {
				want = "Ana 100.00"
				if got := h.Query(t, "SELECT kind, system, field FROM differences WHERE open", tables.Differences()); !slices.Equal(got, []string{"refused|air|price"}) {
					t.Fatalf("a refusal is a known difference: %v", got)
				}
			}
			h.expect("A", "Ana 110.00", want)
			h.quiet()
			if effects := len(h.sys["air"].Effects); fault != stagetest.Refuse && effects != 2 {
				t.Fatalf("create and update, once each: %v", h.sys["air"].Effects)
			}
		})
	}
}

// Golden, base, change set and watermark move together: an unchanged run looks at nothing.
func TestAQuietRunLooksAtNothing(t *testing.T) {
	h := newHouse(t)
	h.yes = true
	for i := range 20 {
		h.sys["pms"].Put(fmt.Sprint("p", i), map[string]string{"code": fmt.Sprint("K", i), "guest": "Ana", "price": "100.00"})
	}
	h.run(pipeline.Sweep)
	h.quiet()
	if r := h.run(pipeline.Sweep); r.Looked != 0 || r.Golden != 0 {
		t.Fatalf("%+v", r)
	}
	h.hash = "project-2"
	if r := h.run(pipeline.Incremental); r.Looked != 20 || r.Golden != 0 || len(r.Changes) != 0 {
		t.Fatalf("a changed project file: %+v", r)
	}
}

// A write of ours without an answer was done, and somebody set it back before we
// looked: the record shows what was there before, under a newer version. Sent again
// it would undo their edit, so a person looks. An edit of another field explains the
// version, and what was not done is sent again.
func TestADoubtedWriteThatMayHaveBeenSetBackWaits(t *testing.T) {
	for _, c := range []struct {
		name  string
		what  stagetest.Fault
		edit  map[string]string
		state string
		air   string
	}{
		{"set back", stagetest.LostAfter, map[string]string{"price": "100.00"}, "held", "Ana 100.00"},
		{"not done, and nobody wrote", stagetest.LostBefore, nil, "applied", "Ana 120.00"},
		{"not done, and another field was edited", stagetest.LostBefore, map[string]string{"guest": "Bo"}, "applied", "Bo 120.00"},
		{"done", stagetest.LostAfter, nil, "applied", "Ana 120.00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			air, pms := h.sys["air"], h.sys["pms"]
			air.By, h.entity.Streams[1].Write.Settle, h.entity.Streams[1].Write.Precondition = pipeline.ByNothing, 30*time.Minute, false
			h.yes = true
			pms.Put("p1", map[string]string{"code": "A", "guest": "Ana", "price": "100.00"})
			h.run(pipeline.Sweep)
			h.run(pipeline.Sweep)
			pms.Put("p1", map[string]string{"price": "120.00"})
			air.OnSend = func(int) stagetest.Fault { return c.what }
			h.run(pipeline.Sweep)
			air.OnSend = nil
			if c.edit != nil {
				h.Clock.Advance(time.Minute)
				air.Put(air.IDs()[0], c.edit)
			}
			h.run(pipeline.Sweep)
			h.run(pipeline.Sweep)
			h.expect("A", strings.Replace("Ana 120.00", "Ana", strings.Fields(c.air)[0], 1), c.air)
			states := h.Query(t, "SELECT state FROM bookings WHERE system = 'air' AND op = 'update' ORDER BY bookings.recorded_at DESC LIMIT 1", tables.Changes("bookings"))
			if len(states) != 1 || states[0] != c.state {
				t.Fatalf("%v, want %s", states, c.state)
			}
		})
	}
}
