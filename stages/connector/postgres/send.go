package postgres

import (
	"context"
	"crypto/sha256"
	_ "embed" // of the statement
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/schemas"
)

//go:embed keyed.sql
var keyedSQL string

// Send runs a statement in a transaction of its own, once, as load.Target says.
//
// The transaction takes an advisory lock on the record's name before the fence
// is asked. The lock lasts until the transaction is over on the server, also when
// this process or the connection has died meanwhile; Fetch and Search wait for
// it. So what they show after a doubt is final.
func (s *Stream) Send(ctx context.Context, req pipeline.Request, op pipeline.WriteOp, fence func() error) (pipeline.Answer, error) {
	var st statement
	if err := json.Unmarshal([]byte(req.Body), &st); err != nil || st.SQL == "" {
		return pipeline.Answer{}, s.sendError(fault.Permanent, req, errors.New("the stored request is no statement"))
	}
	pass, err := s.gate.Enter(ctx, pace.Urgent)
	if err != nil {
		return pipeline.Answer{}, s.sendError(fault.KindOf(err), req, err).WithRetryAfter(fault.RetryAfterOf(err)).WithNote("nothing was sent")
	}
	defer pass.Abandon() // does nothing after Leave
	ctx, cancel := context.WithTimeout(ctx, s.client.timeout)
	defer cancel()
	conn, err := s.openWrite(ctx, st, op)
	if err != nil {
		kind := fault.KindOf(s.failed(ctx, "", err))
		pass.Leave(pace.Result{Failed: kind == fault.Transient})
		return pipeline.Answer{}, s.sendError(kind, req, err).WithNote("nothing was sent")
	}
	defer s.client.put(conn)
	if err := fence(); err != nil {
		s.client.end(conn)
		pass.Abandon()
		return pipeline.Answer{}, err
	}
	if err := ctx.Err(); err != nil {
		s.client.end(conn)
		return pipeline.Answer{}, s.sendError(fault.Transient, req, err).WithNote("nothing was sent")
	}
	// From here on whatever is not the server's own word is a doubt.
	a := pipeline.Answer{At: s.client.now()}
	rows, err := commit(ctx, conn, st)
	if err != nil {
		s.client.end(conn)
		err = s.refused(&a, req, err)
		pass.Leave(pace.Result{Failed: a.Outcome == pipeline.InDoubt || err != nil})
		return a, err
	}
	pass.Leave(pace.Result{})
	s.answer(&a, st, op, rows)
	return a, nil
}

// openWrite begins a transaction and locks the record's name. Nothing of it has
// an effect.
func (s *Stream) openWrite(ctx context.Context, st statement, op pipeline.WriteOp) (*pgconn.PgConn, error) {
	conn, err := s.client.get(ctx)
	if err != nil {
		return nil, err
	}
	ms := s.client.timeout.Milliseconds() * 3 / 4 // the server gives up before we do, so that it can say so
	err = exec(ctx, conn, fmt.Sprintf("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = %d; "+
		"SET LOCAL idle_in_transaction_session_timeout = %d; SELECT pg_advisory_xact_lock(%d)", ms, ms, ms, lockNumber(st.Lock)))
	if err == nil && op != pipeline.OpCreate && !s.unique.Load() {
		err = s.checkKey(ctx, conn)
	}
	if err != nil {
		s.client.end(conn)
		return nil, err
	}
	return conn, nil
}

// checkKey refuses a table in which an ID could mean several rows.
func (s *Stream) checkKey(ctx context.Context, conn *pgconn.PgConn) error {
	names := make([]string, len(s.key))
	for i, k := range s.key {
		name, err := columnName(s.columns[k].field)
		if err != nil {
			return err
		}
		names[i] = name
	}
	rows, err := query(ctx, conn, keyedSQL, s.write.table, textArray(names))
	if err != nil {
		return err
	}
	if string(rows[0][0]) != "t" {
		return fault.New(fault.Permanent, "write "+s.id.String(), fmt.Errorf("no unique constraint says that one row of %s has one %v", s.write.table, names)).
			WithWhere(s.place()).WithHelp("add one, or name the table's own key as primary_key")
	}
	s.unique.Store(true)
	return nil
}

