package reconcile

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/stages/reconcile/compile"
)

// session is the DuckDB session that a judgement works in.
type session interface {
	Exec(ctx context.Context, statement string, args ...any) error
	Query(ctx context.Context, statement string, args ...any) (*sql.Rows, error)
}

// judgement is one reconcile of one entity over the views in_* of a session. It
// reads them and fills the tables out_*; it knows no lake.
type judgement struct {
	entity  *compile.Entity
	systems []systemState
	run     runState
	guards  config.Guards
	perHash int                               // candidates of a hash range; bounds memory
	text    func(name string) (string, error) // a statement of sql/reconcile
}

// systemState is what is known of a system in this run.
type systemState struct{ joined, due, complete, quarantined bool }

// runState is what is known of the run.
type runState struct {
	id         string
	at, lastAt time.Time // pinned clocks of this and of the last reconcile
	plan       string    // under which unapproved changes wait
	yes        bool
	everything bool
}

// numbered takes up a range of candidates. While it is judged, _key is the
// number of the key in its range, since the joins of long rows compare integers
// in half the time that texts take; the key itself is the column key of cand.
const numbered = "CREATE OR REPLACE TEMP TABLE cand AS SELECT row_number() OVER ()::INTEGER AS _key, _khash, _key AS key FROM candidate WHERE _khash BETWEEN %d AND %d"

// The statements between what the entity compiles to, in the order in which a
// range of keys is judged.
func (j judgement) judgeRange(ctx context.Context, s session) error {
	steps := []struct {
		file     string
		compiled []string
	}{
		{compiled: j.entity.Records()}, {compiled: j.entity.Standing()}, {file: "inputs"},
		{compiled: j.entity.Shown()}, {file: "cells"}, {compiled: j.entity.Loud()}, {compiled: j.entity.Answers()},
		{file: "learn"}, {file: "decided"}, {file: "observe"}, {file: "presence"},
		{compiled: append(j.entity.Laid("old"), j.entity.Altered())}, {file: "view_old"}, {file: "fields"},
		{compiled: j.entity.Claimed()}, {file: "contest"}, {compiled: append(j.entity.Checked(), j.entity.Said())}, {file: "held"}, {file: "unfold"},
		{compiled: append(j.entity.Laid("new"), j.entity.Written())}, {file: "view_new"}, {file: "judged"}, {file: "send"}, {file: "hold"}, {file: "rows"},
		{compiled: []string{j.entity.Golden()}},
	}
	for _, step := range steps {
		if step.file == "unfold" && !j.entity.Lossy() {
			continue
		}
		if step.file != "" {
			if err := j.file(ctx, s, step.file); err != nil {
				return err
			}
		}
		if err := execAll(ctx, s, step.compiled); err != nil {
			return err
		}
	}
	return nil
}

