// Package reconcile decides who is right: it compares what every system says of
// every key with what was judged last, merges that into golden, and lists what
// would have to be written where. It reads tables and writes tables, one commit
// per entity, and is golden's only writer. It must never talk to a system, send
// a change, or take what is unknown for what is absent.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/sql"
	"github.com/trueup-data/trueup/stages/reconcile/compile"
)

// Deps are what a reconcile works with. All are safe for concurrent use.
type Deps struct {
	Lake   *lake.Lake
	Tenure *lake.Tenure
	Engine *duck.Engine
	Writer func(t tables.Table) *delta.Writer // makes files under the tenure's epoch
	Log    *slog.Logger
}

// Read is how far a stream was read in this run.
type Read struct {
	Due      bool // the run was to read it
	Complete bool // every partition ended, with a reason why there is nothing more
}

// Request is one reconcile of one entity.
type Request struct {
	Run         pipeline.RunID
	RunAt       time.Time // the run's pinned clock, the only one
	Entity      config.Entity
	ProjectHash string          // when it changes every key is looked at
	Read        map[string]Read // by system; one that is missing was not due
	Yes         bool            // the first plan is approved as it is
	KeysAtOnce  int             // keys of one range: what bounds memory; 0 means 200000
}

// keysAtOnce is small enough for a range's long rows to fit a session's memory.
const keysAtOnce = 200_000

// Count is a number of changes of one kind.
type Count struct {
	System string
	Op     pipeline.WriteOp
	State  string // a state of a change
	Keys   int64
}

// Result is what a reconcile decided.
type Result struct {
	Entity    string
	Looked    int64   // keys that were judged
	Golden    int64   // golden records written
	Conflicts int64   // sides that were overridden
	Changes   []Count // changes that this reconcile made or moved, by system, operation, state
	Waiting   int64   // changes that wait for a person
	Findings  int64   // open findings of severity high
	Plan      string  // under which planned changes wait; "" when nothing does
	Seq       uint64  // of the commit
}

// Attention reports whether a person should look: a plan or a guard waits, or
// there is a grave finding.
func (r Result) Attention() bool { return r.Waiting > 0 || r.Findings > 0 }

// movedRetries is how often a reconcile begins again because what it decided
// from moved meanwhile.
const movedRetries = 5

// Run reconciles one entity over the head, and commits everything that follows
// as one step, with the watermark up to which the tables were taken in. After an
// error nothing happened, unless the commit's outcome is unknown (lake.ErrUnknown).
func Run(ctx context.Context, deps Deps, req Request) (Result, error) {
	committer := deps.Tenure.Committer("reconcile/" + req.Entity.Name)
	for try := 1; ; try++ {
		result, err := once(ctx, deps, req, committer)
		if err == nil || !errors.Is(err, lake.ErrMoved) || try == movedRetries {
			return result, err
		}
		deps.Log.Info("what was decided from moved meanwhile; reconciling again", "entity", req.Entity.Name, "try", try)
	}
}

func once(ctx context.Context, deps Deps, req Request, committer *lake.Committer) (Result, error) {
	head, err := deps.Lake.Head(ctx)
	if err != nil {
		return Result{}, err
	}
	session, err := deps.Engine.Session(ctx, head)
	if err != nil {
		return Result{}, err
	}
	defer session.Close()
	if err := session.RunAt(ctx, req.RunAt); err != nil {
		return Result{}, err
	}
	entity, err := compile.New(compile.Binder{Context: ctx, Query: session.Query}, req.Entity)
	if err != nil {
		return Result{}, fmt.Errorf("compile %s: %w", req.Entity.Name, err)
	}
	marks, err := readMarks(ctx, session, entity)
	if err != nil {
		return Result{}, err
	}
	if err := mount(ctx, session, req.Entity, entity, marks, req.Read); err != nil {
		return Result{}, err
	}
	j := judgement{entity: entity, guards: req.Entity.Guards, perHash: req.KeysAtOnce, text: statement,
		systems: marks.states(entity, req.Read),
		run: runState{id: string(req.Run), at: req.RunAt, lastAt: marks.at, plan: marks.planOr("plan-" + string(req.Run)), yes: req.Yes,
			everything: marks.fingerprint != req.ProjectHash}}
	if j.perHash == 0 {
		j.perHash = keysAtOnce
	}
	if err := j.judge(ctx, session); err != nil {
		return Result{}, fmt.Errorf("reconcile %s: %w", req.Entity.Name, err)
	}
	out := output{deps: deps, req: req, entity: entity, session: session, head: head, marks: marks, plan: j.run.plan}
	return out.commit(ctx, committer)
}

func statement(name string) (string, error) { return queries.Text("reconcile/" + name + ".sql") }
