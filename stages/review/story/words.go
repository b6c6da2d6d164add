package story

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// Word is the latest that a person said of an effect. It counts from the next
// reconcile or load on; an approval ends at Expires.
type Word struct {
	Kind    string     `json:"kind"` // approve or reject
	Person  string     `json:"person"`
	Reason  string     `json:"reason,omitempty"`
	At      time.Time  `json:"at"`
	Expires *time.Time `json:"expires_at,omitempty"`
	Expired bool       `json:"expired,omitempty"` // only where a plan is read
}

// latestWords is the latest word on every effect, by the effect's digest.
func latestWords(ctx context.Context, session *duck.Session) (map[string]*Word, error) {
	if err := session.Current(ctx, tables.Decisions(), "decisions"); err != nil {
		return nil, err
	}
	rows, err := ask(ctx, session, "review/words.sql")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]*Word{}
	for rows.Next() {
		var effect string
		var w Word
		var reason sql.NullString
		if err := rows.Scan(&effect, &w.Kind, &w.Person, &reason, &w.At, &w.Expires); err != nil {
			return nil, fmt.Errorf("decisions: %w", err)
		}
		w.Reason = reason.String
		out[effect] = &w
	}
	return out, rows.Err()
}
