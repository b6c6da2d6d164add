package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/schemas"
)

// Bounds of a batch: the first reached counts.
const (
	batchRows  = 10_000
	batchBytes = 8 << 20
)

// Read reads the table in one snapshot. A sweep goes by key. An incremental read
// goes by (cursor, key), which is a total order, so that every batch is a point
// to resume from; rows without a cursor come first, as null_cursor says. The
// cursor that a checkpoint carries is never beyond the horizon.
func (s *Stream) Read(ctx context.Context, req pipeline.ReadRequest, yield func(pipeline.Batch) error) (pipeline.End, error) {
	p, err := s.begin(ctx, req, yield)
	if err != nil {
		return pipeline.End{}, s.failed(ctx, "read "+s.id.String(), err)
	}
	defer s.client.put(p.conn)
	if err := p.run(ctx); err != nil {
		s.client.end(p.conn)
		var stop *stopped
		if errors.As(err, &stop) {
			return pipeline.End{}, stop.err
		}
		return pipeline.End{}, s.failed(ctx, "read "+s.id.String(), err)
	}
	reason := fmt.Sprintf("the table was read to its end in one snapshot: %d rows", p.rows)
	if p.horizon.why != "" {
		reason += "; " + p.horizon.why
	}
	return pipeline.End{Proven: true, Reason: reason}, nil
}

// pass is one read.
type pass struct {
	*Stream
	req     pipeline.ReadRequest
	yield   func(pipeline.Batch) error
	conn    *pgconn.PgConn
	horizon horizon
	from    position // an unfinished pass stands here; zero: from the beginning
	askedAt time.Time

	rows    int64
	builder *schemas.RowBuilder
	dead    []pipeline.DeadLetter
	at      position        // of the last row
	highest pipeline.Cursor // of the rows so far
	lastID  string
}

// stopped carries an error of yield.
type stopped struct{ err error }

func (e *stopped) Error() string { return e.err.Error() }

// begin connects, finds the horizon and takes the snapshot, and repeats that as
// often as the policy allows: nothing was read yet.
func (s *Stream) begin(ctx context.Context, req pipeline.ReadRequest, yield func(pipeline.Batch) error) (*pass, error) {
	p := &pass{Stream: s, req: req, yield: yield}
	var err error
	if p.builder, err = schemas.NewRowBuilder(s.decode); err != nil {
		return nil, err
	}
	if req.From.Page != "" && p.incremental() {
		if p.from, err = parsePosition(req.From.Page); err != nil {
			return nil, fault.New(fault.Permanent, "read "+s.id.String(), err).WithWhere(s.place())
		}
	}
	return p, s.gate.Do(ctx, pace.Bulk, s.policy, func(ctx context.Context) pace.Attempt {
		return attempt(s.failed(ctx, "read "+s.id.String(), p.open(ctx)))
	})
}

// attempt says of an error whether to try again, where nothing has happened.
func attempt(err error) pace.Attempt {
	again := fault.Is(err, fault.Transient)
	return pace.Attempt{Err: err, Again: again, Result: pace.Result{Failed: again}}
}

func (p *pass) incremental() bool { return p.cursor != nil && p.req.Mode == pipeline.Incremental }

// open takes the snapshot: after it nothing that commits is seen any more.
func (p *pass) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.client.timeout)
	defer cancel()
	conn, err := p.client.get(ctx)
	if err != nil {
		return err
	}
	p.askedAt = p.client.now()
	if p.cursor != nil {
		p.horizon, err = p.findHorizon(ctx, conn)
	}
	if err == nil {
		// The first statement that reads takes the snapshot.
		err = exec(ctx, conn, fmt.Sprintf("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = %d; SELECT pg_current_snapshot()",
			p.client.timeout.Milliseconds()))
	}
	if err != nil {
		p.client.end(conn)
		return err
	}
	p.conn = conn
	return nil
}

// findHorizon is the horizon of this pass and of what it goes on from.
func (p *pass) findHorizon(ctx context.Context, conn *pgconn.PgConn) (horizon, error) {
	h, err := p.Stream.horizon(ctx, conn)
	switch {
	case err != nil:
		return h, err
	case h.standby && p.incremental():
		return h, fault.New(fault.Permanent, "read "+p.id.String(), errors.New("the server is a standby: transactions that are still open on its primary cannot be seen, so that rows could be missed")).
			WithWhere(p.place()).WithHelp("let the dsn name the primary, or remove incremental and read whole")
	case p.from.set:
		return h.lower(p.from.horizon), nil
	}
	return h, nil
}

