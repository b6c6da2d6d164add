//go:build duckdb_arrow

package duck

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/duckdb/duckdb-go/v2"
)

// Session is one connection over one snapshot. Its views and tables are its own
// and end with it; the files that they read stay until then.
type Session struct {
	conn   *sql.Conn
	links  *links
	at     Snapshot
	number uint64   // of the session in its engine
	held   []string // links
	count  int      // of registered batches
	locked bool
}

// Close ends the session. Closing twice is safe.
func (s *Session) Close() error {
	err := s.conn.Close()
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	held := s.held
	s.held = nil
	return errors.Join(classify("close a DuckDB session", err), s.links.release(held))
}

// Exec runs one or more statements. Arguments are bound to the last.
func (s *Session) Exec(ctx context.Context, statements string, args ...any) error {
	if s.locked {
		return refusal("it may read and nothing else", statements)
	}
	_, err := s.conn.ExecContext(ctx, statements, args...)
	return classify(beginning(statements), err)
}

// Query runs a statement. The caller closes the rows before the session is used
// again. Unless the statement orders them, rows come in any order.
func (s *Session) Query(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	if err := s.readsOnly(statement); err != nil {
		return nil, err
	}
	rows, err := s.conn.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, classify(beginning(statement), err)
	}
	return rows, nil
}

// Arrow runs a statement and gives its rows as Arrow. The caller releases the
// reader before the session is used again. The whole result is in memory before
// the first row is: ask for one range at a time where it may be large.
func (s *Session) Arrow(ctx context.Context, statement string, args ...any) (array.RecordReader, error) {
	if err := s.readsOnly(statement); err != nil {
		return nil, err
	}
	var reader array.RecordReader
	err := s.raw(func(c connection) error {
		a, err := duckdb.NewArrowFromConn(c)
		if err != nil {
			return err
		}
		reader, err = a.QueryContext(ctx, statement, args...)
		return err
	})
	if err != nil {
		return nil, classify(beginning(statement), err)
	}
	return reader, nil
}

// RunAt sets what run_date() gives: the date of the run's pinned clock in UTC.
// Without it run_date() is null.
func (s *Session) RunAt(ctx context.Context, at time.Time) error {
	return s.Exec(ctx, "SET VARIABLE run_date = DATE "+Literal(at.UTC().Format(time.DateOnly)))
}

// connection is what a connection of the driver is.
type connection interface {
	driver.Conn
	driver.ExecerContext
}

// raw gives the driver's side of the connection.
func (s *Session) raw(do func(connection) error) error {
	return s.conn.Raw(func(c any) error {
		conn, ok := c.(connection)
		if !ok {
			return fmt.Errorf("the driver gave a %T", c)
		}
		return do(conn)
	})
}
