package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/reconcile/compile"
)

// reader names reconcile's watermarks among the checkpoints.
const reader = "reconcile"

// marks are where the last reconcile of an entity stood.
type marks struct {
	seq         uint64    // outcomes up to here are in golden
	at          time.Time // its pinned clock
	fingerprint string    // hash of the project file
	systems     map[string]mark
}

// mark is where one system stands.
type mark struct {
	seq    uint64 // observations up to here are judged
	passed bool   // its last pass ended complete, in whatever run
	joined bool   // its first plan is approved
	plan   string // the plan that it waits for
	behind uint64 // golden as of here was the last that was compared with it; 0: the newest was
}

// readMarks reads the watermarks, and who has joined since: a person approved the plan.
func readMarks(ctx context.Context, s *duck.Session, e *compile.Entity) (marks, error) {
	m := marks{systems: map[string]mark{}}
	for view, t := range map[string]tables.Table{"in_checkpoints": tables.Checkpoints(), "in_decisions": tables.Decisions()} {
		if err := s.Current(ctx, t, view); err != nil {
			return m, err
		}
	}
	text, err := statement("watermarks")
	if err != nil {
		return m, err
	}
	rows, err := s.Query(ctx, text, tables.CheckpointWatermark, e.Name, reader)
	if err != nil {
		return m, err
	}
	defer rows.Close()
	for rows.Next() {
		var system, plan, fingerprint string
		var seq, behind uint64
		var joined, passed bool
		var at time.Time
		if err := rows.Scan(&system, &seq, &behind, &joined, &passed, &plan, &fingerprint, &at); err != nil {
			return m, fmt.Errorf("where the last reconcile of %s stood: %w", e.Name, err)
		}
		if system == "" {
			m.seq, m.at, m.fingerprint = seq, at, fingerprint
			continue
		}
		m.systems[system] = mark{seq: seq, passed: passed, joined: joined, plan: plan, behind: behind}
	}
	return m, rows.Err()
}

// states are the systems as this run finds them. One that has not joined yet and
// was not due counts as it was read last: its first records may have been
// extracted by a run that did nothing else.
func (m marks) states(e *compile.Entity, read map[string]Read) []systemState {
	var out []systemState
	for _, s := range e.Systems {
		r, mark := read[s.Name], m.systems[s.Name]
		complete := r.Due && r.Complete || !r.Due && !mark.joined && mark.passed
		out = append(out, systemState{joined: mark.joined, due: r.Due, complete: complete})
	}
	return out
}

// known reports whether what the system said is judged in this run.
func (s systemState) known() bool { return !s.quarantined && (s.complete || s.joined && !s.due) }

// planOr is the plan that a system waits for already, else a new one.
func (m marks) planOr(fresh string) string {
	oldest := ""
	for _, s := range m.systems {
		if !s.joined && s.plan != "" && (oldest == "" || s.plan < oldest) {
			oldest = s.plan
		}
	}
	if oldest != "" {
		return oldest
	}
	return fresh
}

// mount makes the views that the judgement reads. A replica's new rows are those
// behind its system's watermark; golden is looked at again behind the mark of
// every system that comes back.
func mount(ctx context.Context, s *duck.Session, entity config.Entity, e *compile.Entity, m marks, read map[string]Read) error {
	for view, t := range map[string]tables.Table{
		"in_golden": e.Outputs()["out_golden"], "in_crosswalk": tables.Crosswalk(e.Name), "in_tombstones": tables.Tombstones(e.Name),
		"in_changes": tables.Changes(e.Name), "in_dead_letters": tables.DeadLetters(), "in_differences": tables.Differences(),
		"in_findings": tables.Findings(), "in_holds": tables.Holds(),
	} {
		if err := s.Current(ctx, t, view); err != nil {
			return err
		}
	}
	back, states := ^uint64(0), m.states(e, read)
	for i, stream := range entity.Streams {
		t := replicaTable(entity, stream)
		mark := m.systems[stream.System]
		if err := s.Current(ctx, t, e.Systems[i].Replica()); err != nil {
			return err
		}
		if err := s.Rows(ctx, t, e.Systems[i].Since(), duck.Since(mark.seq)); err != nil {
			return err
		}
		if mark.behind > 0 && addressed(e.Systems[i], states[i]) {
			back = min(back, mark.behind)
		}
	}
	for view, t := range map[string]tables.Table{"in_journal": tables.Journal(), "in_decided": tables.Decisions()} {
		if err := s.Rows(ctx, t, view, duck.Since(m.seq)); err != nil {
			return err
		}
	}
	return s.Rows(ctx, e.Outputs()["out_golden"], "in_golden_behind", duck.Since(back))
}

// addressed reports whether the system may be written to in this run.
func addressed(s compile.System, state systemState) bool {
	return state.known() && (state.due || s.Checked())
}

func replicaTable(entity config.Entity, stream config.Stream) tables.Table {
	id := pipeline.StreamID{Entity: entity.Name, System: stream.System}
	return tables.Replica(id, compile.StreamColumns(stream.Extract.Fields))
}
