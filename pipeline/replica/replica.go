// Package replica lays observations over what is known of a stream and makes the
// rows that its replica stores: keyed, hashed, with the fields that a payload
// did not carry taken from the row before, and without what tells nothing new.
// Extract uses it for pages and load for answers, so that an observation means
// the same wherever it came from. It must never drop an observation that tells
// something, decide who is right, or write a file.
package replica

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/sql"
)

// Stream folds the observations of one stream. It is immutable and safe for
// concurrent use.
type Stream struct {
	ID       pipeline.StreamID
	Table    tables.Table
	keyed    string // the view that computes key parts and tombstones
	parts    int    // of the key
	fields   []schemas.Column
	declared []schemas.Field
	primary  []string
	hasher   *schemas.RowHasher
}

// NewStream compiles the stream's key expressions.
func NewStream(entity config.Entity, stream config.Stream) (*Stream, error) {
	view, err := keyedView(entity, stream)
	if err != nil {
		return nil, err
	}
	fields := Columns(stream.Extract.Fields)
	id := pipeline.StreamID{Entity: entity.Name, System: stream.System}
	return &Stream{ID: id, Table: tables.Replica(id, fields), keyed: view, parts: len(entity.Key),
		fields: fields, declared: stream.Extract.Fields, primary: stream.Extract.PrimaryKey, hasher: schemas.NewRowHasher(hashed(stream.Extract))}, nil
}

// Context is what a fold has to know besides the replica.
type Context struct {
	Doubted map[string]bool // keys whose next sight is stored whatever it says
	Letters map[string]bool // IDs with an open dead letter
	Cursor  int64           // of the pass before, in the unit of _version; 0: none
	Floor   int64           // below it an incremental read does not ask again; at most Cursor
}

// Folded is what a fold gives. The caller releases Rows.
type Folded struct {
	Rows    arrow.RecordBatch     // in the columns of the replica's table; nil: nothing new
	Seen    []Record              // every record that was shown, in order, with repetitions
	Fitting []string              // IDs of open dead letters that a row of this fold closes
	Keys    map[string]string     // key by ID of every record that is known or was shown
	Dead    []pipeline.DeadLetter // records whose key cannot be read; Partition is the caller's to fill
	Counts  Counts
	Late    int64 // greatest distance below Context.Cursor of a row that told something new
	Fields  *FieldFigures
}

// Fold lays batches, in the order in which they came, over the replica as the
// session sees it. named are further IDs whose keys the caller wants in Keys.
// Rows are stamped with run and epoch.
func (s *Stream) Fold(ctx context.Context, session *duck.Session, c Context, batches []arrow.RecordBatch,
	named []string, run pipeline.RunID, epoch uint64) (Folded, error) {
	f := newFolder(s.fields, s.hasher, c)
	var rows []*row
	for _, b := range batches {
		more, err := s.key(ctx, session, b)
		if err != nil {
			return Folded{}, err
		}
		rows = append(rows, more...)
	}
	if err := s.recall(ctx, session, f, rows, named); err != nil {
		return Folded{}, err
	}
	for _, r := range rows {
		f.observe(r)
	}
	out := Folded{Seen: f.seen, Fitting: slices.Sorted(maps.Keys(f.closed)), Counts: f.counts, Late: f.late, Keys: f.keys(), Dead: f.unreadable(), Fields: f.figures()}
	if len(f.out) == 0 {
		return out, nil
	}
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(s.Table.Columns))
	defer builder.Release()
	var err error
	out.Rows, err = f.build(builder, run, epoch)
	return out, err
}

// key computes keys and tombstones of a batch in DuckDB, and reads its rows.
func (s *Stream) key(ctx context.Context, session *duck.Session, batch arrow.RecordBatch) ([]*row, error) {
	numbered, err := withRowNumbers(batch)
	if err != nil {
		return nil, err
	}
	defer numbered.Release()
	release, err := session.Register(ctx, "batch", numbered)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := session.Exec(ctx, s.keyed); err != nil {
		return nil, fmt.Errorf("key of %s: %w", s.ID, err)
	}
	statement, err := queries.Text("replica/keys.sql")
	if err != nil {
		return nil, err
	}
	rows, err := session.Query(ctx, statement)
	if err != nil {
		return nil, fmt.Errorf("key of %s: %w", s.ID, err)
	}
	defer rows.Close()
	out, err := s.payload(batch)
	if err != nil {
		return nil, err
	}
	return out, scanKeys(rows, out, s.parts)
}

// KeysOf gives the key of every row of a connector's batch; "" where it cannot be read.
func (s *Stream) KeysOf(ctx context.Context, session *duck.Session, batch arrow.RecordBatch) ([]string, error) {
	rows, err := s.key(ctx, session, batch)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(rows))
	for i, r := range rows {
		keys[i] = r.key
	}
	return keys, nil
}

// recall enters what the replica says of the records that rows and named name.
func (s *Stream) recall(ctx context.Context, session *duck.Session, f *folder, rows []*row, named []string) error {
	names := nameBatch(rows, named)
	defer names.Release()
	release, err := session.Register(ctx, "named", names)
	if err != nil {
		return err
	}
	defer release()
	statement, err := queries.Text("replica/current.sql")
	if err != nil {
		return err
	}
	if err := session.Current(ctx, s.Table, "current"); err != nil {
		return err
	}
	reader, err := session.Arrow(ctx, statement)
	if err != nil {
		return fmt.Errorf("what is known of %s: %w", s.ID, err)
	}
	defer reader.Release()
	for reader.Next() {
		batch := reader.RecordBatch()
		batch.Retain()
		if err := f.knowAll(batch); err != nil {
			return err
		}
	}
	return reader.Err()
}

// hashed are the fields that count for what a record says. When it was changed
// is told by its version, and is no change by itself.
func hashed(x config.Extract) []schemas.Field {
	out := slices.Clone(x.Fields)
	for i := range out {
		if out[i].Name == x.Version || x.Incremental != nil && out[i].Name == x.Incremental.CursorField {
			out[i].Ignore = true
		}
	}
	return out
}

// Columns are the declared fields of a stream as columns of its replica.
func Columns(fields []schemas.Field) []schemas.Column {
	out := make([]schemas.Column, len(fields))
	for i, f := range fields {
		out[i] = schemas.Column{Name: f.Name, Type: f.Type}
	}
	return out
}

// Read runs a statement of the folder sql and gives its rows. The caller
// releases the batches.
func Read(ctx context.Context, session *duck.Session, name string, args ...any) ([]arrow.RecordBatch, error) {
	statement, err := queries.Text(name)
	if err != nil {
		return nil, err
	}
	reader, err := session.Arrow(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer reader.Release()
	var out []arrow.RecordBatch
	for reader.Next() {
		batch := reader.RecordBatch()
		batch.Retain()
		out = append(out, batch)
	}
	return out, reader.Err()
}
