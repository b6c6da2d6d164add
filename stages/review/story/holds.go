package story

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/review"
)

// Holds lists what waits for a person, oldest first; an empty list is not nil.
// With a name it is the holds of that ID; eight or more characters are enough.
func Holds(ctx context.Context, session *duck.Session, name string) ([]review.Hold, error) {
	if err := session.Current(ctx, tables.Holds(), "holds"); err != nil {
		return nil, err
	}
	rows, err := ask(ctx, session, "review/holds.sql")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []review.Hold{}
	for rows.Next() {
		var h review.Hold
		var golden string
		if err := rows.Scan(&h.ID, &h.Entity, &h.Key, &h.Field, &h.Kind, &h.Reason, &golden, &h.Shown); err != nil {
			return nil, fmt.Errorf("holds: %w", err)
		}
		if name != "" && h.ID != name && (len(name) < 8 || !strings.HasPrefix(h.ID, name)) {
			continue
		}
		for text, into := range map[string]any{golden: &h.Golden, h.Shown: &h.Sides} {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				return nil, fmt.Errorf("hold %s: %w", h.ID, err)
			}
		}
		out = append(out, h)
	}
	return out, rows.Err()
}
