package story

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// Event is one thing that happened to a record.
type Event struct {
	At     time.Time         `json:"at"`
	Run    string            `json:"run"`
	What   string            `json:"what"` // observed, decided, intent, outcome, settled, overridden
	System string            `json:"system,omitempty"`
	Text   string            `json:"text"`
	Values map[string]string `json:"values,omitempty"`
}

// Record is all that is known of one key.
type Record struct {
	Entity string                       `json:"entity"`
	Key    string                       `json:"key"`
	Golden map[string]string            `json:"golden"` // entity fields; null and unset are left out
	Live   bool                         `json:"live"`
	Known  bool                         `json:"known"` // golden holds, or held, the key
	Shown  map[string]map[string]string `json:"shown"` // what each system shows now, in its own fields
	IDs    map[string]string            `json:"ids"`
	Events []Event                      `json:"events"` // newest first
}

// Explain tells the story of a record.
func Explain(ctx context.Context, session *duck.Session, project *config.Project, entity, key string) (Record, error) {
	r := Record{Entity: entity, Key: key, Golden: map[string]string{}, Shown: map[string]map[string]string{}, IDs: map[string]string{}}
	i := slices.IndexFunc(project.Entities, func(e config.Entity) bool { return e.Name == entity })
	if i < 0 {
		return r, fmt.Errorf("the project has no entity %q", entity)
	}
	e := project.Entities[i]
	if err := r.golden(ctx, session, e); err != nil {
		return r, err
	}
	for _, s := range e.Streams {
		if err := r.observations(ctx, session, e, s); err != nil {
			return r, err
		}
	}
	if err := r.overridden(ctx, session); err != nil {
		return r, err
	}
	if err := r.journal(ctx, session); err != nil {
		return r, err
	}
	// Runs first: what reconcile notes bears the run's clock, which may be another than the machine's.
	slices.SortStableFunc(r.Events, func(a, b Event) int { return cmp.Or(cmp.Compare(b.Run, a.Run), b.At.Compare(a.At)) })
	return r, nil
}

// golden reads the resolved record.
func (r *Record) golden(ctx context.Context, session *duck.Session, e config.Entity) error {
	if err := session.Current(ctx, goldenTable(e), "golden"); err != nil {
		return err
	}
	rows, err := session.Query(ctx, "SELECT COLUMNS(*)::VARCHAR FROM golden WHERE _key = $1", r.Key)
	if err != nil {
		return fmt.Errorf("golden record: %w", err)
	}
	return eachRow(rows, func(row map[string]any) {
		r.Known = true
		r.Live = show(row["_live"]) == "true"
		for _, f := range e.Fields {
			if v := row[f.Name]; v != nil {
				r.Golden[f.Name] = show(v)
			}
		}
	})
}

// observations reads everything that one system said of the key.
func (r *Record) observations(ctx context.Context, session *duck.Session, e config.Entity, s config.Stream) error {
	id := pipeline.StreamID{Entity: e.Name, System: s.System}
	if err := session.Rows(ctx, tables.Replica(id, replica.Columns(s.Extract.Fields)), "story"); err != nil {
		return err
	}
	rows, err := session.Query(ctx, "SELECT epoch_us(_asked_at) AS _us, COLUMNS(*)::VARCHAR FROM story WHERE _key = $1 ORDER BY _version NULLS FIRST, _epoch, _asked_at, _seq, _ord, _pos", r.Key)
	if err != nil {
		return fmt.Errorf("observations of %s: %w", id, err)
	}
	return eachRow(rows, func(row map[string]any) {
		op := show(row[pipeline.ColOp])
		values := map[string]string{}
		for _, f := range s.Extract.Fields {
			if v := row[f.Name]; v != nil {
				values[f.Name] = show(v)
			}
		}
		r.Events = append(r.Events, Event{At: moment(row["_us"]), Run: show(row[pipeline.ColRun]), What: "observed", System: s.System,
			Text: fmt.Sprintf("%s of %s", op, show(row[pipeline.ColID])), Values: values})
		delete(r.Shown, s.System)
		delete(r.IDs, s.System)
		if pipeline.Op(op) == pipeline.Upsert || pipeline.Op(op) == pipeline.Touch {
			r.Shown[s.System], r.IDs[s.System] = values, show(row[pipeline.ColID])
		}
	})
}

func (r *Record) overridden(ctx context.Context, session *duck.Session) error {
	if err := session.Rows(ctx, tables.Conflicts(r.Entity), "conflicts"); err != nil {
		return err
	}
	rows, err := session.Query(ctx, "SELECT epoch_us(recorded_at) AS _us, * FROM conflicts WHERE _key = $1", r.Key)
	if err != nil {
		return fmt.Errorf("conflicts: %w", err)
	}
	return eachRow(rows, func(row map[string]any) {
		r.Events = append(r.Events, Event{At: moment(row["_us"]), Run: show(row["run"]), What: show(row["kind"]), System: show(row["system"]),
			Text: fmt.Sprintf("%s: %s was seen, %s is golden: %s", show(row["field"]), show(row["seen"]), show(row["chosen"]), show(row["reason"]))})
	})
}

func (r *Record) journal(ctx context.Context, session *duck.Session) error {
	if err := session.Rows(ctx, tables.Journal(), "journal"); err != nil {
		return err
	}
	rows, err := session.Query(ctx, "SELECT epoch_us(recorded_at) AS _us, * FROM journal WHERE entity = $1 AND key = $2", r.Entity, r.Key)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return eachRow(rows, func(row map[string]any) {
		e := Event{At: moment(row["_us"]), Run: show(row["run"]), What: show(row["kind"]), System: show(row["system"])}
		if e.What == tables.JournalIntent {
			e.Text = fmt.Sprintf("%s, attempt %s: %s", show(row["op"]), show(row["attempt"]), difference(show(row["before"]), show(row["after"])))
		} else {
			e.Text = fmt.Sprintf("%s: %s", show(row["outcome"]), show(row["evidence"]))
		}
		r.Events = append(r.Events, e)
	})
}

// difference renders before and after, {field: value}, as "field: a -> b".
func difference(before, after string) string {
	var b, a map[string]*string
	if json.Unmarshal([]byte(after), &a) != nil {
		return after
	}
	if json.Unmarshal([]byte(before), &b) != nil {
		b = nil
	}
	return Difference(b, a)
}

// eachRow gives the rows of a query by column name.
func eachRow(rows *sql.Rows, do func(map[string]any)) error {
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		row := map[string]any{}
		for i, n := range names {
			row[n] = values[i]
		}
		do(row)
	}
	return rows.Err()
}

// moment reads microseconds of the epoch.
func moment(v any) time.Time {
	us, _ := v.(int64)
	return time.UnixMicro(us).UTC()
}
