package replica

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/schemas"
)

// Assumed is an observation that stands for a sight nobody could get: the record
// with this ID, holding what was sent. The caller releases the batch.
func (s *Stream) Assumed(id string, values pipeline.Values, askedAt time.Time) (arrow.RecordBatch, error) {
	b, err := schemas.NewRowBuilder(schemas.DecodeSpec{Fields: s.declared, PrimaryKey: s.primary})
	if err != nil {
		return nil, fmt.Errorf("assume what %s holds: %w", s.ID, err)
	}
	index := func(name string) int {
		return slices.IndexFunc(s.declared, func(f schemas.Field) bool { return f.Name == name })
	}
	for name, v := range values {
		switch i := index(name); {
		case i < 0:
			return nil, fmt.Errorf("assume what %s holds: it has no field %q", s.ID, name)
		case v == nil:
			b.SetNull(i)
		default:
			b.SetCanonical(i, *v)
		}
	}
	parts := []string{id}
	if len(s.primary) > 1 {
		if err := json.Unmarshal([]byte(id), &parts); err != nil || len(parts) != len(s.primary) {
			return nil, fmt.Errorf("assume what %s holds: ID %q does not have %d parts", s.ID, id, len(s.primary))
		}
	}
	for i, name := range s.primary {
		b.SetCanonical(index(name), parts[i])
	}
	if refused := b.Finish(schemas.RowMeta{AskedAt: askedAt}, nil); refused != nil {
		return nil, fmt.Errorf("assume what %s holds: field %s: %s", s.ID, refused.Field, refused.Reason)
	}
	return b.Flush(), nil
}
