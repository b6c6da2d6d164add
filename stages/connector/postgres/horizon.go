package postgres

import (
	"context"
	_ "embed" // of the statement
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trueup-data/trueup/pipeline"
)

//go:embed horizon.sql
var horizonSQL string

// horizon is how far a cursor may move: every row at or below it that was or
// will be committed is in the snapshot that is taken after the horizon. Rows
// above it are read too, and read again by the next pass.
//
// It rests on one promise of the table: that a transaction writes into the cursor
// column no time before its own start (now(), or a clock of the database), or a
// number of a sequence. Clocks of other machines are what lookback_window is for.
type horizon struct {
	order int64
	known bool
	why   string // not known: what to tell people

	standby bool // transactions of the primary cannot be seen
}

const (
	// clockMargin covers the instant between the start of a transaction and its
	// being seen.
	clockMargin = time.Second
	// patience is how long transactions whose start is not known are waited for.
	patience      = 5 * time.Second
	patienceSteps = 50
)

// horizon looks at the clock, or at the highest number, and then at who is in a
// transaction: these may still commit something below. Those that say when they
// began lower a horizon of time; the others have to end first. It is called
// outside of a transaction, before the snapshot is taken.
func (s *Stream) horizon(ctx context.Context, conn *pgconn.PgConn) (horizon, error) {
	h, err := s.farthest(ctx, conn)
	if err != nil || !h.known {
		return h, err
	}
	open, err := query(ctx, conn, horizonSQL)
	if err != nil {
		return h, err
	}
	var blind []string
	for _, row := range open {
		began, err := strconv.ParseFloat(string(row[1]), 64)
		if row[1] == nil || !s.cursor.isTime {
			blind = append(blind, string(row[0]))
			continue
		}
		if err != nil {
			return h, fmt.Errorf("start of a transaction: %w", err)
		}
		h.order = min(h.order, int64(began)-1)
	}
	if len(blind) == 0 {
		return h, nil
	}
	return s.outwait(ctx, conn, h, blind)
}

// farthest is the horizon if nobody else were there.
func (s *Stream) farthest(ctx context.Context, conn *pgconn.PgConn) (horizon, error) {
	statement := "SELECT pg_is_in_recovery(), floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
	if !s.cursor.isTime {
		statement = "SELECT pg_is_in_recovery(), max(" + s.cursor.expr + ") FROM " + s.source
	}
	rows, err := query(ctx, conn, statement)
	if err != nil {
		return horizon{}, err
	}
	if string(rows[0][0]) == "t" {
		return horizon{standby: true, why: "the cursor stays: the server is a standby"}, nil
	}
	if rows[0][1] == nil {
		return horizon{why: "the table has no numbers yet"}, nil
	}
	n, err := strconv.ParseInt(string(rows[0][1]), 10, 64)
	if err != nil {
		return horizon{}, fmt.Errorf("the highest %s: %w", s.cursor.field.Name, err)
	}
	if s.cursor.isTime {
		n -= s.margin.Microseconds()
	}
	return horizon{order: n, known: true}, nil
}

// outwait waits until some transactions are over. While one of them is not, the
// cursor stays where it was.
func (s *Stream) outwait(ctx context.Context, conn *pgconn.PgConn, h horizon, blind []string) (horizon, error) {
	for range patienceSteps {
		open, err := query(ctx, conn, horizonSQL)
		if err != nil {
			return h, err
		}
		if !slices.ContainsFunc(open, func(row [][]byte) bool { return slices.Contains(blind, string(row[0])) }) {
			return h, nil
		}
		if err := s.client.wait(ctx, patience/patienceSteps); err != nil {
			return h, err
		}
	}
	why := "the cursor stays: a transaction that may have numbers below it is still open"
	if s.cursor.isTime {
		why = "the cursor stays: a transaction is open whose start our role may not see; grant it pg_read_all_stats"
	}
	s.log.Warn(why, "stream", s.id.String())
	return horizon{why: why}, nil
}

// clamp is a cursor that is not beyond the horizon, nor before the last one.
func (h horizon) clamp(at, last pipeline.Cursor) pipeline.Cursor {
	if !h.known || !at.Set {
		return last
	}
	if at.Order > h.order {
		at = pipeline.Cursor{Order: h.order, Set: true}
	}
	if last.Set && at.Order < last.Order {
		return last
	}
	return at
}

// lower is the more careful of two horizons.
func (h horizon) lower(o horizon) horizon {
	if !h.known || o.known && o.order > h.order {
		return h
	}
	return o
}

// query runs a statement and gives its rows as text.
func query(ctx context.Context, conn *pgconn.PgConn, statement string, args ...string) ([][][]byte, error) {
	params := make([][]byte, len(args))
	for i, a := range args {
		params[i] = []byte(a)
	}
	result := conn.ExecParams(ctx, statement, params, nil, nil, nil).Read()
	if result.Err != nil {
		return nil, result.Err
	}
	return result.Rows, nil
}

// textArray writes names as an array of text.
func textArray(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(n) + `"`
	}
	return "{" + strings.Join(quoted, ",") + "}"
}
