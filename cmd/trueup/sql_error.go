package main

import (
	"errors"
	"regexp"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
)

// explained is the text of an error; one of DuckDB's about a statement is
// without the statement around it.
func explained(err error) string {
	var d *duckdb.Error
	var usage *usageError
	if !errors.As(err, &d) || !strings.Contains(d.Msg, "\nLINE ") && !errors.As(err, &usage) {
		return err.Error()
	}
	return pointed(d.Msg)
}

// lineOf splits DuckDB's "LINE 1: select x\n        ^" from what is before it.
var lineOf = regexp.MustCompile(`(?s)^(.*?)\n+(LINE \d+: )([^\n]*)\n( *)\^`)

// pointed renders DuckDB's message in one line, and under it the SQL with its caret.
func pointed(msg string) string {
	m := lineOf.FindStringSubmatch(msg)
	if m == nil {
		return strings.Join(strings.Fields(msg), " ")
	}
	caret := strings.Repeat(" ", max(len(m[4])-len(m[2]), 0)) + "^"
	return strings.Join(strings.Fields(m[1]), " ") + "\n  " + m[3] + "\n  " + caret
}
