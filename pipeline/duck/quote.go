//go:build duckdb_arrow

package duck

import (
	"fmt"
	"strings"

	"github.com/trueup-data/trueup/sql"
)

// Quote makes a name safe inside a statement.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Literal makes text safe inside a statement, where a value cannot be bound.
func Literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// quoteAll makes a list of names.
func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = Quote(n)
	}
	return strings.Join(quoted, ", ")
}

// places are what stands in a statement where "$name" does. They are made by the
// functions above and of scans, and never of text from outside.
type places map[string]string

// fill reads a statement and puts the places in. Its file parses as it stands,
// since a place is a quoted name there. A place that the statement does not have,
// or one that nobody fills, is a mistake of the program.
func fill(statement string, p places) (string, error) {
	text, err := queries.Text(statement)
	if err != nil {
		return "", err
	}
	pairs := make([]string, 0, 2*len(p))
	for name, value := range p {
		place := `"$` + name + `"`
		if !strings.Contains(text, place) {
			return "", fmt.Errorf("statement %s has no place %s", statement, name)
		}
		pairs = append(pairs, place, value)
	}
	for _, part := range strings.Split(text, `"$`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if _, ok := p[name]; !ok {
			return "", fmt.Errorf("nobody fills place %s of statement %s", name, statement)
		}
	}
	return strings.NewReplacer(pairs...).Replace(text), nil
}

// beginning names a statement in errors: its first line that is not a comment.
func beginning(statement string) string {
	for line := range strings.Lines(statement) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
			return fmt.Sprintf("run %.60q", line)
		}
	}
	return "run an empty statement"
}
