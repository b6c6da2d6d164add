// Package review keeps what people decide: which effects may be sent, and which
// may not, and what becomes of a hold, with who, why and what they were shown. A
// decision counts from the next load on, that of a hold from the next reconcile. It must never change a record or send anything.
package review

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// Kinds of decisions.
const (
	Approve = "approve"
	Reject  = "reject"
	Settle  = "decide" // settles a hold
)

// Lifetime is how long an approval stands, by the project's clock.
const Lifetime = 24 * time.Hour

// Decision is what a person says of some effects. An approval binds to what
// would happen: system, key, operation, values before and after.
type Decision struct {
	ID      string // never used before
	Kind    string
	Target  string   // the plan, change or hold that was named
	Effects []string // digests
	Shown   string   // what the person saw, as JSON
	Person  string
	Reason  string
	At      time.Time
	Choice  string // of a hold: as Choice.JSON gives it
}

// Deps are what a decision is stored with.
type Deps struct {
	Lake   *lake.Lake
	Engine *duck.Engine
	Writer func(t tables.Table, epoch uint64) *delta.Writer
}

// Decide stores a decision. It stands even if a run commits at the same time; it
// is told apart by its ID, so that it is in once, whatever answer was lost.
func Decide(ctx context.Context, deps Deps, d Decision) error {
	effects := slices.Sorted(slices.Values(d.Effects))
	text, err := json.Marshal(slices.Compact(effects))
	if err != nil {
		return fmt.Errorf("decision %s: %w", d.ID, err)
	}
	_, err = deps.Lake.Decide(ctx, lake.Decision{ID: d.ID,
		In: func(ctx context.Context, head *lake.Snapshot) (bool, error) { return decided(ctx, deps, head, d.ID) },
		Build: func(ctx context.Context, head *lake.Snapshot) (lake.Step, error) {
			return d.step(ctx, deps, head, string(text))
		},
	})
	if err != nil {
		return fmt.Errorf("store the decision on %s: %w", d.Target, err)
	}
	return nil
}

// decided looks for a decision in the head's table.
func decided(ctx context.Context, deps Deps, head *lake.Snapshot, id string) (bool, error) {
	session, err := deps.Engine.Session(ctx, head)
	if err != nil {
		return false, err
	}
	defer session.Close()
	if err := session.Current(ctx, tables.Decisions(), "decisions"); err != nil {
		return false, err
	}
	rows, err := session.Query(ctx, "SELECT decision FROM decisions WHERE decision = $1", id)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	in := rows.Next()
	return in, rows.Err()
}

// step makes the decision's row.
func (d Decision) step(ctx context.Context, deps Deps, head *lake.Snapshot, effects string) (lake.Step, error) {
	b := delta.NewRows(tables.Decisions())
	b.Text(d.ID).Text(d.Kind).Text(d.Target).Text(effects).Text(d.Shown).Text(d.Person).Optional(d.Reason).
		Time(d.At)
	if d.Kind == Settle {
		b.Null().Text(d.Choice) // what was decided of a value stands until somebody has news
	} else {
		b.Time(head.Clock(d.At).Add(Lifetime)).Null()
	}
	rows := b.Batch()
	defer rows.Release()
	w := deps.Writer(tables.Decisions(), head.Commit().Epoch)
	if err := w.Write(rows); err != nil {
		w.Abort()
		return lake.Step{}, err
	}
	files, err := w.Close(ctx)
	return lake.Step{Stage: "decide", Add: map[string][]lake.File{tables.Decisions().Name: files}}, err
}
