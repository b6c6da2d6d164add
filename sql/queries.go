// Package queries is every SQL statement of Trueup, as .sql files that parse as
// they stand. It must never hold a statement that is put together from text:
// values are bound, and names are quoted by pipeline/duck.
package queries

import (
	"embed"
	"fmt"
)

//go:embed */*.sql
var files embed.FS

// Text gives the statements of a file, such as "extract/absent.sql".
func Text(name string) (string, error) {
	data, err := files.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("no statement is named %q", name)
	}
	return string(data), nil
}
