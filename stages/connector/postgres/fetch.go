package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/schemas"
)

// fetchIDs is how many rows one statement reads by ID.
const fetchIDs = 500

// CanFetch is true: every table is read by its primary key.
func (s *Stream) CanFetch() bool { return true }

// Fetch reads rows by ID. It waits for a write of ours to these records that may
// still be running, however its connection ended, so that what it shows settles a
// doubt. An ID that cannot be a key of the table is Failed, not gone.
func (s *Stream) Fetch(ctx context.Context, ids []string) (pipeline.FetchResult, error) {
	out := pipeline.FetchResult{Failed: map[string]error{}}
	b, err := schemas.NewRowBuilder(s.decode)
	if err != nil {
		return out, err
	}
	for chunk := range slices.Chunk(ids, fetchIDs) {
		if err := s.fetch(ctx, b, chunk, &out); err != nil {
			return pipeline.FetchResult{}, err
		}
	}
	if b.Len() > 0 {
		out.Batch.Rows = b.Flush()
	}
	return out, nil
}

// fetch reads some IDs. One that the database cannot read as a key spoils the
// statement, so each is then read by itself.
func (s *Stream) fetch(ctx context.Context, b *schemas.RowBuilder, ids []string, out *pipeline.FetchResult) error {
	var args, locks, asked []string
	for _, id := range ids {
		key, err := s.keyOf(id)
		if err != nil {
			out.Failed[id] = err
			continue
		}
		args, locks, asked = append(args, key...), append(locks, s.lockOf(id)), append(asked, id)
	}
	if len(asked) == 0 {
		return nil
	}
	var tuples []string
	for i := range asked {
		tuples = append(tuples, "("+parameters(i*len(s.key)+1, len(s.key))+")")
	}
	seen, err := s.look(ctx, b, look{where: "(" + s.keyNames() + ") IN (" + strings.Join(tuples, ", ") + ")", args: args, locks: locks})
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused) && class(refused) == classData && len(asked) == 1:
		out.Failed[asked[0]] = err
		return nil
	case errors.As(err, &refused) && class(refused) == classData:
		for _, id := range asked {
			if err := s.fetch(ctx, b, []string{id}, out); err != nil {
				return err
			}
		}
		return nil
	case err != nil:
		return err
	}
	s.sort(asked, seen, out)
	return nil
}

// sort gives every ID that was asked for its one place in the result.
func (s *Stream) sort(asked []string, seen sights, out *pipeline.FetchResult) {
	for _, d := range seen.dead {
		out.Failed[d.ID] = fault.New(fault.Permanent, "read a record", fmt.Errorf("field %s: %s", d.Field, d.Reason)).WithWhere(s.place())
	}
	out.Batch.Dead = append(out.Batch.Dead, seen.dead...)
	for _, id := range asked {
		if _, failed := out.Failed[id]; !failed && !slices.Contains(seen.ids, id) {
			out.Gone = append(out.Gone, id)
		}
	}
}

// Search finds the rows that carry a key of ours, as Fetch does.
func (s *Stream) Search(ctx context.Context, keyFields map[string]string) (pipeline.Batch, error) {
	if s.write == nil || len(s.write.search) == 0 {
		return pipeline.Batch{}, fault.New(fault.Permanent, "search "+s.id.String(), errors.New("no field carries the entity's key as it is")).
			WithWhere(s.place()).WithHelp("map the key to a field, or name write.unique")
	}
	b, err := schemas.NewRowBuilder(s.decode)
	if err != nil {
		return pipeline.Batch{}, err
	}
	l := look{locks: []string{s.lockOfKey(keyFields)}}
	var parts []string
	for i, c := range s.write.search {
		text, err := c.input(keyFields[s.write.keyFields[i]])
		if err != nil {
			return pipeline.Batch{}, err
		}
		l.args = append(l.args, text)
		parts = append(parts, c.name+" = "+c.target(fmt.Sprintf("$%d", i+1)))
	}
	l.where = strings.Join(parts, " AND ")
	seen, err := s.look(ctx, b, l)
	if err != nil {
		return pipeline.Batch{}, err
	}
	out := pipeline.Batch{Dead: seen.dead}
	if b.Len() > 0 {
		out.Rows = b.Flush()
	}
	return out, nil
}

// look is a read of some rows.
type look struct {
	where string
	args  []string
	locks []string // names of the records that it waits for
}

// sights are the IDs that a look added to a builder, and what did not fit.
type sights struct {
	ids  []string
	dead []pipeline.DeadLetter
}

