package postgres

import (
	"context"
	"crypto/sha256"
	_ "embed" // of the statement
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/schemas"
)

//go:embed keyed.sql
var keyedSQL string

// Send runs a statement in a transaction of its own, once, as load.Target says.
func (s *Stream) Send(ctx context.Context, req pipeline.Request, op pipeline.WriteOp, fence func() error) (pipeline.Answer, error) {
	tx, err := s.transaction([]pipeline.Sending{{Request: req, Op: op}})
	if err != nil {
		return pipeline.Answer{}, err
	}
	at, rows, err := s.transact(ctx, tx, fence)
	a := pipeline.Answer{At: at}
	var late *lateError
	switch {
	case errors.As(err, &late):
		err = s.refused(&a, tx, late.err)
		return a, err
	case err != nil:
		return pipeline.Answer{}, err
	}
	s.answer(&a, tx.statements[0], op, rows[0])
	return a, nil
}

// transaction is what goes to the server in one message.
type transaction struct {
	object     string // for people
	statements []statement
	keyed      bool // some statement finds its row by ID
}

// transaction reads stored requests back.
func (s *Stream) transaction(batch []pipeline.Sending) (transaction, error) {
	tx := transaction{statements: make([]statement, len(batch))}
	for i, w := range batch {
		tx.object = w.Request.Method + " " + w.Request.Path
		tx.keyed = tx.keyed || w.Op != pipeline.OpCreate
		if err := json.Unmarshal([]byte(w.Request.Body), &tx.statements[i]); err != nil || tx.statements[i].SQL == "" {
			return tx, s.sendError(fault.Permanent, tx, errors.New("the stored request is no statement"))
		}
	}
	if len(batch) > 1 {
		tx.object = fmt.Sprintf("%d writes of %s", len(batch), s.write.name)
	}
	return tx, nil
}

// lateError is what went wrong once the statements were on the wire. Whatever is
// not the server's own word is a doubt then.
type lateError struct{ err error }

func (e *lateError) Error() string { return e.err.Error() }
func (e *lateError) Unwrap() error { return e.err }

// transact runs statements in one transaction, and gives the rows of each.
//
// The transaction takes advisory locks on the records' names before the fence is
// asked. The locks last until the transaction is over on the server, also when
// this process or the connection has died meanwhile; Fetch and Search wait for
// them. So what they show after a doubt is final.
func (s *Stream) transact(ctx context.Context, tx transaction, fence func() error) (at time.Time, rows [][][][]byte, err error) {
	pass, err := s.gate.Enter(ctx, pace.Urgent)
	if err != nil {
		return at, nil, s.sendError(fault.KindOf(err), tx, err).WithRetryAfter(fault.RetryAfterOf(err)).WithNote("nothing was sent")
	}
	defer pass.Abandon() // does nothing after Leave
	ctx, cancel := context.WithTimeout(ctx, s.client.timeout)
	defer cancel()
	conn, err := s.openWrite(ctx, tx)
	if err != nil {
		kind := fault.KindOf(s.failed(ctx, "", err))
		pass.Leave(pace.Result{Failed: kind == fault.Transient})
		return at, nil, s.sendError(kind, tx, err).WithNote("nothing was sent")
	}
	defer s.client.put(conn)
	if err := fence(); err != nil {
		s.client.end(conn)
		pass.Abandon()
		return at, nil, err
	}
	if err := ctx.Err(); err != nil {
		s.client.end(conn)
		return at, nil, s.sendError(fault.Transient, tx, err).WithNote("nothing was sent")
	}
	at = s.client.now()
	if rows, err = commit(ctx, conn, tx.statements); err != nil {
		s.client.end(conn)
		pass.Leave(pace.Result{Failed: outcomeOf(serversWord(err)) == pipeline.InDoubt})
		return at, nil, &lateError{err}
	}
	pass.Leave(pace.Result{})
	return at, rows, nil
}

// openWrite begins a transaction and locks the records' names, in one order for
// all, so that two batches cannot wait for each other. Nothing of it has an effect.
func (s *Stream) openWrite(ctx context.Context, tx transaction) (*pgconn.PgConn, error) {
	conn, err := s.client.get(ctx)
	if err != nil {
		return nil, err
	}
	locks := make([]string, len(tx.statements))
	for i, n := range lockNumbers(tx.statements) {
		locks[i] = strconv.FormatInt(n, 10)
	}
	ms := s.client.timeout.Milliseconds() * 3 / 4 // the server gives up before we do, so that it can say so
	err = exec(ctx, conn, fmt.Sprintf("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = %d; "+
		"SET LOCAL idle_in_transaction_session_timeout = %d; SELECT pg_advisory_xact_lock(n) FROM unnest('{%s}'::bigint[]) AS n", ms, ms, ms, strings.Join(locks, ",")))
	if err == nil && tx.keyed && !s.unique.Load() {
		err = s.checkKey(ctx, conn)
	}
	if err != nil {
		s.client.end(conn)
		return nil, err
	}
	return conn, nil
}

// lockNumbers are the advisory locks of statements, ascending.
func lockNumbers(statements []statement) []int64 {
	out := make([]int64, len(statements))
	for i, st := range statements {
		out[i] = lockNumber(st.Lock)
	}
	slices.Sort(out)
	return out
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

// commit sends the statements and their COMMIT together, in one message to the
// server: nobody can die between them.
func commit(ctx context.Context, conn *pgconn.PgConn, statements []statement) ([][][][]byte, error) {
	var batch pgconn.Batch
	for _, st := range statements {
		params := make([][]byte, len(st.Arguments))
		for i, a := range st.Arguments {
			if a != nil {
				params[i] = []byte(*a)
			}
		}
		batch.ExecParams(st.SQL, params, nil, nil, nil)
	}
	batch.ExecParams("COMMIT", nil, nil, nil, nil)
	results, err := conn.ExecBatch(ctx, &batch).ReadAll()
	if err != nil {
		return nil, err
	}
	last := len(statements)
	if len(results) != last+1 || results[last].CommandTag.String() != "COMMIT" {
		return nil, errors.New("the server did not confirm the commit")
	}
	rows := make([][][][]byte, last)
	for i := range rows {
		rows[i] = results[i].Rows
	}
	return rows, nil
}

// serversWord is the server's own error, or nil.
func serversWord(err error) *pgconn.PgError {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer
	}
	return nil
}

// refused is a write that did not end in a commit that we saw: the server's own
// refusal is an answer, silence is a doubt.
func (s *Stream) refused(a *pipeline.Answer, tx transaction, err error) error {
	answer := serversWord(err)
	if answer == nil {
		return s.silence(tx, err)
	}
	a.Outcome, a.Evidence = outcomeOf(answer), s.client.redact.Text(evidence(answer))
	if help := helpFor(answer); help != "" {
		a.Evidence += "; " + help
	}
	return nil
}

// silence is the doubt that a lost answer leaves.
func (s *Stream) silence(tx transaction, err error) error {
	return s.sendError(fault.Unknown, tx, fmt.Errorf("no answer: %w", s.client.clean(err))).
		WithNote("it may have taken effect; it is read back before anything else is sent")
}

func (s *Stream) sendError(kind fault.Kind, tx transaction, err error) *fault.Error {
	place := s.place()
	place.Object = tx.object
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
