package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
)

// Codes of PostgreSQL's errors (appendix A of its manual) that mean something of
// their own here. A class is the first two characters.
const (
	uniqueViolation     = "23505"
	completionUnknown   = "40003"
	noUniqueConstraint  = "42P10"
	insufficientRights  = "42501"
	readOnlyTransaction = "25006"
	lockNotAvailable    = "55P03"
	queryCanceled       = "57014"
	cannotConnectNow    = "57P03"
	configLimitExceeded = "53400"

	classConnection  = "08"
	classData        = "22"
	classIntegrity   = "23"
	classRollback    = "40" // serialization failure, deadlock
	classInsufficent = "53" // connections, memory, disk
	classOperator    = "57" // shutdown, crash, cancel
)

func class(e *pgconn.PgError) string {
	if len(e.Code) < 2 {
		return ""
	}
	return e.Code[:2]
}

// kindOf is what an error of the server means where nothing can have happened.
func kindOf(e *pgconn.PgError) fault.Kind {
	if e.Code == lockNotAvailable {
		return fault.Transient
	}
	switch class(e) {
	case classConnection, classRollback, classInsufficent, classOperator:
		return fault.Transient
	}
	return fault.Permanent
}

// outcomeOf is what an error of the server means for a statement whose
// transaction was sent whole. The server says ERROR only when it rolls back; an
// error that ends the connection may come after the commit, and silence (nil) too.
func outcomeOf(e *pgconn.PgError) pipeline.Outcome {
	switch {
	case e == nil, e.Severity != "ERROR" && e.SeverityUnlocalized != "ERROR", e.Code == completionUnknown, class(e) == classConnection:
		return pipeline.InDoubt
	case kindOf(e) == fault.Transient:
		return pipeline.Retryable
	}
	return pipeline.Rejected
}

// evidence says what the server said, for people. Its detail quotes values of
// the row and is left out.
func evidence(e *pgconn.PgError) string {
	parts := []string{"SQLSTATE " + e.Code, e.Message}
	if e.ConstraintName != "" {
		parts = append(parts, "constraint "+e.ConstraintName)
	}
	return strings.Join(parts, ", ")
}

// failed places an error of a read, and gives it its kind.
func (s *Stream) failed(ctx context.Context, op string, err error) error {
	var own *fault.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	e := fault.New(fault.Transient, op, s.client.clean(err)).WithWhere(s.place()).WithCode(fault.CodeUnreachable)
	var answer *pgconn.PgError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Kind = fault.Canceled
	case errors.As(err, &answer):
		e.Kind, e.Err = kindOf(answer), errors.New(s.client.redact.Text(evidence(answer)))
		e.Code, e.Help = fault.CodeSystemFailed, helpFor(answer)
		if answer.Code == insufficientRights {
			e.Code = fault.CodeAccessRefused
		}
	}
	return e
}

func helpFor(e *pgconn.PgError) string {
	switch e.Code {
	case insufficientRights:
		return "grant the role of the dsn the right to do this"
	case readOnlyTransaction:
		return "the dsn leads to a read-only server: name the primary"
	case noUniqueConstraint:
		return "add a unique constraint over the columns of write.unique, or remove unique"
	case cannotConnectNow, configLimitExceeded:
		return "wait until the server is up"
	}
	return ""
}