// look reads rows, and repeats that as often as the policy allows.
func (s *Stream) look(ctx context.Context, b *schemas.RowBuilder, l look) (sights, error) {
	var rows [][][]byte
	var out sights
	asked := s.client.now()
	err := s.gate.Do(ctx, pace.Urgent, s.policy, func(ctx context.Context) pace.Attempt {
		ctx, cancel := context.WithTimeout(ctx, s.client.timeout)
		defer cancel()
		conn, err := s.client.get(ctx)
		if err != nil {
			return attempt(s.failed(ctx, "read "+s.id.String(), err))
		}
		defer s.client.put(conn)
		asked = s.client.now()
		if rows, err = s.lookOn(ctx, conn, l); err != nil {
			s.client.end(conn)
			err = errors.Join(s.failed(ctx, "read "+s.id.String(), err), dataError(err))
		}
		return attempt(err)
	})
	if err != nil {
		return out, err
	}
	for _, values := range rows {
		if dead := s.append(b, values, asked); dead != nil {
			out.dead = append(out.dead, *dead)
			continue
		}
		key := make([][]byte, len(s.key))
		for i, k := range s.key {
			key[i] = values[k]
		}
		out.ids = append(out.ids, s.idOf(key))
	}
	return out, nil
}

// idOf is the ID of a row, from its key's columns.
func (s *Stream) idOf(key [][]byte) string {
	spec := schemas.DecodeSpec{PrimaryKey: s.decode.PrimaryKey}
	for _, k := range s.key {
		spec.Fields = append(spec.Fields, s.columns[k].field)
	}
	b, err := schemas.NewRowBuilder(spec)
	if err != nil || len(key) != len(s.key) {
		return ""
	}
	for i, k := range s.key {
		c := s.columns[k]
		c.at = i
		c.set(b, key[i])
	}
	if b.Finish(schemas.RowMeta{}, nil) != nil {
		return ""
	}
	rows := b.Flush()
	defer rows.Release()
	return idsOf(rows)[0]
}

// dataError keeps an error about a value, for whoever can do without that value.
func dataError(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && class(refused) == classData {
		return refused
	}
	return nil
}

// lookOn waits for our own writes of the records and then reads them. Every
// statement sees what was committed before it began, so the read sees what the
// writes that were waited for did.
func (s *Stream) lookOn(ctx context.Context, conn *pgconn.PgConn, l look) ([][][]byte, error) {
	waits := ""
	if s.write != nil {
		for _, name := range l.locks {
			waits += fmt.Sprintf("; SELECT pg_advisory_xact_lock_shared(%d)", lockNumber(name))
		}
	}
	begin := fmt.Sprintf("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL lock_timeout = %d%s", s.client.timeout.Milliseconds(), waits)
	if err := exec(ctx, conn, begin); err != nil {
		return nil, err
	}
	statement := "SELECT " + s.list() + " FROM " + s.source + " WHERE " + l.where + " ORDER BY " + s.keyNames()
	params := make([][]byte, len(l.args))
	for i, a := range l.args {
		params[i] = []byte(a)
	}
	result := conn.ExecParams(ctx, statement, params, nil, nil, nil).Read()
	if result.Err != nil {
		return nil, result.Err
	}
	if err := s.checkTypes(result.FieldDescriptions); err != nil {
		return nil, fault.New(fault.Permanent, "read "+s.id.String(), err).WithWhere(s.place())
	}
	return result.Rows, exec(ctx, conn, "COMMIT")
}

// keyOf takes an ID apart, as parameters.
func (s *Stream) keyOf(id string) ([]string, error) {
	parts := []string{id}
	if len(s.key) > 1 {
		parts = nil
		if err := json.Unmarshal([]byte(id), &parts); err != nil || len(parts) != len(s.key) {
			return nil, fmt.Errorf("%q is no ID of %s", id, s.id)
		}
	}
	for i, k := range s.key {
		text, err := s.columns[k].input(parts[i])
		if err != nil {
			return nil, err
		}
		parts[i] = text
	}
	return parts, nil
}

// lockOf names a record, and lockOfKey one that is only being created, for the
// locks by which a look waits for our own writes.
func (s *Stream) lockOf(id string) string { return s.source + "\x00id\x00" + id }

func (s *Stream) lockOfKey(keyFields map[string]string) string {
	parts := make([]string, len(s.write.keyFields))
	for i, k := range s.write.keyFields {
		parts[i] = keyFields[k]
	}
	return s.source + "\x00key\x00" + schemas.KeyText(parts)
}

// lockNumber is the advisory lock of a name.
func lockNumber(name string) int64 { return schemas.HashKey("trueup\x00" + name) }
