package story

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

// Source is a table of the lake as queries see it.
type Source struct {
	Name   string       `json:"name"`
	Shows  string       `json:"shows"`
	Table  tables.Table `json:"table"`
	Every  bool         `json:"every"`            // every row, with its place; else the current ones
	Part   string       `json:"part,omitempty"`   // the relation over all entities that it is a part of
	Entity string       `json:"entity,omitempty"` // with Part
	System string       `json:"system,omitempty"` // with Part, of a stream
	Keep   []string     `json:"keep,omitempty"`   // with Part: the columns that all parts have
	Fields []string     `json:"fields,omitempty"` // with Part: the columns that become one JSON object, record
}

// Sources lists the tables of a project. Those whose name begins with "_" are
// what the views of sql/views read. The others may be asked directly: golden_E,
// current_E_S (what a system shows now) and history_E_S (all it ever said) have
// a typed column for each field; journal is every request.
func Sources(project *config.Project) []Source {
	var out []Source
	for _, e := range project.Entities {
		out = append(out, entitySources(e)...)
	}
	return append(out,
		Source{Name: "journal", Shows: "every request and what became of it, as stored", Table: tables.Journal(), Every: true},
		Source{Name: "_findings", Table: tables.Findings()},
		Source{Name: "_differences", Table: tables.Differences()},
		Source{Name: "_holds", Table: tables.Holds()},
		Source{Name: "_dead_letters", Table: tables.DeadLetters()},
		Source{Name: "_decisions", Table: tables.Decisions()},
		Source{Name: "_runs", Table: tables.Runs()},
		Source{Name: "_metrics", Table: tables.Metrics(), Every: true},
		Source{Name: "_checkpoints", Table: tables.Checkpoints()})
}

func entitySources(e config.Entity) []Source {
	n, golden := e.Name, goldenTable(e)
	stored := func(name, shows string, t tables.Table, every bool) Source {
		return Source{Name: name + "_" + n, Shows: shows, Table: t, Every: every, Part: "_" + name, Entity: n, Keep: t.ColumnNames()}
	}
	out := []Source{
		{Name: "golden_" + n, Shows: "the resolved truth of " + n + ", a column per field, with the bases", Table: golden, Part: "_golden", Entity: n,
			Keep: fixed(golden, "_"), Fields: names(e.Columns())},
		stored("changes", "where each change of "+n+" stands, as stored", tables.Changes(n), false),
		stored("conflicts", "what was overridden in "+n+", as stored", tables.Conflicts(n), true),
		stored("crosswalk", "which ID in which system is which key of "+n+", as stored", tables.Crosswalk(n), false),
		stored("tombstones", "deleted keys of "+n+", as stored", tables.Tombstones(n), false),
	}
	for _, s := range e.Streams {
		columns := replica.Columns(s.Extract.Fields)
		t := tables.Replica(pipeline.StreamID{Entity: n, System: s.System}, columns)
		now := Source{Name: "current_" + n + "_" + s.System, Shows: "what " + s.System + " shows of " + n + " now, a column per field", Table: t,
			Part: "_current", Entity: n, System: s.System, Keep: fixed(t, "_"), Fields: names(columns)}
		ever := now
		ever.Name, ever.Shows, ever.Part, ever.Every = "history_"+n+"_"+s.System, "everything "+s.System+" ever said of "+n+", in order of _seq, _ord, _pos", "_history", true
		ever.Keep = append(ever.Keep[:len(ever.Keep):len(ever.Keep)], duck.ColSeq, duck.ColOrd, duck.ColPos)
		out = append(out, now, ever)
	}
	return out
}

// fixed are the columns that every table of the kind has, whatever its fields.
func fixed(t tables.Table, prefix string) []string {
	var out []string
	for _, c := range t.ColumnNames() {
		if strings.HasPrefix(c, prefix) && !strings.HasPrefix(c, "_base_") {
			out = append(out, c)
		}
	}
	return out
}

func names(columns []schemas.Column) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.Name
	}
	return out
}

// bindSome makes only some tables or relations.
func bindSome(ctx context.Context, session *duck.Session, project *config.Project, wanted ...string) error {
	var some []Source
	for _, s := range Sources(project) {
		if slices.Contains(wanted, s.Name) || slices.Contains(wanted, s.Part) && s.Part != "" {
			some = append(some, s)
		}
	}
	return bindSources(ctx, session, some)
}

// bindKey makes all that may hold something of one key of an entity: of tables
// that are sorted by the key's hash, only the part that can. The entity's own
// tables lose its name; all_golden and all_changes have every row that was kept.
func bindKey(ctx context.Context, session *duck.Session, project *config.Project, entity, key string) error {
	hash := duck.Range(schemas.HashKey(key), schemas.HashKey(key))
	for _, s := range Sources(project) {
		if s.Entity != entity && s.Entity != "" {
			continue
		}
		var options []duck.Option
		if slices.Contains(s.Table.ColumnNames(), pipeline.ColKHash) {
			options = append(options, hash)
		}
		bind, name := session.Current, s.Name
		if s.Every {
			bind = session.Rows
		}
		if s.System == "" {
			name = strings.TrimSuffix(name, "_"+entity)
		}
		err := bind(ctx, s.Table, name, options...)
		if err == nil && (name == "golden" || name == "changes") {
			err = session.Rows(ctx, s.Table, "all_"+name, hash)
		}
		if err != nil {
			return fmt.Errorf("table %s: %w", s.Name, err)
		}
	}
	return nil
}

// bindSources makes the tables, and the relations over all entities.
func bindSources(ctx context.Context, session *duck.Session, sources []Source) error {
	var order []string
	parts := map[string][]string{}
	for _, s := range sources {
		bind := session.Current
		if s.Every {
			bind = session.Rows
		}
		if err := bind(ctx, s.Table, s.Name); err != nil {
			return fmt.Errorf("table %s: %w", s.Name, err)
		}
		if s.Part == "" {
			continue
		}
		if parts[s.Part] == nil {
			order = append(order, s.Part)
		}
		parts[s.Part] = append(parts[s.Part], s.part())
	}
	for _, name := range order {
		if err := session.Exec(ctx, "CREATE OR REPLACE TEMP VIEW "+duck.Quote(name)+" AS "+strings.Join(parts[name], " UNION ALL ")); err != nil {
			return fmt.Errorf("relation %s: %w", name, err)
		}
	}
	return nil
}

// part is the table as a part of a relation over all entities.
func (s Source) part() string {
	columns := []string{duck.Literal(s.Entity) + " AS entity"}
	if s.System != "" {
		columns = append(columns, duck.Literal(s.System)+" AS system")
	}
	columns = append(columns, quoted(s.Keep)...)
	if len(s.Fields) > 0 {
		columns = append(columns, "to_json(struct_pack("+strings.Join(quoted(s.Fields), ", ")+")) AS record")
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + duck.Quote(s.Name)
}

func quoted(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = duck.Quote(n)
	}
	return out
}
