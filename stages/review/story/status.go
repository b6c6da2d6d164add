package story

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// RunRow is a run as people see it.
type RunRow struct {
	Run      string     `json:"run"`
	Mode     string     `json:"mode"`
	State    string     `json:"state"`
	Epoch    int64      `json:"epoch"`
	RunAt    time.Time  `json:"run_at"`
	Started  time.Time  `json:"started_at"`
	Ended    *time.Time `json:"ended_at,omitempty"`
	ExitCode *int64     `json:"exit_code,omitempty"`
	Summary  string     `json:"-"` // JSON, as the run left it
}

// Partition is where a partition of a stream stands.
type Partition struct {
	Stream    string    `json:"stream"`
	Partition string    `json:"partition"`
	Mode      string    `json:"mode"`
	State     string    `json:"state"`
	Proven    bool      `json:"proven"`
	Reason    string    `json:"reason,omitempty"`
	Rows      int64     `json:"rows"`
	Cursor    string    `json:"cursor,omitempty"`
	Run       string    `json:"run"`
	At        time.Time `json:"at"`
}

// Finding is something that a person should know.
type Finding struct {
	Finding   string    `json:"finding"`
	Kind      string    `json:"kind"`
	Severity  string    `json:"severity"`
	Entity    string    `json:"entity"`
	System    string    `json:"system"`
	Field     string    `json:"field,omitempty"`
	Key       string    `json:"key,omitempty"`
	Observed  string    `json:"observed,omitempty"`
	Expected  string    `json:"expected,omitempty"`
	Evidence  string    `json:"evidence,omitempty"` // a query
	Help      string    `json:"help,omitempty"`
	State     string    `json:"state"`
	Incident  string    `json:"incident"` // the finding that names the cause
	FirstRun  string    `json:"first_run,omitempty"`
	Run       string    `json:"run,omitempty"` // that saw it last, or resolved it
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
}

// Status is the state of a project in one look.
type Status struct {
	Commit   uint64           `json:"commit"`
	Runs     []RunRow         `json:"runs"`
	Streams  []Partition      `json:"streams"`
	Changes  map[string]int64 `json:"changes"` // by state, without finished ones
	Findings []Finding        `json:"findings"`
}

// ReadStatus gathers a project's state.
func ReadStatus(ctx context.Context, session *duck.Session, project *config.Project) (Status, error) {
	s := Status{Changes: map[string]int64{}}
	var err error
	if s.Runs, err = Runs(ctx, session, 1); err != nil {
		return s, err
	}
	if s.Streams, err = streams(ctx, session); err != nil {
		return s, err
	}
	// Only the states count here, and no state depends on the time.
	if _, s.Changes, err = ReadNext(ctx, session, project, time.Time{}); err != nil {
		return s, err
	}
	s.Findings, err = Findings(ctx, session)
	return s, err
}

// Runs lists the last n runs, newest first.
func Runs(ctx context.Context, session *duck.Session, n int) ([]RunRow, error) {
	if err := session.Current(ctx, tables.Runs(), "runs"); err != nil {
		return nil, err
	}
	rows, err := ask(ctx, session, "review/runs.sql", n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []RunRow{}
	for rows.Next() {
		var r RunRow
		var summary sql.NullString
		if err := rows.Scan(&r.Run, &r.Mode, &r.State, &r.Epoch, &r.RunAt, &r.Started, &r.Ended, &r.ExitCode, &summary); err != nil {
			return nil, fmt.Errorf("runs: %w", err)
		}
		r.Summary = summary.String
		out = append(out, r)
	}
	return out, rows.Err()
}

func streams(ctx context.Context, session *duck.Session) ([]Partition, error) {
	if err := session.Current(ctx, tables.Checkpoints(), "checkpoints"); err != nil {
		return nil, err
	}
	rows, err := ask(ctx, session, "review/streams.sql")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []Partition{}
	for rows.Next() {
		var p Partition
		var entity, system string
		var proven sql.NullBool
		var reason, cursor sql.NullString
		var n sql.NullInt64
		if err := rows.Scan(&entity, &system, &p.Partition, &p.Mode, &p.State, &proven, &reason, &n, &cursor, &p.Run, &p.At); err != nil {
			return nil, fmt.Errorf("streams: %w", err)
		}
		p.Stream, p.Proven, p.Reason, p.Rows, p.Cursor = entity+"@"+system, proven.Bool, reason.String, n.Int64, cursor.String
		out = append(out, p)
	}
	return out, rows.Err()
}

// Quarantines finds the open quarantines among what is named: findings, by a
// prefix of eight or more characters.
func Quarantines(ctx context.Context, session *duck.Session, names []string) ([]Finding, error) {
	open, err := Findings(ctx, session)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(open, func(f Finding) bool {
		return f.Kind != "quarantine" || !slices.ContainsFunc(names, func(n string) bool { return len(n) >= 8 && strings.HasPrefix(f.Finding, n) })
	}), nil
}

// Effect is what the approval of a quarantine binds to: all that the stream had
// said up to the moment that the finding names.
func (f Finding) Effect() string { return f.Finding + " " + f.Observed }

// Findings lists what is open.
func Findings(ctx context.Context, session *duck.Session) ([]Finding, error) {
	incidents, err := Incidents(ctx, session, FindingFilter{})
	out := []Finding{}
	for _, i := range incidents {
		out = append(append(out, i.Finding), i.Members...)
	}
	return out, err
}
