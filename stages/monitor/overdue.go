package monitor

import (
	"context"
	"fmt"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
)

// Late is a stream that was last read to its end too long ago.
type Late struct {
	Entity   string `json:"entity"`
	System   string `json:"system"`
	Observed string `json:"observed"`
	Expected string `json:"expected"`
}

// Overdue lists the streams that are overdue as of now, whether or not there was
// a run since. It is how a run that does not happen is seen; it writes nothing.
func Overdue(ctx context.Context, s *duck.Session, project *config.Project, now time.Time) ([]Late, error) {
	if err := mount(ctx, s, nil); err != nil {
		return nil, err
	}
	return overdue(ctx, s, project, now)
}

func overdue(ctx context.Context, s session, project *config.Project, now time.Time) ([]Late, error) {
	d := detection{project: project, clock: now, from: now, text: statement}
	if err := d.prepare(ctx, s); err != nil {
		return nil, err
	}
	if err := d.files(ctx, s, "kinds", "signals", "history", "freshness"); err != nil {
		return nil, err
	}
	text, err := statement("overdue")
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(ctx, text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []Late{}
	for rows.Next() {
		var l Late
		if err := rows.Scan(&l.Entity, &l.System, &l.Observed, &l.Expected); err != nil {
			return nil, fmt.Errorf("overdue streams: %w", err)
		}
		out = append(out, l)
	}
	return out, rows.Err()
}

// Kinds lists what is watched, in a session that asked Overdue.
func Kinds(ctx context.Context, s *duck.Session) ([]string, error) {
	rows, err := s.Query(ctx, "SELECT kind FROM p_kind ORDER BY kind")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var kind string
		if err := rows.Scan(&kind); err != nil {
			return nil, fmt.Errorf("kinds of findings: %w", err)
		}
		out = append(out, kind)
	}
	return out, rows.Err()
}
