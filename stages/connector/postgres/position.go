package postgres

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/trueup-data/trueup/schemas"
)

// position is a point in the order (cursor, key), and the horizon of the pass
// that came to it: rows below it that a later snapshot shows were not read, so a
// pass that goes on from here is bound by both horizons.
type position struct {
	Cursor  string   `json:"cursor"` // as the database wrote it
	Key     []string `json:"key"`
	Horizon *int64   `json:"horizon,omitempty"` // nil: not known

	set     bool
	horizon horizon
}

// String is the position as a checkpoint keeps it.
func (p position) String() string {
	if p.horizon.known {
		p.Horizon = &p.horizon.order
	}
	data, err := json.Marshal(p)
	if err != nil {
		return "" // text and numbers always marshal
	}
	return string(data)
}

// parsePosition reads a checkpoint's page.
func parsePosition(page string) (position, error) {
	p := position{set: true}
	if err := json.Unmarshal([]byte(page), &p); err != nil || p.Cursor == "" || len(p.Key) == 0 {
		return p, errors.New("the checkpoint is of another connector; reset the stream")
	}
	if p.Horizon != nil {
		p.horizon = horizon{order: *p.Horizon, known: true}
	} else {
		p.horizon.why = "the cursor stays: this pass began when its horizon was not known"
	}
	return p, nil
}

// payload is a row as people read it in a dead letter.
func (s *Stream) payload(values [][]byte) string {
	var b strings.Builder
	for i, c := range s.columns {
		text := "null"
		if values[i] != nil {
			text = string(values[i])
		}
		if b.Len()+len(text) > schemas.MaxPayload {
			break
		}
		b.WriteString(c.field.Name + ": " + text + "\n")
	}
	return b.String()
}
