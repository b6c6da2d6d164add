package story_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trueup-data/trueup/cmd/sandbox/story"
	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/stages/connector/rest"
	"github.com/trueup-data/trueup/stages/validate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is a served world and the streams of the story's project over it.
type stage struct {
	*world.World
	t       *testing.T
	project *config.Project
	streams map[string]*rest.Stream
}

func open(t *testing.T, o world.Options) *stage {
	t.Helper()
	w, err := world.New(o)
	if err != nil {
		t.Fatal(err)
	}
	servers, err := w.Serve(t.Context(), world.Addresses{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := servers.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &stage{World: w, t: t, streams: map[string]*rest.Stream{}, project: load(t, servers)}
	for i, st := range s.project.Entities[0].Streams {
		s.streams[st.System] = stream(t, s.project, i)
	}
	return s
}

func load(t *testing.T, servers *world.Servers) *config.Project {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trueup.yaml")
	if err := os.WriteFile(path, story.Project(), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"PMS_URL": servers.PMSURL, "PMS_TOKEN": "pms-token",
		"STAYBNB_URL": servers.StaybnbURL, "STAYBNB_KEY": "staybnb-key"}
	project, err := config.Load(path, func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		config.Known{"rest": rest.Keys()})
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// stream makes the i-th stream, with retries that do not wait.
func stream(t *testing.T, p *config.Project, i int) *rest.Stream {
	t.Helper()
	st := p.Entities[0].Streams[i]
	var sys config.System
	for _, one := range p.Systems {
		if one.Name == st.System {
			sys = one
		}
	}
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	wait := func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil }
	clock := pace.Clock{Now: func() time.Time { return now }, Wait: wait}
	client, err := rest.NewClient(sys, rest.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s, err := rest.New(sys, p.Entities[0], st, rest.Deps{Client: client, Now: clock.Now, Wait: wait,
		Gate: pace.New(pace.Options{System: sys.Name, RequestsPerSecond: 1e6, Burst: 1000, Concurrency: 4, RetryShare: 1, BreakAfter: 50, Clock: clock})})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read reads a stream and gives its rows' count and the proof of its end.
func (s *stage) read(system string, since pipeline.Cursor) (rows int64, end pipeline.End) {
	s.t.Helper()
	mode := pipeline.Sweep
	if since.Set {
		mode = pipeline.Incremental
	}
	end, err := s.streams[system].Read(s.t.Context(), pipeline.ReadRequest{Run: "r", RunAt: s.Now(), Mode: mode, Since: since},
		func(b pipeline.Batch) error {
			if len(b.Dead) > 0 {
				s.t.Fatalf("dead letters: %v", b.Dead)
			}
			if b.Rows != nil {
				rows += b.Rows.NumRows()
				b.Rows.Release()
			}
			return nil
		})
	if err != nil {
		s.t.Fatal(err)
	}
	return rows, end
}

func TestTheProjectFileIsValid(t *testing.T) {
	s := open(t, world.Options{})
	if err := validate.Check(t.Context(), s.project); err != nil {
		t.Fatal(err)
	}
}

func TestTheProjectFileReadsBothSystemsWhole(t *testing.T) {
	s := open(t, world.Options{Seed: 7, Records: 400})
	for _, system := range []string{world.PMS, world.Staybnb} {
		rows, end := s.read(system, pipeline.Cursor{})
		if want := int64(len(s.Records(system))); rows < want || !end.Proven {
			t.Errorf("%s: %d rows of %d, end %v", system, rows, want, end)
		}
	}
}

func TestTheProjectFileReadsWhatChanged(t *testing.T) {
	s := open(t, world.Options{Seed: 7, Records: 100})
	for system, literal := range map[string]string{
		world.PMS: s.Now().Format(time.RFC3339Nano), world.Staybnb: "1772438400000"} {
		since := pipeline.Cursor{Literal: literal, Order: s.Now().UnixMicro(), Set: true}
		if rows, _ := s.read(system, since); rows != 0 {
			t.Errorf("%s: %d rows before anything changed", system, rows)
		}
	}
	edits, err := s.Live(time.Hour, 20, world.Mix{Authority: 1})
	if err != nil {
		t.Fatal(err)
	}
	changed := map[string]map[string]bool{world.PMS: {}, world.Staybnb: {}}
	for _, e := range edits {
		changed[e.System][e.ID] = true
	}
	start := edits[0].At.Add(-time.Minute)
	for system, ids := range changed {
		since := pipeline.Cursor{Literal: start.Format(time.RFC3339Nano), Order: start.UnixMicro(), Set: true}
		if system == world.Staybnb {
			since.Literal = "1772438400000"
		}
		if rows, _ := s.read(system, since); rows != int64(len(ids)) {
			t.Errorf("%s: %d rows of %d changed records", system, rows, len(ids))
		}
	}
}

func TestTheProjectFileReadsThroughFaults(t *testing.T) {
	var faults []world.Fault
	for i, kind := range []world.Kind{world.Throttle, world.ThrottleDate, world.ThrottleBare, world.Unavailable, world.HTML,
		world.Reset, world.TimeoutBefore, world.Truncate, world.Cut} {
		faults = append(faults, world.Fault{Kind: kind, System: world.Staybnb, Call: world.CallList, Nth: 2 + 4*(i/3)}) // three in a row
	}
	s := open(t, world.Options{Seed: 7, Records: 400, Faults: faults})
	rows, end := s.read(world.Staybnb, pipeline.Cursor{})
	if want := int64(len(s.Records(world.Staybnb))); rows < want || !end.Proven {
		t.Errorf("%d rows of %d, end %v", rows, want, end)
	}
	if unfired := s.Unfired(); len(unfired) > 0 {
		t.Errorf("unfired: %v", unfired)
	}
}

// send prepares and sends one write.
func (s *stage) send(system string, w pipeline.Write) pipeline.Answer {
	s.t.Helper()
	target := s.streams[system]
	req, err := target.Prepare(w)
	if err != nil {
		s.t.Fatal(err)
	}
	a, err := target.Send(s.t.Context(), req, w.Op, func() error { return nil })
	if err != nil {
		s.t.Fatal(err)
	}
	if a.Outcome != pipeline.Applied {
		s.t.Fatalf("%s of %s in %s: %s, status %d: %s", w.Op, w.Key, system, a.Outcome, a.Status, a.Evidence)
	}
	if a.Record != nil && a.Record.Rows != nil {
		a.Record.Rows.Release()
	}
	return a
}

func TestTheProjectFileWritesBothSystems(t *testing.T) {
	s := open(t, world.Options{})
	text := world.Text
	values := map[string]pipeline.Values{
		world.PMS: {"code": text("HM1"), "channel": text("staybnb"), "listing_id": text("L-001"), "check_in": text("2026-05-01"),
			"check_out": text("2026-05-04"), "guest_name": text("Żak, \"Jr.\""), "price": text("120.50"), "status": text("confirmed"), "notes": nil},
		world.Staybnb: {"confirmation_code": text("HM1"), "listing_ref": text("L-001"), "arrival": text("2026-05-01"),
			"departure": text("2026-05-04"), "guest": text("Żak, \"Jr.\""), "total_cents": text("12050"), "state": text("ok"), "note": nil},
	}
	note := map[string]string{world.PMS: "notes", world.Staybnb: "note"}
	var bookings []world.Booking
	for _, system := range []string{world.PMS, world.Staybnb} {
		a := s.send(system, pipeline.Write{Change: "c1", Op: pipeline.OpCreate, Key: "HM1", KeyFields: map[string]string{"code": "HM1"},
			After: values[system], IdempotencyKey: "k1"})
		fetched, err := s.streams[system].Fetch(t.Context(), []string{a.ID, "9"})
		if err != nil || len(fetched.Gone) != 1 || fetched.Batch.Rows.NumRows() != 1 {
			t.Fatalf("%s: fetched %v, %v", system, fetched, err)
		}
		fetched.Batch.Rows.Release()
		s.send(system, pipeline.Write{Change: "c2", Op: pipeline.OpUpdate, Key: "HM1", ID: a.ID, ETag: `"v1"`, IdempotencyKey: "k2",
			Before: pipeline.Values{note[system]: nil}, After: pipeline.Values{note[system]: text("ça va 👶")}})
		found, err := s.streams[system].Search(t.Context(), map[string]string{"code": "HM1"})
		if err != nil || found.Rows.NumRows() != 1 {
			t.Fatalf("%s: found %v, %v", system, found, err)
		}
		found.Rows.Release()
		b, _ := s.Get(system, a.ID)
		bookings = append(bookings, b)
	}
	if diff := bookings[0].Changed(bookings[1]); len(diff) != 0 || bookings[0].Get(world.Notes) != "ça va 👶" {
		t.Fatalf("%v and %v differ in %v", bookings[0].Values(), bookings[1].Values(), diff)
	}
	id := s.Find(world.Staybnb, "HM1")[0]
	s.send(world.Staybnb, pipeline.Write{Change: "c3", Op: pipeline.OpDelete, Key: "HM1", ID: id, IdempotencyKey: "k3"})
	if left := s.Find(world.Staybnb, "HM1"); len(left) != 0 {
		t.Fatalf("%v is still there", left)
	}
}
