package load

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/sql"
)

// change is a row of the changes table, in the order of its columns.
type change struct {
	khash           int64
	key             string
	name            string // change ID
	system          string
	op              pipeline.WriteOp
	id              sql.NullString
	before, after   pipeline.Values
	effect          string
	observedHash    *int64
	observedVersion *int64
	observedETag    *string
	goldenVersion   *int64
	state           string
	reason          sql.NullString
	plan            sql.NullString
	attempt         int64
	generation      int64
	run             sql.NullString
	at              time.Time

	// Of a doubt only.
	firstSent, lastSent time.Time
	sentKey             sql.NullString // idempotency key of the last send
	shownID             sql.NullString // of a create: the record that a listing has shown since
	ended               bool           // of a delete: the record is proven absent since

	sends      int    // of this run
	doubted    bool   // an earlier send has no known outcome
	failure    string // digest of the answer to that send
	keyRefused bool   // its idempotency key does not stand for this request any more
}

// into lists where a row of the table is scanned to.
func (c *change) into(before, after *sql.NullString, attempt, generation *sql.NullInt64) []any {
	return []any{&c.khash, &c.key, &c.name, &c.system, (*string)(&c.op), &c.id, before, after, &c.effect,
		&c.observedHash, &c.observedVersion, &c.observedETag, &c.goldenVersion,
		&c.state, &c.reason, &c.plan, attempt, generation, &c.run, &c.at}
}

// readChanges runs a statement that gives rows of the changes table, and for
// doubts the sends.
func readChanges(ctx context.Context, session *duck.Session, name string, doubts bool, args ...any) ([]*change, error) {
	statement, err := queries.Text(name)
	if err != nil {
		return nil, err
	}
	rows, err := session.Query(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer rows.Close()
	var out []*change
	for rows.Next() {
		c := &change{}
		var before, after sql.NullString
		var attempt, generation sql.NullInt64
		into := c.into(&before, &after, &attempt, &generation)
		if doubts {
			into = append(into, &c.firstSent, &c.lastSent, &c.sentKey, &c.shownID, &c.ended)
			c.doubted = true
		}
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.attempt, c.generation = attempt.Int64, generation.Int64
		if err := c.decode(before, after); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

func (c *change) decode(before, after sql.NullString) error {
	for _, v := range []struct {
		text sql.NullString
		into *pipeline.Values
	}{{before, &c.before}, {after, &c.after}} {
		*v.into = pipeline.Values{}
		if !v.text.Valid {
			continue
		}
		if err := json.Unmarshal([]byte(v.text.String), v.into); err != nil {
			return fmt.Errorf("change %s of %s: values cannot be read: %w", c.name, c.key, err)
		}
	}
	return nil
}

// appendTo writes the change as it stands now.
func (c *change) appendTo(b *delta.Rows, run pipeline.RunID, at time.Time) {
	b.Number(c.khash).Text(c.key).Text(c.name).Text(c.system).Text(string(c.op)).Optional(c.id.String).
		Text(encode(c.before)).Text(encode(c.after)).Text(c.effect).OptionalNumber(c.observedHash).OptionalNumber(c.observedVersion)
	if c.observedETag != nil {
		b.Text(*c.observedETag)
	} else {
		b.Null()
	}
	b.OptionalNumber(c.goldenVersion).Text(c.state).Optional(c.reason.String).Optional(c.plan.String).
		Number(c.attempt).Number(c.generation).Text(string(run)).Time(at)
}

// encode renders values as canonical JSON: Go sorts the keys of a map.
func encode(v pipeline.Values) string {
	if v == nil {
		v = pipeline.Values{}
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "{}" // a map of text always marshals
	}
	return string(text)
}

func (c *change) to(state, reason string) {
	c.state = state
	c.reason = sql.NullString{String: reason, Valid: reason != ""}
}

func (c *change) setID(id string) {
	if id != "" {
		c.id = sql.NullString{String: id, Valid: true}
	}
}