// judge runs the whole judgement. What it leaves in out_* depends on the views
// and the parameters only, not on the number of ranges or threads. Where streams
// say too much at once it begins again without them; the table p_quarantine names
// them.
func (j judgement) judge(ctx context.Context, s session) error {
	if err := s.Exec(ctx, "CREATE OR REPLACE TEMP TABLE p_quarantine (system VARCHAR, observed VARCHAR)"); err != nil {
		return err
	}
	j.systems = slices.Clone(j.systems)
	for {
		if err := j.judgeAll(ctx, s); err != nil {
			return err
		}
		more, err := j.quarantine(ctx, s)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if err := j.file(ctx, s, "plan"); err != nil {
		return err
	}
	if err := j.size(ctx, s); err != nil {
		return err
	}
	return j.file(ctx, s, "guard")
}

// quarantine finds the streams that say too much, and reports whether there are
// more of them than before.
func (j judgement) quarantine(ctx context.Context, s session) (more bool, err error) {
	if err := j.file(ctx, s, "input"); err != nil {
		return false, err
	}
	names, err := quarantined(ctx, s)
	for i, system := range j.entity.Systems {
		if slices.Contains(names, system.Name) && !j.systems[i].quarantined {
			j.systems[i].quarantined, more = true, true
		}
	}
	return more, err
}

// quarantined are the systems whose input nobody judges.
func quarantined(ctx context.Context, s session) ([]string, error) {
	rows, err := s.Query(ctx, "SELECT system FROM p_quarantine ORDER BY system")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// judgeAll judges every key that has to be looked at, range by range.
func (j judgement) judgeAll(ctx context.Context, s session) error {
	if err := j.prepare(ctx, s); err != nil {
		return err
	}
	ranges, err := j.ranges(ctx, s)
	if err != nil {
		return err
	}
	for _, r := range ranges {
		if err := s.Exec(ctx, fmt.Sprintf(numbered, r[0], r[1])); err != nil {
			return err
		}
		if err := j.judgeRange(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (j judgement) prepare(ctx context.Context, s session) error {
	var rows []string
	for i, system := range j.entity.Systems {
		state := j.systems[i]
		rows = append(rows, system.SystemRow(i, state.joined, state.due, state.complete, state.quarantined))
	}
	statements := append(j.entity.Parameters(), compile.SystemTable(rows), j.runTable(), j.guardRows(), j.entity.News())
	for name, table := range j.entity.Outputs() {
		statements = append(statements, compile.Create(name, table))
	}
	if err := execAll(ctx, s, statements); err != nil {
		return err
	}
	names := []string{"macros", "collected", "words", "candidates"}
	if j.run.everything {
		if err := s.Exec(ctx, j.entity.Everything()); err != nil {
			return err
		}
		names = append(names, "everything")
	}
	for _, name := range names {
		if err := j.file(ctx, s, name); err != nil {
			return err
		}
	}
	return nil
}

func (j judgement) runTable() string {
	against := j.entity.Resolve.Deletes.AgainstUpdate
	if against == "" {
		against = "hold"
	}
	return fmt.Sprintf("CREATE OR REPLACE TEMP TABLE p_run AS SELECT %s AS run, %d::BIGINT AS run_at_us, %d::BIGINT AS last_at_us, %s AS plan, %t AS yes, %s AS entity, %s AS against_update, %t AS recreate, %d::BIGINT AS window_us",
		compile.Literal(j.run.id), j.run.at.UnixMicro(), j.run.lastAt.UnixMicro(), compile.Literal(j.run.plan), j.run.yes,
		compile.Literal(j.entity.Name), compile.Literal(against), j.entity.Resolve.Deletes.Recreate == "create", j.guards.Window.Microseconds())
}

// guardRows: a limit of zero keys and zero percent is no guard.
func (j judgement) guardRows() string {
	statement, in := "DELETE FROM p_guard", j.guards.Input
	for kind, limit := range map[string]config.Limit{"deletes": j.guards.MaxDeletes, "updates": j.guards.MaxChanges, "creates": j.guards.MaxCreates,
		"input deletes": in.MaxDeletes, "input stale": in.MaxDeletes, "input news": in.MaxChanges, "input nulls": in.MaxNulls} {
		if limit.AtLeast > 0 || limit.Percent > 0 {
			statement += fmt.Sprintf(";\nINSERT INTO p_guard VALUES (%s, %d, %g)", compile.Literal(kind), limit.AtLeast, limit.Percent)
		}
	}
	return statement
}

// size counts the records of the systems, but only where a guard could trip:
// a small change set costs no scan of the crosswalk.
func (j judgement) size(ctx context.Context, s session) error {
	return s.Exec(ctx, `CREATE OR REPLACE TEMP TABLE p_size AS
SELECT system, count(*) AS records FROM in_crosswalk
WHERE state = 'live' AND system IN (SELECT system FROM volume JOIN p_guard USING (kind) WHERE keys > at_least AND percent > 0)
GROUP BY system`)
}

// ranges cuts the candidates' hashes into parts [low, high] of about perHash keys.
func (j judgement) ranges(ctx context.Context, s session) ([][2]int64, error) {
	rows, err := s.Query(ctx, fmt.Sprintf("SELECT max(_khash) FROM (SELECT _khash, (row_number() OVER (ORDER BY _khash, _key) - 1) // %d AS part FROM candidate) GROUP BY part ORDER BY part", max(j.perHash, 1)))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out [][2]int64
	low := int64(math.MinInt64)
	for rows.Next() {
		var high int64
		if err := rows.Scan(&high); err != nil {
			return nil, err
		}
		if high < low {
			continue // keys of one hash are judged together
		}
		out = append(out, [2]int64{low, high})
		if high == math.MaxInt64 {
			break
		}
		low = high + 1
	}
	return out, rows.Err()
}

func (j judgement) file(ctx context.Context, s session, name string) error {
	text, err := j.text(name)
	if err != nil {
		return err
	}
	if err := s.Exec(ctx, text); err != nil {
		return fmt.Errorf("reconcile/%s.sql: %w", name, err)
	}
	return nil
}

func execAll(ctx context.Context, s session, statements []string) error {
	for _, statement := range statements {
		if err := s.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%.60s: %w", statement, err)
		}
	}
	return nil
}
