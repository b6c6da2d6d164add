// Package postgres reads and writes the rows of a table in PostgreSQL as records
// of a stream: in one snapshot, by a total order, and by statements that say what
// they expect to find. It satisfies extract.Source and load.Target.
//
// It must never move a cursor past a row that may still become visible, read a
// time without a zone as an instant, touch a row by a key that is not unique, let
// a statement that may have committed pass for one that failed, or show a
// password.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/schemas"
)

// Deps are what a connector works with. Gate is required.
type Deps struct {
	Gate   *pace.Gate        // the one gate of the system
	Client *Client           // what all streams of the system share; nil: the stream has its own
	Policy pace.Policy       // of retries; its zero value has defaults
	Redact *observe.Redactor // learns the password; nil: the client has its own
	Log    *slog.Logger      // nil: none

	Now  func() time.Time // default time.Now
	Wait func(ctx context.Context, d time.Duration) error
}

// Stream is one entity in one database. It is safe for concurrent use.
type Stream struct {
	id     pipeline.StreamID
	client *Client
	gate   *pace.Gate
	policy pace.Policy
	log    *slog.Logger

	source  string // what follows FROM
	columns []column
	decode  schemas.DecodeSpec
	key     []int // of columns: the primary key
	cursor  *cursorColumn
	write   *writing // nil: only read

	unique atomic.Bool   // the write key was seen to be unique
	margin time.Duration // of the clock, below which a horizon stays
}

// New makes a stream from its part of the project file. It does not connect.
// Errors are config.Problems, with places.
func New(sys config.System, ent config.Entity, st config.Stream, deps Deps) (*Stream, error) {
	if deps.Gate == nil {
		return nil, errors.New("a Postgres stream needs the gate of its system")
	}
	s, err := compile(sys, ent, st)
	if err != nil {
		return nil, err
	}
	if s.client = deps.Client; s.client == nil {
		if s.client, err = NewClient(sys, deps); err != nil {
			return nil, err
		}
	}
	s.gate, s.policy, s.log, s.margin = deps.Gate, deps.Policy, deps.Log, clockMargin
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// Keys is what this connector adds to a project file.
func Keys() config.ConnectorKeys {
	return config.ConnectorKeys{
		System: systemSettings{}, Extract: extractSettings{}, Write: writeSettings{}, CanFetch: true, WritesByDefault: true,
		Check: func(sys config.System, ent config.Entity, st config.Stream) error {
			_, client := NewClient(sys, Deps{})
			_, stream := compile(sys, ent, st)
			return errors.Join(client, stream)
		},
	}
}

// compile checks and prepares everything that needs no connection.
func compile(sys config.System, ent config.Entity, st config.Stream) (*Stream, error) {
	var system systemSettings
	var x extractSettings
	if err := errors.Join(sys.Settings.Decode(&system), st.Extract.Settings.Decode(&x)); err != nil {
		return nil, err
	}
	s := &Stream{
		id:     pipeline.StreamID{Entity: ent.Name, System: sys.Name},
		decode: schemas.DecodeSpec{Fields: st.Extract.Fields, PrimaryKey: st.Extract.PrimaryKey, Version: st.Extract.Version},
	}
	if _, err := schemas.NewRowBuilder(s.decode); err != nil {
		return nil, config.Problem(st.Extract.At, "the fields of "+s.id.String()+" cannot be read", err.Error(), "")
	}
	for _, step := range []func() error{
		func() error { return s.compileColumns(st.Extract) },
		func() error { return s.compileSource(system, st.Extract, x) },
		func() error { return s.compileCursor(st.Extract) },
		func() error { return s.compileWrite(system, ent, st, x) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// compileSource finds what is read.
func (s *Stream) compileSource(system systemSettings, at config.Extract, x extractSettings) error {
	switch {
	case (x.Table.Text == "") == (x.Query == nil):
		return config.Problem(at.At, "extract of "+s.id.String()+" needs table or query", "one of them says what is read", "")
	case x.Query != nil:
		query := strings.TrimRight(strings.TrimSpace(x.Query.SQL), "; \n\t")
		s.source = "(\n" + query + "\n) AS source"
		return nil
	}
	var err error
	s.source, _, err = tableName(system, x.Table)
	return err
}

// tableName quotes a table of the system's schema, or of its own.
func tableName(system systemSettings, name config.Name) (quoted, plain string, err error) {
	schema, table, found := strings.Cut(name.Text, ".")
	if !found {
		schema, table = system.Schema, name.Text
	}
	if schema == "" {
		schema = "public"
	}
	if table == "" || strings.Contains(table, ".") {
		return "", "", config.Problem(name.At, fmt.Sprintf("table %q is no name", name.Text), "", "write table, or schema.table")
	}
	return quote(schema) + "." + quote(table), schema + "." + table, nil
}

// quote makes a name safe inside a statement.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal makes text safe inside a statement. With standard_conforming_strings,
// which every connection sets, a backslash is a character like others.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// cursorColumn is the column by which the stream is read incrementally.
type cursorColumn struct {
	column
	isTime   bool
	nullFail bool
}

func (s *Stream) compileCursor(x config.Extract) error {
	if x.Incremental == nil {
		return nil
	}
	i := slices.IndexFunc(s.columns, func(c column) bool { return c.field.Name == x.Incremental.CursorField })
	if i < 0 {
		return config.Problem(x.At, fmt.Sprintf("cursor_field %s is not declared", x.Incremental.CursorField), "", "add it to fields")
	}
	c := s.columns[i]
	switch c.field.Type.Kind {
	case schemas.Timestamp, schemas.Int64:
		s.cursor = &cursorColumn{column: c, isTime: c.field.Type.Kind == schemas.Timestamp, nullFail: x.Incremental.NullCursor == "fail"}
		return nil
	}
	return config.Problem(x.At, fmt.Sprintf("cursor_field %s is a %s", c.field.Name, c.field.Type), "a cursor is a timestamp or an int64", "")
}

// place says where something failed.
func (s *Stream) place() fault.Place {
	return fault.Place{System: s.id.System, Stream: s.id.String()}
}

// Partitions is the one partition that a table is.
func (s *Stream) Partitions(context.Context) ([]pipeline.Partition, error) {
	return []pipeline.Partition{{}}, nil
}
