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
	fingerprint string // scope of the last complete sweep; "": none yet
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
		var kind, partition string
		var literal, last, page, fingerprint sql.NullString
		var order sql.NullInt64
		var one mark
		if err := rows.Scan(&kind, &partition, &literal, &order, &last, &page, &one.lateness, &fingerprint); err != nil {
			return m, fmt.Errorf("where %s stands: %w", id, err)
		}
		switch kind {
		case tables.CheckpointScope:
			m.fingerprint = fingerprint.String
		case tables.CheckpointCursor:
			one.checkpoint = pipeline.Checkpoint{LastID: last.String, Page: page.String,
				Cursor: pipeline.Cursor{Literal: literal.String, Order: order.Int64, Set: literal.Valid}}
			m.partitions[partition] = one
		}
	}
	return m, rows.Err()
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
