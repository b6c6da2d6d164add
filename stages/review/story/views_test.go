package story_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/review/story"
	"github.com/trueup-data/trueup/stages/stagetest"
)

// house is a project of two entities in two systems.
func house() *config.Project {
	text := schemas.Type{Kind: schemas.String}
	price := schemas.Type{Kind: schemas.Decimal, Precision: 12, Scale: 2}
	stream := func(system string) config.Stream {
		return config.Stream{System: system, Extract: config.Extract{PrimaryKey: []string{"id"},
			Fields: []schemas.Field{{Name: "id", Type: text}, {Name: "cost", Type: price}}}}
	}
	entity := func(name string) config.Entity {
		return config.Entity{Name: name, Key: []string{"code"}, Fields: []config.EntityField{{Name: "code", Type: text}, {Name: "price", Type: price}},
			Streams: []config.Stream{stream("pms"), stream("channel")}}
	}
	return &config.Project{Name: "house", Systems: []config.System{{Name: "pms"}, {Name: "channel"}}, Entities: []config.Entity{entity("bookings"), entity("tasks")}}
}

// Every view of the folder is there, binds without any file of a lake, and says
// of each of its columns what it means.
func TestEveryViewAndEveryColumnIsDocumented(t *testing.T) {
	b := stagetest.New(t)
	head, err := b.Lake.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	session, err := b.Engine.Session(t.Context(), head)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	sources := story.Sources(house())
	if err := story.Bind(t.Context(), session, sources); err != nil {
		t.Fatal(err)
	}
	views, err := story.Describe(t.Context(), session, sources)
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]story.View{}
	for _, v := range views {
		described[v.Name] = v
		if v.Shows == "" || len(v.Columns) == 0 {
			t.Errorf("%+v", v)
		}
	}
	files, err := os.ReadDir("../../../sql/views")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".sql")
		v, ok := described[name]
		if !ok || v.Stored {
			t.Errorf("nobody binds the view %s", name)
		}
		text, err := os.ReadFile("../../../sql/views/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if _, lines, _ := strings.Cut(string(text), "\n--\n"); strings.Count(lines, "-- ") != len(v.Columns) {
			t.Errorf("%s has %d columns, and says what %d mean", name, len(v.Columns), strings.Count(lines, "-- "))
		}
		for _, c := range v.Columns {
			if c.Means == "" {
				t.Errorf("what does %s.%s mean?", name, c.Name)
			}
		}
	}
	for _, stored := range []string{"golden_tasks", "current_bookings_pms", "history_tasks_channel", "changes_bookings", "journal"} {
		if !described[stored].Stored {
			t.Errorf("there is no table %s", stored)
		}
	}
	if got := described["golden"].Columns; !slices.Contains(got, story.Column{Name: "record", Type: "JSON", Means: "JSON of the entity's fields"}) {
		t.Errorf("%+v", got)
	}
}