// commit sends the statement and its COMMIT together, in one message to the
// server: nobody can die between them.
func commit(ctx context.Context, conn *pgconn.PgConn, st statement) ([][][]byte, error) {
	params := make([][]byte, len(st.Arguments))
	for i, a := range st.Arguments {
		if a != nil {
			params[i] = []byte(*a)
		}
	}
	var batch pgconn.Batch
	batch.ExecParams(st.SQL, params, nil, nil, nil)
	batch.ExecParams("COMMIT", nil, nil, nil, nil)
	results, err := conn.ExecBatch(ctx, &batch).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(results) != 2 || results[1].CommandTag.String() != "COMMIT" {
		return nil, errors.New("the server did not confirm the commit")
	}
	return results[0].Rows, nil
}

// refused is a write that did not end in a commit that we saw: the server's own
// refusal is an answer, silence is a doubt.
func (s *Stream) refused(a *pipeline.Answer, req pipeline.Request, err error) error {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		a.Outcome, a.Evidence = outcomeOf(answer), s.client.redact.Text(evidence(answer))
		if help := helpFor(answer); help != "" {
			a.Evidence += "; " + help
		}
		return nil
	}
	return s.sendError(fault.Unknown, req, fmt.Errorf("no answer: %w", s.client.clean(err))).
		WithNote("it may have taken effect; it is read back before anything else is sent")
}

func (s *Stream) sendError(kind fault.Kind, req pipeline.Request, err error) *fault.Error {
	place := s.place()
	place.Object = req.Method + " " + req.Path
	return fault.New(kind, "send", s.client.clean(err)).WithWhere(place).WithHelp(fault.HelpOf(err))
}

// answer says what the rows of a committed statement mean.
func (s *Stream) answer(a *pipeline.Answer, st statement, op pipeline.WriteOp, rows [][][]byte) {
	a.Outcome, a.Digest = pipeline.Applied, digest(rows)
	switch {
	case op == pipeline.OpDelete:
		a.Outcome, a.Evidence = deleted(rows)
		return
	case len(rows) == 0 && op == pipeline.OpCreate:
		a.Outcome, a.Evidence = pipeline.AlreadyTrue, "a row with this key exists"
		return
	case len(rows) == 0:
		a.Outcome, a.Evidence = pipeline.Stale, "no row has this key and version"
		return
	}
	a.Evidence = fmt.Sprintf("%d row committed", len(rows))
	s.returned(a, st, rows[0])
}

// deleted reads the answer of a delete.
func deleted(rows [][][]byte) (pipeline.Outcome, string) {
	switch {
	case len(rows) != 1 || len(rows[0]) != 2:
		return pipeline.InDoubt, "the server did not say what was deleted"
	case string(rows[0][0]) != "0":
		return pipeline.Applied, "1 row deleted"
	case string(rows[0][1]) == "t":
		return pipeline.Stale, "the row is another version"
	}
	return pipeline.AlreadyTrue, "no row has this key"
}

// returned takes the row and its ID out of the answer. A row that does not fit
// its declared types is still written.
func (s *Stream) returned(a *pipeline.Answer, st statement, row [][]byte) {
	if !st.Whole || len(row) != len(s.columns) {
		a.ID = s.idOf(row)
		return
	}
	b, err := schemas.NewRowBuilder(s.decode)
	if err != nil {
		return
	}
	if dead := s.append(b, row, a.At); dead != nil {
		a.ID = dead.ID
		a.Evidence += fmt.Sprintf(", and the row does not fit: field %s: %s", dead.Field, dead.Reason)
		return
	}
	rows := b.Flush()
	a.ID, a.Record = idsOf(rows)[0], &pipeline.Batch{Rows: rows}
}

// digest is a hash of an answer.
func digest(rows [][][]byte) string {
	h := sha256.New()
	for _, row := range rows {
		for _, v := range row {
			fmt.Fprintf(h, "%d:%s,", len(v), v)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
