package reconcile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/reconcile/merge"
)

// lossOf is a loss in words.
func lossOf(t testing.TB, words string) (field string, loss config.Loss) {
	t.Helper()
	none := 0
	switch words {
	case "case":
		return "note", config.Loss{Case: true}
	case "spaces":
		return "note", config.Loss{Trim: true}
	case "cents":
		return "price", config.Loss{Precision: &none}
	case "that late is delayed":
		return "note", config.Loss{Aliases: map[string]string{"delayed": "late"}}
	}
	if _, err := fmt.Sscanf(words, "all but %d characters", &loss.Truncate); err != nil {
		t.Fatalf("no loss is called %q", words)
	}
	return "note", loss
}

// declare makes a loss of a field that the system holds as it is known to both.
func declare(stream *config.Stream, system *merge.System, field string, loss config.Loss) {
	if stream.Write.Lossy == nil {
		stream.Write.Lossy, system.Loss = map[string]config.Loss{}, map[string]merge.Loss{}
	}
	kind := textType
	if field == "price" {
		kind = priceType
	}
	stream.Write.Lossy[field] = loss
	system.Loss[field] = merge.Loss{Column: field, Text: kind.Kind == schemas.String, Fold: func(text string) string { return loss.Fold(kind, text) },
		Words: func(text string) string { return loss.Words().Fold(kind, text) }}
}

// loses draws a loss, and gives what a system with it does to the values that it
// is sent: it shows another value that counts as the same.
func (g *game) loses(t testing.TB, stream *config.Stream, system *merge.System) func(fields map[string]*string) {
	words := *g.pick("case", "spaces", "cents", "that late is delayed", "all but 2 characters")
	field, loss := lossOf(t, words)
	declare(stream, system, field, loss)
	fold := system.Loss[field].Fold
	return func(fields map[string]*string) {
		v := fields[field]
		if v == nil {
			return
		}
		now := fold(*v)
		switch {
		case words == "case":
			now = strings.ToUpper(*v)
		case words == "that late is delayed" && *v == "late":
			now = "delayed"
		}
		fields[field] = &now
	}
}
