package story_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trueup-data/trueup/cmd/sandbox/story"
	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/connector/rest"
	"github.com/trueup-data/trueup/stages/validate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is a served world and the streams of the story's project over it.
type stage struct {
	*world.World
	t       *testing.T
	project *config.Project
	streams map[string]*rest.Stream // by entity and system: "tasks@tidy"
}

func open(t *testing.T, o world.Options) *stage {
	t.Helper()
	o.Whole = true
	w, err := world.New(o)
	if err != nil {
		t.Fatal(err)
	}
	servers, err := w.Serve(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := servers.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &stage{World: w, t: t, streams: map[string]*rest.Stream{}, project: load(t, servers)}
	for _, e := range s.project.Entities {
		for _, st := range e.Streams {
			s.streams[e.Name+"@"+st.System] = stream(t, s.project, e, st)
		}
	}
	return s
}

func load(t *testing.T, servers *world.Servers) *config.Project {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trueup.yaml")
	if err := os.WriteFile(path, story.Project(), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, v := range servers.Env() {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	project, err := config.Load(path, func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		config.Known{"rest": rest.Keys()})
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// stream makes a stream, with retries that do not wait.
func stream(t *testing.T, p *config.Project, e config.Entity, st config.Stream) *rest.Stream {
	t.Helper()
	sys, ok := p.System(st.System)
	if !ok {
		t.Fatalf("no system %s", st.System)
	}
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	wait := func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil }
	clock := pace.Clock{Now: func() time.Time { return now }, Wait: wait}
	client, err := rest.NewClient(sys, rest.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s, err := rest.New(sys, e, st, rest.Deps{Client: client, Now: clock.Now, Wait: wait,
		Gate: pace.New(pace.Options{System: sys.Name, RequestsPerSecond: 1e6, Burst: 1000, Concurrency: 4, RetryShare: 1, BreakAfter: 50, Clock: clock})})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read reads a stream and gives its rows' count and the proof of its end.
func (s *stage) read(stream string, since pipeline.Cursor) (rows int64, end pipeline.End) {
	s.t.Helper()
	mode := pipeline.Sweep
	if since.Set {
		mode = pipeline.Incremental
	}
	end, err := s.streams[stream].Read(s.t.Context(), pipeline.ReadRequest{Run: "r", RunAt: s.Now(), Mode: mode, Since: since},
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

// records is what the world holds of a stream.
func (s *stage) records(stream string) []world.Record {
	entity, system, _ := strings.Cut(stream, "@")
	return s.Of(entity).Records(system)
}

func TestTheProjectFileReadsEverySystemWhole(t *testing.T) {
	s := open(t, world.Options{Seed: 7, Records: 800})
	if len(s.streams) != 13 {
		t.Fatalf("%d streams", len(s.streams))
	}
	for stream := range s.streams {
		rows, end := s.read(stream, pipeline.Cursor{})
		if want := int64(len(s.records(stream))); rows < want || want < 100 || !end.Proven {
			t.Errorf("%s: %d rows of %d, end %v", stream, rows, want, end)
		}
	}
}

// cursor is a time as a stream's cursor.
func cursor(stream string, at time.Time) pipeline.Cursor {
	c := pipeline.Cursor{Literal: at.Format(time.RFC3339Nano), Order: at.UnixMicro(), Set: true}
	switch _, system, _ := strings.Cut(stream, "@"); system {
	case world.Staybnb:
		c.Literal = strconv.FormatInt(at.UnixMilli(), 10)
	case world.Voyago:
		c.Literal = strconv.FormatInt(at.Unix(), 10)
	}
	return c
}

func TestTheProjectFileReadsWhatChanged(t *testing.T) {
	s := open(t, world.Options{Seed: 7, Records: 100})
	for stream := range s.streams {
		if rows, _ := s.read(stream, cursor(stream, s.Now())); rows != 0 {
			t.Errorf("%s: %d rows before anything changed", stream, rows)
		}
	}
	before := s.Now()
	s.Advance(time.Minute)
	edits, err := s.Live(time.Hour, 120, world.Mix{Authority: 2, Other: 1, Both: 1})
	if err != nil {
		t.Fatal(err)
	}
	changed := map[string]map[string]bool{}
	for _, e := range edits {
		stream := e.Entity + "@" + e.System
		if changed[stream] == nil {
			changed[stream] = map[string]bool{}
		}
		changed[stream][e.ID] = true
	}
	for stream, ids := range changed {
		if rows, _ := s.read(stream, cursor(stream, before)); rows != int64(len(ids)) {
			t.Errorf("%s: %d rows of %d changed records", stream, rows, len(ids))
		}
	}
	if len(changed) < 10 {
		t.Errorf("only %d streams changed", len(changed))
	}
}

func TestTheProjectFileReadsThroughFaults(t *testing.T) {
	var faults []world.Fault
	for i, kind := range []world.Kind{world.Throttle, world.ThrottleDate, world.ThrottleBare, world.Unavailable, world.HTML,
		world.Reset, world.TimeoutBefore, world.Truncate, world.Cut} {
		faults = append(faults, world.Fault{Kind: kind, System: world.Staybnb, Call: world.CallList, Nth: 2 + 4*(i/3)}) // three in a row
	}
	s := open(t, world.Options{Seed: 7, Records: 1200, Faults: faults})
	for _, stream := range []string{"bookings@staybnb", "availability@staybnb", "prices@staybnb"} {
		rows, end := s.read(stream, pipeline.Cursor{})
		if want := int64(len(s.records(stream))); rows < want || !end.Proven {
			t.Errorf("%s: %d rows of %d, end %v", stream, rows, want, end)
		}
	}
	if unfired := s.Unfired(); len(unfired) > 0 {
		t.Errorf("unfired: %v", unfired)
	}
}

// send prepares and sends one write.
func (s *stage) send(system string, w pipeline.Write) pipeline.Answer {
	s.t.Helper()
	target := s.streams["bookings@"+system]
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
	var bookings []world.Values
	for _, system := range []string{world.PMS, world.Staybnb} {
		a := s.send(system, pipeline.Write{Change: "c1", Op: pipeline.OpCreate, Key: "HM1", KeyFields: map[string]string{"code": "HM1"},
			After: values[system], IdempotencyKey: "k1"})
		fetched, err := s.streams["bookings@"+system].Fetch(t.Context(), []string{a.ID, "9"})
		if err != nil || len(fetched.Gone) != 1 || fetched.Batch.Rows.NumRows() != 1 {
			t.Fatalf("%s: fetched %v, %v", system, fetched, err)
		}
		fetched.Batch.Rows.Release()
		s.send(system, pipeline.Write{Change: "c2", Op: pipeline.OpUpdate, Key: "HM1", ID: a.ID, ETag: `"v1"`, IdempotencyKey: "k2",
			Before: pipeline.Values{note[system]: nil}, After: pipeline.Values{note[system]: text("ça va 👶")}})
		found, err := s.streams["bookings@"+system].Search(t.Context(), map[string]string{"code": "HM1"})
		if err != nil || found.Rows.NumRows() != 1 {
			t.Fatalf("%s: found %v, %v", system, found, err)
		}
		found.Rows.Release()
		b, _ := s.Get(system, a.ID)
		bookings = append(bookings, b)
	}
	if diff := bookings[0].Changed(bookings[1]); len(diff) != 0 || bookings[0].Get(world.Notes) != "ça va 👶" {
		t.Fatalf("%v and %v differ in %v", bookings[0], bookings[1], diff)
	}
	id := s.Find(world.Staybnb, "HM1")[0]
	s.send(world.Staybnb, pipeline.Write{Change: "c3", Op: pipeline.OpDelete, Key: "HM1", ID: id, IdempotencyKey: "k3"})
	if left := s.Find(world.Staybnb, "HM1"); len(left) != 0 {
		t.Fatalf("%v is still there", left)
	}
}

// The proof reads the lake's known differences by the names that the world gives
// fields: every column that a field of an entity is read from as it stands.
func TestTheWorldKnowsTheProjectsColumns(t *testing.T) {
	s := open(t, world.Options{})
	known := 0
	for _, e := range s.project.Entities {
		for _, st := range e.Streams {
			for _, m := range st.Map {
				column := slices.IndexFunc(st.Extract.Fields, func(f schemas.Field) bool { return f.Name == m.Expr.SQL })
				if column < 0 {
					continue
				}
				known++
				if got := world.FieldOf(e.Name, st.System, m.Expr.SQL); got != m.Name {
					t.Errorf("%s in %s: %s is taken for %s, not for %s", e.Name, st.System, m.Expr.SQL, got, m.Name)
				}
			}
		}
	}
	if known < 30 {
		t.Errorf("only %d fields were compared", known)
	}
}
