package story

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
)

// Record is all that is known of one key.
type Record struct {
	Entity    string                       `json:"entity"`
	Key       string                       `json:"key"`
	Golden    map[string]string            `json:"golden"` // entity fields; null and unset are left out
	Live      bool                         `json:"live"`
	Known     bool                         `json:"known"` // golden holds, or held, the key
	Version   int64                        `json:"version"`
	ChangedAt *time.Time                   `json:"changed_at,omitempty"`
	Sides     []Side                       `json:"sides"`  // in the order of the project file
	Fields    []FieldRow                   `json:"fields"` // the same
	Shown     map[string]map[string]string `json:"shown"`  // what each system shows now, in its own fields
	IDs       map[string]string            `json:"ids"`
	Chapters  []Chapter                    `json:"chapters"` // newest first
	Begins    string                       `json:"begins"`   // where the story begins, in words

	events  []Event
	sources map[string]string
	effects []string
	first   int64 // the first version of golden that is kept; 0: none
}

// Explain tells the story of a record.
func Explain(ctx context.Context, session *duck.Session, project *config.Project, entity, key string) (Record, error) {
	r := Record{Entity: entity, Key: key, Golden: map[string]string{}, Shown: map[string]map[string]string{}, IDs: map[string]string{}, sources: map[string]string{}}
	i := slices.IndexFunc(project.Entities, func(e config.Entity) bool { return e.Name == entity })
	if i < 0 {
		return r, fmt.Errorf("the project has no entity %q", entity)
	}
	e := project.Entities[i]
	if err := bindKey(ctx, session, project, entity, key); err != nil {
		return r, err
	}
	if err := r.golden(ctx, session, e); err != nil {
		return r, err
	}
	if err := r.matrix(ctx, session, project, e); err != nil {
		return r, err
	}
	return r, r.tell(ctx, session, e)
}

// golden reads the resolved record.
func (r *Record) golden(ctx context.Context, session *duck.Session, e config.Entity) error {
	rows, err := session.Query(ctx, "SELECT epoch_us(_changed_at) AS _us, COLUMNS(*)::VARCHAR FROM golden WHERE _key = $1", r.Key)
	if err != nil {
		return fmt.Errorf("golden record: %w", err)
	}
	return eachRow(rows, func(row map[string]any) error {
		at := moment(row["_us"])
		r.Known, r.Live, r.ChangedAt = true, show(row["_live"]) == "true", &at
		if _, err := fmt.Sscan(show(row["_version"]), &r.Version); err != nil {
			return err
		}
		if sources := show(row["_sources"]); sources != "" {
			if err := json.Unmarshal([]byte(sources), &r.sources); err != nil {
				return err
			}
		}
		for _, f := range e.Fields {
			if v := row[f.Name]; v != nil {
				r.Golden[f.Name] = show(v)
			}
		}
		return nil
	})
}

// Near lists keys of an entity that look like one that is not there.
func Near(ctx context.Context, session *duck.Session, project *config.Project, entity, key string) ([]string, error) {
	for _, e := range project.Entities {
		if e.Name == entity {
			if err := session.Current(ctx, goldenTable(e), "golden"); err != nil {
				return nil, err
			}
		}
	}
	rows, err := ask(ctx, session, "review/near.sql", key)
	if err != nil {
		return nil, err
	}
	var keys []string
	return keys, eachRow(rows, func(row map[string]any) error {
		keys = append(keys, show(row["_key"]))
		return nil
	})
}

// eachRow gives the rows of a query by column name.
func eachRow(rows *sql.Rows, do func(map[string]any) error) error {
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
		if err := do(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// moment reads microseconds of the epoch.
func moment(v any) time.Time {
	us, _ := v.(int64)
	return time.UnixMicro(us).UTC()
}

// jsonList is a list of texts as SQL takes it.
func jsonList(list []string) string {
	data, err := json.Marshal(append([]string{}, list...))
	if err != nil { // texts always marshal
		return "[]"
	}
	return string(data)
}

// difference renders before and after, {field: value}, as "field: a -> b".
func difference(before, after string) string {
	var b, a map[string]*string
	if json.Unmarshal([]byte(after), &a) != nil {
		return strings.TrimSpace(after)
	}
	if json.Unmarshal([]byte(before), &b) != nil {
		b = nil
	}
	return Difference(b, a)
}
