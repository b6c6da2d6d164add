//go:build duckdb_arrow

package duck

import (
	"context"
	"errors"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// The codes of DuckDB's errors: what a caller may branch on beside the kind.
const (
	CodeStatement = fault.CodeStatement // the SQL is wrong: syntax, names, types
	CodeValue     = fault.CodeValue     // a value does not fit its type, divides by zero, is out of range
	CodeMemory    = fault.CodeMemory    // the memory limit, or the disk that takes what does not fit
	CodeFile      = fault.CodeFile      // a file cannot be read or written
	CodeRefused   = fault.CodeRefused   // the session may not do that
	CodeBroken    = fault.CodeBroken    // DuckDB itself failed; the engine must be opened again
)

// classify gives an error of DuckDB its kind. Nothing has an unknown outcome: a
// session keeps nothing that outlives it.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.Canceled, op, err)
	}
	var d *duckdb.Error
	if !errors.As(err, &d) {
		return fault.New(fault.KindOf(err), op, err)
	}
	if d.Type == duckdb.ErrorTypeInterrupt {
		return fault.New(fault.Canceled, op, err)
	}
	e := fault.New(fault.Permanent, op, err).WithCode(codeOf(d.Type))
	switch e.Code {
	case CodeMemory:
		return e.WithHelp("give the process more memory, or its temporary folder more room")
	case CodeBroken:
		return e.WithNote("nothing was stored").WithHelp("run the same command again")
	}
	return e
}

func codeOf(t duckdb.ErrorType) string {
	switch t {
	case duckdb.ErrorTypeOutOfMemory:
		return CodeMemory
	case duckdb.ErrorTypeConversion, duckdb.ErrorTypeOutOfRange, duckdb.ErrorTypeDivideByZero, duckdb.ErrorTypeDecimal,
		duckdb.ErrorTypeMismatchType, duckdb.ErrorTypeInvalidInput, duckdb.ErrorTypeConstraint:
		return CodeValue
	case duckdb.ErrorTypeIO:
		return CodeFile
	case duckdb.ErrorTypePermission:
		return CodeRefused
	case duckdb.ErrorTypeInternal, duckdb.ErrorTypeFatal:
		return CodeBroken
	}
	return CodeStatement
}
