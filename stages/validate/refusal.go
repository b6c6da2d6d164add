package validate

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/trueup-data/trueup/pipeline/config"
)

// refusal is an error of DuckDB as errors_as_json renders it.
type refusal struct {
	Message    string `json:"exception_message"`
	Position   string `json:"position"`
	Candidates string `json:"candidates"`
	Subtype    string `json:"error_subtype"`
	Call       string `json:"call"`
	Name       string `json:"name"`
}

// reject turns an error of DuckDB into a problem of the file. before is how many
// bytes of the statement stand before the expression.
func (b *Binder) reject(e config.Expr, err error, before int) config.Problems {
	var r refusal
	text := err.Error()
	if i := strings.IndexByte(text, '{'); i < 0 || json.Unmarshal([]byte(text[i:]), &r) != nil {
		r.Message = text
	}
	at := e.At
	if offset, err := strconv.Atoi(r.Position); err == nil {
		at = e.Place(offset - before)
	}
	help := ""
	if r.Subtype == "NO_MATCHING_FUNCTION" {
		help = "cast what does not fit, as in CAST(x AS DATE)"
	}
	return config.Problems{config.Problem(at, "the expression cannot be evaluated", short(r.Message), help)}
}

// short is the first sentence of a message of DuckDB: the rest lists candidates.
func short(message string) string {
	message, _, _ = strings.Cut(message, "\n")
	message, _, _ = strings.Cut(message, " You might need")
	return strings.TrimRight(message, ". ")
}