// exec runs statements without parameters.
func exec(ctx context.Context, conn *pgconn.PgConn, statements string) error {
	_, err := conn.Exec(ctx, statements).ReadAll()
	return err
}

// run reads everything that the mode asks for.
func (p *pass) run(ctx context.Context) error {
	if !p.incremental() {
		statement := fmt.Sprintf("SELECT %s, %s FROM %s ORDER BY %s", p.list(), p.keyTexts(), p.source, p.keyNames())
		if err := p.read(ctx, statement, nil, false); err != nil {
			return err
		}
		return p.end(ctx)
	}
	if err := p.withoutCursor(ctx); err != nil {
		return err
	}
	statement, args, err := p.since()
	if err != nil {
		return err
	}
	if err := p.read(ctx, statement, args, true); err != nil {
		return err
	}
	return p.end(ctx)
}

// withoutCursor reads the rows that no cursor ever reaches, or refuses them.
func (p *pass) withoutCursor(ctx context.Context) error {
	where := " FROM " + p.source + " WHERE " + p.cursor.name + " IS NULL"
	if !p.cursor.nullFail {
		return p.read(ctx, "SELECT "+p.list()+", "+p.keyTexts()+where+" ORDER BY "+p.keyNames(), nil, false)
	}
	rows, err := query(ctx, p.conn, "SELECT count(*)"+where)
	if err != nil {
		return err
	}
	if n := string(rows[0][0]); n != "0" {
		return fault.New(fault.Permanent, "read "+p.id.String(), fmt.Errorf("%s rows have no %s, and null_cursor is fail", n, p.cursor.field.Name)).
			WithWhere(p.place()).WithHelp("fill the column, or set null_cursor: read")
	}
	return nil
}

// since is the statement of an incremental read.
func (p *pass) since() (statement string, args []string, err error) {
	where := p.cursor.name + " IS NOT NULL"
	switch {
	case p.from.set:
		if len(p.from.Key) != len(p.key) {
			return "", nil, fmt.Errorf("the checkpoint is of another primary_key")
		}
		names := []string{p.cursor.expr}
		args = append([]string{p.from.Cursor}, p.from.Key...)
		for _, k := range p.key {
			names = append(names, p.columns[k].name)
		}
		where += " AND (" + strings.Join(names, ", ") + ") > (" + parameters(1, len(args)) + ")"
	case p.req.Since.Set:
		args = []string{p.cursor.bound(p.req.Since.Order, p.req.Since.Literal)}
		where += " AND " + p.cursor.expr + " >= $1"
	}
	return fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s ORDER BY %s, %s",
		p.list(), p.keyTexts(), p.source, where, p.cursor.expr, p.keyNames()), args, nil
}

// keyTexts are the key's columns as text, as a position keeps them.
func (p *pass) keyTexts() string {
	parts := make([]string, len(p.key))
	for i, k := range p.key {
		parts[i] = fmt.Sprintf("%s::text AS key_%d", p.columns[k].name, i)
	}
	return strings.Join(parts, ", ")
}

// parameters are $from, $from+1, ...: n of them.
func parameters(from, n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf("$%d", from+i)
	}
	return strings.Join(parts, ", ")
}

// read runs one statement and hands on its rows. ordered: they come by (cursor,
// key), and every batch is a point to resume from.
func (p *pass) read(ctx context.Context, statement string, args []string, ordered bool) error {
	params := make([][]byte, len(args))
	for i, a := range args {
		params[i] = []byte(a)
	}
	rows := p.conn.ExecParams(ctx, statement, params, nil, nil, nil)
	checked := false
	for rows.NextRow() {
		if !checked {
			checked = true
			if err := p.checkTypes(rows.FieldDescriptions()); err != nil {
				return fault.New(fault.Permanent, "read "+p.id.String(), err).WithWhere(p.place())
			}
		}
		if err := p.take(rows.Values(), ordered); err != nil {
			return err
		}
		if p.builder.Len() >= batchRows || p.builder.SizeBytes() >= batchBytes || len(p.dead) >= batchRows {
			if err := p.flush(ctx, ordered); err != nil {
				return err
			}
		}
	}
	if _, err := rows.Close(); err != nil {
		return err
	}
	if err := p.checkTypes(rows.FieldDescriptions()); err != nil {
		return fault.New(fault.Permanent, "read "+p.id.String(), err).WithWhere(p.place())
	}
	return p.flush(ctx, ordered)
}

