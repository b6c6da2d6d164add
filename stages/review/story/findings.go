package story

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// Incident is findings that one cause explains: what names it, and the others.
type Incident struct {
	Finding
	Members []Finding `json:"members,omitempty"`
}

// FindingFilter chooses findings; empty fields do not filter.
type FindingFilter struct {
	Kind, System string
	ID           string // of a finding: eight characters or more of it are enough
	All          bool   // resolved ones as well
}

func (f FindingFilter) wants(x Finding) bool {
	return (f.Kind == "" || f.Kind == x.Kind) && (f.System == "" || f.System == x.System) &&
		(f.ID == "" || f.ID == x.Finding || len(f.ID) >= 8 && strings.HasPrefix(x.Finding, f.ID)) &&
		(f.All || f.ID != "" || x.State == "open")
}

// Incidents lists findings by incident: open ones first, those of severity high
// before the others, then by when they were seen last. An empty list is not nil.
// Where the finding that names an incident is not wanted, the first member of it
// that is stands in its place.
func Incidents(ctx context.Context, session *duck.Session, filter FindingFilter) ([]Incident, error) {
	if err := session.Current(ctx, tables.Findings(), "findings"); err != nil {
		return nil, err
	}
	rows, err := ask(ctx, session, "review/findings.sql")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []Incident{}
	for rows.Next() {
		f, err := scanFinding(rows)
		if err != nil {
			return nil, err
		}
		if !filter.wants(f) {
			continue
		}
		at := slices.IndexFunc(out, func(i Incident) bool { return i.Incident == f.Incident })
		if at < 0 {
			out = append(out, Incident{Finding: f})
			continue
		}
		out[at].Members = append(out[at].Members, f)
	}
	return out, rows.Err()
}

func scanFinding(rows *sql.Rows) (Finding, error) {
	var f Finding
	var field, key, observed, expected, evidence, help, first, last sql.NullString
	err := rows.Scan(&f.Finding, &f.Kind, &f.Severity, &f.Entity, &f.System, &field, &key, &observed, &expected, &evidence, &help,
		&f.State, &f.Incident, &first, &last, &f.FirstSeen, &f.LastSeen)
	if err != nil {
		return f, fmt.Errorf("findings: %w", err)
	}
	f.Field, f.Key, f.Observed, f.Expected = field.String, key.String, observed.String, expected.String
	f.Evidence, f.Help, f.FirstRun, f.Run = evidence.String, help.String, first.String, last.String
	return f, nil
}
