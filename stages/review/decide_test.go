package review_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/store/faulty"
	"github.com/trueup-data/trueup/pipeline/store/mem"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/review"
	"github.com/trueup-data/trueup/stages/review/story"
	"github.com/trueup-data/trueup/stages/stagetest"
)

func depsOf(t *testing.T, b *stagetest.Bench) review.Deps {
	dir := t.TempDir()
	return review.Deps{Lake: b.Lake, Engine: b.Engine, Writer: func(table tables.Table, epoch uint64) *delta.Writer {
		return delta.NewWriter(delta.Destination{Store: b.Store, Cache: b.Cache, TempDir: dir,
			Key: func() string { return b.Lake.NewDataKey(table.Name, epoch) }}, table, delta.Options{})
	}}
}

// A decision is stored once, whichever answer of the store is lost.
func TestADecisionIsInOnceWhateverAnswerIsLost(t *testing.T) {
	lost := 0
	for at := range 12 {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			armed, n := false, 0
			st := faulty.New(mem.New(), func(op faulty.Operation) faulty.Action {
				if !armed || !strings.HasPrefix(op.Name, "put") {
					return faulty.Pass
				}
				n++
				if n-1 == at {
					lost++
					return faulty.ErrAfter
				}
				return faulty.Pass
			})
			b := stagetest.Over(t, st, stagetest.NewClock())
			b.Begin(t)
			armed = true
			d := review.Decision{ID: "d1", Kind: review.Approve, Target: "plan-1", Effects: []string{"b", "a", "b"}, Shown: "[]", Person: "ana", At: b.Clock.Now()}
			deps := depsOf(t, b)
			for try := 0; review.Decide(t.Context(), deps, d) != nil; try++ {
				if try == 3 {
					t.Fatal("it is never stored")
				}
			}
			armed = false
			got := b.Query(t, "SELECT count(*), any_value(person), any_value(effects) FROM decisions", tables.Decisions())
			if len(got) != 1 || got[0] != `1|ana|["a","b"]` {
				t.Errorf("%q", got)
			}
		})
	}
	if lost == 0 {
		t.Error("no answer was lost")
	}
}

// Runs measure an approval by their own clock. Where that is ahead of the
// machine's, an approval of now must not be over before it counts.
func TestAnApprovalExpiresByTheClockOfTheRuns(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"ahead": 72 * time.Hour, "behind": -72 * time.Hour} {
		b := stagetest.New(t)
		now := b.Clock.Now()
		if _, err := b.Lake.Begin(t.Context(), lake.Opening{Run: "run-x", RunAt: now.Add(ahead), Project: "test"}); err != nil {
			t.Fatal(err)
		}
		if err := review.Decide(t.Context(), depsOf(t, b), review.Decision{ID: "d1", Kind: review.Approve, Effects: []string{"a"}, Shown: "[]", At: now}); err != nil {
			t.Fatal(err)
		}
		want := now.Add(max(ahead, 0) + review.Lifetime).UnixMicro()
		if got := b.Query(t, "SELECT epoch_us(recorded_at), epoch_us(expires_at) FROM decisions", tables.Decisions()); got[0] != fmt.Sprintf("%d|%d", now.UnixMicro(), want) {
			t.Errorf("%s: %v, want it to end at %d", name, got, want)
		}
	}
}

// Every view that a query sees can be made, of a lake that holds nothing yet.
func TestEveryViewBindsAndHasTheColumnsThatItDeclares(t *testing.T) {
	b := stagetest.New(t)
	text := schemas.Type{Kind: schemas.String}
	project := &config.Project{Entities: []config.Entity{{Name: "bookings", Key: []string{"code"},
		Fields: []config.EntityField{{Name: "code", Type: text}},
		Streams: []config.Stream{{System: "pms", Extract: config.Extract{PrimaryKey: []string{"id"},
			Fields: []schemas.Field{{Name: "id", Type: text}, {Name: "code", Type: text}}}}}}}}
	head, err := b.Lake.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	session, err := b.Engine.Session(t.Context(), head)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	views := story.Sources(project)
	if err := story.Bind(t.Context(), session, views); err != nil {
		t.Fatal(err)
	}
	for _, v := range views {
		for _, c := range v.Table.Columns {
			rows, err := session.Query(t.Context(), fmt.Sprintf(`SELECT %q FROM %q`, c.Name, v.Name))
			if err != nil {
				t.Errorf("%s.%s: %v", v.Name, c.Name, err)
				continue
			}
			rows.Close()
		}
	}
}
