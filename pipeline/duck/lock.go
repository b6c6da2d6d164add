//go:build duckdb_arrow

package duck

import (
	"context"
	"errors"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// Lock makes the session fit for statements that anybody wrote: the engine's
// settings cannot be changed any more, and only single SELECT statements run.
// Views and tables are made before. As in every session no file beside the
// engine's is reached. It locks the settings of the whole engine, so lock a
// session of an engine of its own, with a memory limit of its own, best in a
// process of its own; bound its time by the context.
func (s *Session) Lock(ctx context.Context) error {
	for _, set := range []string{"SET preserve_insertion_order = true", "SET lock_configuration = true"} {
		if err := s.Exec(ctx, set); err != nil {
			return err
		}
	}
	s.locked = true
	return nil
}

// readsOnly refuses what a locked session does not run. EXPLAIN is refused too,
// since EXPLAIN ANALYZE runs what it explains.
func (s *Session) readsOnly(statement string) error {
	if !s.locked {
		return nil
	}
	var kind duckdb.StmtType
	err := s.raw(func(c connection) (err error) {
		// With a context the driver would run all statements but the last here.
		prepared, err := c.Prepare(statement)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, prepared.Close()) }()
		if typed, ok := prepared.(*duckdb.Stmt); ok {
			kind, err = typed.StatementType()
		}
		return err
	})
	if err != nil {
		return classify(beginning(statement), err)
	}
	if kind != duckdb.STATEMENT_TYPE_SELECT {
		return refusal("only a single SELECT runs here", statement)
	}
	return nil
}

func refusal(why, statement string) error {
	return fault.New(fault.Permanent, beginning(statement), errors.New(why)).
		WithCode(CodeRefused).WithNote("nothing was run").WithHelp("write it as one SELECT")
}