// take reads one row.
func (p *pass) take(values [][]byte, ordered bool) error {
	key := values[len(p.columns):]
	for _, k := range key {
		if k == nil {
			return fault.New(fault.Permanent, "read "+p.id.String(), errors.New("a row has a null in its primary_key, which is therefore no key")).WithWhere(p.place())
		}
	}
	p.rows++
	if err := p.track(values, key, ordered); err != nil {
		return err
	}
	if dead := p.append(p.builder, values, p.askedAt); dead != nil {
		p.dead = append(p.dead, *dead)
	}
	return nil
}

// append gives a row to a builder, or says why it does not fit.
func (s *Stream) append(b *schemas.RowBuilder, values [][]byte, askedAt time.Time) *pipeline.DeadLetter {
	for i, c := range s.columns {
		c.set(b, values[i])
	}
	refusal := b.Finish(schemas.RowMeta{AskedAt: askedAt}, nil)
	if refusal == nil {
		return nil
	}
	return &pipeline.DeadLetter{ID: refusal.ID, Field: refusal.Field, Reason: refusal.Reason, Payload: s.payload(values), AskedAt: askedAt}
}

// track notes where the read stands, and proves the order that resuming rests on.
func (p *pass) track(values, key [][]byte, ordered bool) error {
	if p.cursor == nil || values[p.cursor.at] == nil {
		return nil
	}
	text := string(values[p.cursor.at])
	order, ok := p.cursor.orderOf(text)
	if ok && (!p.highest.Set || order > p.highest.Order) {
		p.highest = pipeline.Cursor{Literal: text, Order: order, Set: true}
	} else if ok && ordered && order < p.highest.Order {
		return fault.New(fault.Permanent, "read "+p.id.String(), fmt.Errorf("rows came out of order: %s after %s", text, p.highest.Literal)).WithWhere(p.place())
	}
	if !ordered {
		return nil
	}
	p.at = position{set: true, Cursor: text}
	for _, k := range key {
		p.at.Key = append(p.at.Key, string(k))
	}
	return nil
}

// flush hands on what was read, with the point to resume from if there is one.
func (p *pass) flush(ctx context.Context, ordered bool) error {
	if p.builder.Len() == 0 && len(p.dead) == 0 {
		return nil
	}
	b := pipeline.Batch{Dead: p.dead}
	if ordered {
		p.at.horizon = p.horizon
		b.Checkpoint = &pipeline.Checkpoint{Cursor: p.horizon.clamp(p.highest, p.req.From.Cursor), Page: p.at.String(), Rows: p.rows}
	}
	return p.give(ctx, b)
}

// end hands on where the stream stands now.
func (p *pass) end(ctx context.Context) error {
	if err := exec(ctx, p.conn, "COMMIT"); err != nil {
		return err
	}
	c := pipeline.Checkpoint{Cursor: p.req.From.Cursor, Rows: p.rows}
	if p.cursor != nil {
		c.Cursor = p.horizon.clamp(p.highest, p.req.From.Cursor)
	}
	return p.give(ctx, pipeline.Batch{Checkpoint: &c})
}

// give hands on a batch.
func (p *pass) give(ctx context.Context, b pipeline.Batch) error {
	if p.builder.Len() > 0 {
		b.Rows = p.builder.Flush()
		ids := idsOf(b.Rows)
		p.lastID = ids[len(ids)-1]
	}
	if b.Checkpoint != nil {
		b.Checkpoint.LastID = p.lastID
	}
	p.dead = nil
	if err := p.yield(b); err != nil {
		return &stopped{err}
	}
	return ctx.Err()
}

// idsOf are the IDs of observations.
func idsOf(rows arrow.RecordBatch) []string {
	column, ok := rows.Column(0).(*array.String) // the first column of observations
	if !ok {
		return nil
	}
	ids := make([]string, column.Len())
	for i := range ids {
		ids[i] = strings.Clone(column.Value(i))
	}
	return ids
}
