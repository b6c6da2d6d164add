package reconcile

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/reconcile/compile"
)

// Sampled is a field that a system would not show as golden has it.
type Sampled struct {
	Entity  string `json:"entity"`
	System  string `json:"system"`
	Field   string `json:"field"`
	Kind    string `json:"kind"`    // lost: it shows another value; restless: written again, that one would change again
	Records int64  `json:"records"` // of those that were tried
	Key     string `json:"key"`     // of an example
	Golden  string `json:"golden"`  // canonical texts of the example; "" is null
	Shown   string `json:"shown"`
	Again   string `json:"again"`
}

// Sample tries, over at most n real records of an entity, what every system would
// show if it held golden: that has to be golden's value, or what a declared loss
// leaves of it, and it has to stay as it is when it is written once more. It
// changes nothing, and says how many records it tried.
func Sample(ctx context.Context, s *duck.Session, entity config.Entity, at time.Time, n int) (tried int64, out []Sampled, err error) {
	if err := s.RunAt(ctx, at); err != nil {
		return 0, nil, err
	}
	e, err := compile.New(compile.Binder{Context: ctx, Query: s.Query}, entity)
	if err != nil {
		return 0, nil, err
	}
	if err := sampleRecords(ctx, s, entity, e, n); err != nil {
		return 0, nil, fmt.Errorf("sample %s: %w", entity.Name, err)
	}
	for _, system := range e.Systems {
		if err := sampleSystem(ctx, s, e, system); err != nil {
			return 0, nil, fmt.Errorf("sample %s@%s: %w", entity.Name, system.Name, err)
		}
	}
	return readSampled(ctx, s, entity.Name)
}

// sampleRecords takes up the records, and what each system would show of them.
func sampleRecords(ctx context.Context, s *duck.Session, entity config.Entity, e *compile.Entity, n int) error {
	views := map[string]tables.Table{"in_golden": e.Outputs()["out_golden"]}
	for i, stream := range entity.Streams {
		views[e.Systems[i].Replica()] = replicaTable(entity, stream)
	}
	for view, t := range views {
		if err := s.Current(ctx, t, view); err != nil {
			return err
		}
	}
	statements := append(e.Parameters(), "CREATE OR REPLACE TEMP TABLE p_run AS SELECT '' AS run",
		"CREATE OR REPLACE TEMP TABLE declared (system VARCHAR, field VARCHAR)",
		"CREATE OR REPLACE TEMP TABLE sampled (system VARCHAR, field VARCHAR, kind VARCHAR, records BIGINT, key VARCHAR, golden VARCHAR, shown VARCHAR, again VARCHAR)",
		fmt.Sprintf("CREATE OR REPLACE TEMP TABLE candidate AS SELECT _khash, _key FROM in_golden WHERE _live ORDER BY _khash LIMIT %d", n),
		fmt.Sprintf(numbered, int64(math.MinInt64), int64(math.MaxInt64)))
	for _, system := range e.Systems {
		statements = append(statements, system.NothingSince())
		for _, m := range system.Maps {
			if m.Loss != nil {
				statements = append(statements, fmt.Sprintf("INSERT INTO declared VALUES (%s, %s)", compile.Literal(system.Name), compile.Literal(m.Name)))
			}
		}
	}
	statements = slices.Concat(statements, e.Records(), e.Standing(), e.Shown(),
		[]string{"CREATE OR REPLACE TEMP TABLE whole AS SELECT _key FROM cand"}, e.Loud())
	statements = append(statements, "CREATE OR REPLACE TEMP TABLE golden_sample AS SELECT _key, field, state, value, source FROM golden0")
	return execAll(ctx, s, append(statements, e.Laid("sample")...))
}

// sampleSystem lays what a system would show over golden, and asks again.
func sampleSystem(ctx context.Context, s *duck.Session, e *compile.Entity, system compile.System) error {
	again := "CREATE OR REPLACE TEMP TABLE golden_again AS SELECT g._key, g.field, coalesce(v.state, g.state) AS state, CASE WHEN v.state IS NULL THEN g.value ELSE v.value END AS value, g.source FROM golden_sample g" +
		" LEFT JOIN (SELECT _key, field, min(state) AS state, min(value) AS value FROM laid_sample JOIN p_maps USING (system, field) WHERE writes AND state IN ('value', 'null') AND system = " + compile.Literal(system.Name) +
		" GROUP BY _key, field) v ON v._key = g._key AND v.field = g.field"
	if err := execAll(ctx, s, append([]string{again}, e.Laid("again")...)); err != nil {
		return err
	}
	text, err := statement("sample")
	if err != nil {
		return err
	}
	return s.Exec(ctx, text, system.Name)
}

func readSampled(ctx context.Context, s *duck.Session, entity string) (tried int64, out []Sampled, err error) {
	rows, err := s.Query(ctx, "SELECT (SELECT count(*) FROM candidate), system, field, kind, coalesce(records, 0), coalesce(key, ''), coalesce(golden, ''), coalesce(shown, ''), coalesce(again, '') FROM (SELECT 1) LEFT JOIN sampled ON true ORDER BY ALL")
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		one := Sampled{Entity: entity}
		var system, field, kind *string
		if err := rows.Scan(&tried, &system, &field, &kind, &one.Records, &one.Key, &one.Golden, &one.Shown, &one.Again); err != nil {
			return 0, nil, err
		}
		if system != nil {
			one.System, one.Field, one.Kind = *system, *field, *kind
			out = append(out, one)
		}
	}
	return tried, out, rows.Err()
}
