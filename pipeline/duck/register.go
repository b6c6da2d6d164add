//go:build duckdb_arrow

package duck

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/duckdb/duckdb-go/v2"
)

// Sink takes the batches of Copy. It keeps or copies what it needs: the batch is
// released when Write returns. A *delta.Writer is one.
type Sink interface {
	Write(batch arrow.RecordBatch) error
}

// Register copies a batch into a temporary table of the session, replacing one
// of that name. The batch may be released at once. release drops the table; it
// need not be called before Close.
func (s *Session) Register(ctx context.Context, name string, batch arrow.RecordBatch) (release func(), err error) {
	reader, err := array.NewRecordReader(batch.Schema(), []arrow.RecordBatch{batch})
	if err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	defer reader.Release()
	return s.RegisterReader(ctx, name, reader)
}

// RegisterReader is Register for any number of batches of one schema.
func (s *Session) RegisterReader(ctx context.Context, name string, reader array.RecordReader) (release func(), err error) {
	if s.locked {
		return nil, refusal("it may read and nothing else", "register "+name)
	}
	return s.register(ctx, name, reader)
}

func (s *Session) register(ctx context.Context, name string, reader array.RecordReader) (release func(), err error) {
	s.count++
	// The driver makes the view of a stream visible to every session.
	stream := fmt.Sprintf("_stream_%d_%d", s.number, s.count)
	err = s.raw(func(c connection) error {
		a, err := duckdb.NewArrowFromConn(c)
		if err != nil {
			return err
		}
		free, err := a.RegisterView(reader, stream)
		if err != nil {
			return err
		}
		defer free()
		// A stream can be read once, a table as often as needed.
		_, err = c.ExecContext(ctx, "CREATE OR REPLACE TEMP TABLE "+Quote(name)+" AS SELECT * FROM "+Quote(stream), nil)
		_, dropped := c.ExecContext(context.WithoutCancel(ctx), "DROP VIEW "+Quote(stream), nil)
		if err != nil {
			return err
		}
		return dropped
	})
	if err != nil {
		return nil, classify("register "+name, err)
	}
	return func() { s.drop(context.WithoutCancel(ctx), name) }, nil
}

// drop frees a table's memory. One that was replaced or dropped is no failure,
// and neither is a session that ended.
func (s *Session) drop(ctx context.Context, name string) {
	_, _ = s.conn.ExecContext(ctx, "DROP TABLE IF EXISTS temp."+Quote(name))
}

// Copy writes the rows of a statement to a sink, in the statement's order, and
// counts them.
func (s *Session) Copy(ctx context.Context, statement string, to Sink, args ...any) (rows int64, err error) {
	reader, err := s.Arrow(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	defer reader.Release()
	for reader.Next() {
		batch := reader.RecordBatch()
		if err := to.Write(batch); err != nil {
			return rows, err
		}
		rows += batch.NumRows()
	}
	return rows, classify(beginning(statement), reader.Err())
}
