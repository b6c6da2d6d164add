package extract

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/sql"
)

// mark is where a partition stands.
type mark struct {
	checkpoint pipeline.Checkpoint
	lateness   int64 // greatest seen, in the cursor's unit
}

// marks is where a stream stands.
type marks struct {
	partitions  map[string]mark
	fingerprint string         // scope of the last complete sweep; "": none yet
	sweep       sweep          // the newest that left marks; the zero value: none did
	swept       pipeline.RunID // the last sweep that ended
}

func readMarks(ctx context.Context, session *duck.Session, id pipeline.StreamID) (marks, error) {
	m := marks{partitions: map[string]mark{}}
	if err := session.Current(ctx, tables.Checkpoints(), "checkpoints"); err != nil {
		return m, err
	}
	rows, err := ask(ctx, session, "extract/checkpoints.sql", id.Entity, id.System)
	if err != nil {
		return m, fmt.Errorf("where %s stands: %w", id, err)
	}
	defer rows.Close()
	for rows.Next() {
		var r markRow
		if err := rows.Scan(&r.kind, &r.partition, &r.literal, &r.order, &r.last, &r.page, &r.lateness, &r.fingerprint,
			&r.state, &r.proven, &r.reason, &r.rows); err != nil {
			return m, fmt.Errorf("where %s stands: %w", id, err)
		}
		m.take(r)
	}
	return m, rows.Err()
}

// markRow is a row of the checkpoints.
type markRow struct {
	kind, partition                         string
	literal, last, page, fingerprint, state sql.NullString
	order                                   sql.NullInt64
	lateness, rows                          int64
	proven                                  bool
	reason                                  string
}

func (m *marks) take(r markRow) {
	switch r.kind {
	case tables.CheckpointScope:
		m.fingerprint = r.fingerprint.String
	case tables.CheckpointSwept:
		m.swept = pipeline.RunID(r.last.String)
	case tables.CheckpointSweep:
		m.sweep.take(r)
	case tables.CheckpointCursor:
		m.partitions[r.partition] = mark{lateness: r.lateness, checkpoint: pipeline.Checkpoint{LastID: r.last.String, Page: r.page.String,
			Cursor: pipeline.Cursor{Literal: r.literal.String, Order: r.order.Int64, Set: r.literal.Valid}}}
	}
}

func readDoubted(ctx context.Context, session *duck.Session, id pipeline.StreamID, settled time.Time) (map[string]bool, error) {
	if err := session.Current(ctx, tables.Changes(id.Entity), "changes"); err != nil {
		return nil, err
	}
	return readSet(ctx, session, "extract/doubted.sql", id.System, settled.UnixMicro())
}

func readLetters(ctx context.Context, session *duck.Session, id pipeline.StreamID) (map[string]bool, error) {
	if err := session.Current(ctx, tables.DeadLetters(), "dead_letters"); err != nil {
		return nil, err
	}
	return readSet(ctx, session, "extract/letters.sql", id.Entity, id.System)
}

// readSet runs a statement that gives one column of text.
func readSet(ctx context.Context, session *duck.Session, name string, args ...any) (map[string]bool, error) {
	rows, err := ask(ctx, session, name, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	set := map[string]bool{}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		set[text] = true
	}
	return set, rows.Err()
}

// ask runs a statement of the folder sql.
func ask(ctx context.Context, session *duck.Session, name string, args ...any) (*sql.Rows, error) {
	statement, err := queries.Text(name)
	if err != nil {
		return nil, err
	}
	return session.Query(ctx, statement, args...)
}
