package monitor

import (
	"testing"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/review/story"
	"github.com/trueup-data/trueup/stages/stagetest"
)

// evidence opens a finding of every kind, with and without a field, and gives
// the query of each.
func evidence(t *testing.T) map[string]string {
	t.Helper()
	l := newLife(t)
	rows, err := l.s.Query(t.Context(), "SELECT kind FROM p_kind")
	must(t, err)
	var said []says
	for rows.Next() {
		x := says{entity: "bookings", system: "pms", strength: 1}
		must(t, rows.Scan(&x.kind))
		said = append(said, x)
		x.field = "price"
		said = append(said, x)
	}
	must(t, rows.Err())
	l.next(said...)
	out := map[string]string{}
	rows, err = l.s.Query(t.Context(), "SELECT kind || ' ' || field, evidence FROM in_findings")
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var name, query string
		must(t, rows.Scan(&name, &query))
		out[name] = query
	}
	must(t, rows.Err())
	return out
}

// Every evidence query runs as it stands over the views that people ask.
func TestEveryEvidenceQueryRuns(t *testing.T) {
	b := stagetest.New(t)
	text := schemas.Type{Kind: schemas.String}
	p := &config.Project{Entities: []config.Entity{{Name: "bookings", Key: []string{"code"}, Fields: []config.EntityField{{Name: "code", Type: text}},
		Streams: []config.Stream{{System: "pms", Extract: config.Extract{PrimaryKey: []string{"code"}, Fields: []schemas.Field{{Name: "code", Type: text}}}}}}}}
	head, err := b.Lake.Head(t.Context())
	must(t, err)
	s, err := b.Engine.Session(t.Context(), head)
	must(t, err)
	defer s.Close()
	must(t, story.Bind(t.Context(), s, story.Sources(p)))
	queries := evidence(t)
	if len(queries) < 28 {
		t.Errorf("only %d findings", len(queries))
	}
	for name, query := range queries {
		rows, err := s.Query(t.Context(), query)
		if err != nil {
			t.Errorf("%s: %s: %v", name, query, err)
			continue
		}
		must(t, rows.Close())
	}
}
