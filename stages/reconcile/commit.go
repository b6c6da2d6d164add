package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/reconcile/compile"
)

// output is a judgement on its way into the lake.
type output struct {
	deps    Deps
	req     Request
	entity  *compile.Entity
	session *duck.Session
	head    *lake.Snapshot
	marks   marks
	plan    string
}

// commit stores everything that was decided, as one step. It stands only if
// golden and what belongs to it is as it was read; what systems said and did
// since waits behind the watermarks.
func (o output) commit(ctx context.Context, committer *lake.Committer) (Result, error) {
	files := lake.Files{}
	for _, name := range slices.Sorted(maps.Keys(o.entity.Outputs())) {
		t := o.entity.Outputs()[name]
		if err := o.store(ctx, files, name, t); err != nil {
			return Result{}, err
		}
	}
	result, err := o.result(ctx)
	if err != nil {
		return Result{}, err
	}
	if err := o.storeMarks(ctx, files); err != nil {
		return Result{}, err
	}
	head, err := committer.Commit(context.WithoutCancel(ctx), o.step(files)) // a commit without an answer ends the committer, so a signal waits for it
	if err != nil {
		return Result{}, fmt.Errorf("commit the reconcile of %s: %w", o.entity.Name, err)
	}
	result.Seq = head.Seq()
	return result, nil
}

// step names what was decided from. Tables that several entities or stages
// append to are taken in up to the snapshot; rows of others behind it are no move.
func (o output) step(files lake.Files) lake.Step {
	seq, name := o.head.Seq(), o.entity.Name
	step := lake.Step{Stage: "reconcile", Add: files, Versions: map[string]int{}, Basis: map[string]uint64{}, Watermarks: map[string]uint64{}}
	for _, t := range o.entity.Outputs() {
		step.Versions[t.Name] = t.Version
		if strings.HasSuffix(t.Name, "/"+name) && len(t.Key) > 0 {
			step.Basis[t.Name] = seq
		}
	}
	for _, s := range o.entity.Systems {
		step.Watermarks[tables.ReplicaName(pipeline.StreamID{Entity: name, System: s.Name})] = seq
	}
	for _, t := range []tables.Table{tables.Journal(), tables.Decisions(), tables.DeadLetters(), tables.Differences(), tables.Findings(), tables.Holds()} {
		step.Watermarks[t.Name] = seq
	}
	return step
}

// store writes one filled table, in an order that does not depend on how it was computed.
func (o output) store(ctx context.Context, files lake.Files, name string, t tables.Table) error {
	w := o.deps.Writer(t)
	rows, err := o.session.Copy(ctx, "FROM "+name+" ORDER BY ALL", w)
	if err == nil && rows == 0 {
		w.Abort()
		return nil
	}
	if err != nil {
		w.Abort()
		return fmt.Errorf("write %s: %w", t.Name, err)
	}
	return o.close(ctx, files, t, w)
}

func (o output) close(ctx context.Context, files lake.Files, t tables.Table, w *delta.Writer) error {
	made, err := w.Close(ctx)
	if err != nil {
		return fmt.Errorf("write %s: %w", t.Name, err)
	}
	files[t.Name] = append(files[t.Name], made...)
	return nil
}

// storeMarks moves the watermarks. A system that was due and not read to its end,
// or that is in quarantine, keeps its own: what it said before is judged when it is known again. One that
// got no writes in this run is compared with golden from here on when it is back.
func (o output) storeMarks(ctx context.Context, files lake.Files) error {
	joined, err := o.joined(ctx)
	if err != nil {
		return err
	}
	b := delta.NewRows(tables.Checkpoints())
	seq := o.head.Seq()
	o.markRow(b, "", seq, 0, "done", "", o.req.ProjectHash)
	states := o.marks.states(o.entity, o.req.Read)
	names, err := quarantined(ctx, o.session)
	if err != nil {
		return err
	}
	for i, s := range o.entity.Systems {
		states[i].quarantined = slices.Contains(names, s.Name)
		old := o.marks.systems[s.Name]
		state, plan, upTo, behind := "joined", "", seq, uint64(0)
		if !joined[s.Name] {
			state, plan = "planned", o.plan
		}
		if !states[i].known() {
			upTo = old.seq
		}
		if !addressed(s, states[i]) {
			behind = max(old.behind, 1)
			if old.behind == 0 && old.seq > 0 {
				behind = old.seq
			}
		}
		o.markRow(b, s.Name, upTo, behind, state, plan, "")
	}
	batch := b.Batch()
	defer batch.Release()
	w := o.deps.Writer(tables.Checkpoints())
	if err := w.Write(batch); err != nil {
		w.Abort()
		return err
	}
	return o.close(ctx, files, tables.Checkpoints(), w)
}

func (o output) markRow(b *delta.Rows, system string, seq, behind uint64, state, plan, fingerprint string) {
	b.Text(tables.CheckpointWatermark).Text(o.entity.Name).Text(system).Text(reader).
		Null().Number(int64(behind)).Null().Optional(plan).
		Null().Text(state).Null().Null().Null().Null().
		Optional(fingerprint).Number(int64(seq)).Text(string(o.req.Run)).Time(o.req.RunAt)
}

// joined are the systems whose plan is approved, or that had nothing to approve.
func (o output) joined(ctx context.Context) (map[string]bool, error) {
	rows, err := o.session.Query(ctx, "SELECT system, joined FROM joining ORDER BY system")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var system string
		var joined bool
		if err := rows.Scan(&system, &joined); err != nil {
			return nil, err
		}
		out[system] = joined
	}
	return out, rows.Err()
}

// result counts what was decided.
func (o output) result(ctx context.Context) (Result, error) {
	r := Result{Entity: o.entity.Name}
	text, err := statement("figures")
	if err != nil {
		return r, err
	}
	rows, err := o.session.Query(ctx, text)
	if err != nil {
		return r, err
	}
	defer rows.Close()
	for rows.Next() {
		var figure, system, op, state string
		var n int64
		if err := rows.Scan(&figure, &system, &op, &state, &n); err != nil {
			return r, err
		}
		switch figure {
		case "looked":
			r.Looked = n
		case "golden":
			r.Golden = n
		case "conflicts":
			r.Conflicts = n
		case "findings":
			r.Findings = n
		case "waiting":
			r.Waiting = n
		case "planned":
			if n > 0 {
				r.Plan = o.plan
			}
		case "change":
			r.Changes = append(r.Changes, Count{System: system, Op: pipeline.WriteOp(op), State: state, Keys: n})
		}
	}
	return r, rows.Err()
}
