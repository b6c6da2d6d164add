package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

// Parameters are the small tables that hold what the project file says of the
// entity: fields, mappings, rules, guards are rows that the static statements join.
func (e *Entity) Parameters() []string {
	var losses, scoped, maps, reads, serves, deletes []string
	for _, s := range e.Systems {
		for _, m := range s.Maps {
			if m.Loss != nil && m.texts() {
				losses = append(losses, row(Literal(s.Name), Literal(m.Name), Literal(m.Reads[0])))
			}
			maps = append(maps, row(Literal(s.Name), Literal(m.Name), fmt.Sprint(s.Shows(m)), list(m.Reads)))
			for _, column := range m.Reads {
				reads = append(reads, row(Literal(s.Name), Literal(m.Name), Literal(column)))
			}
		}
		for _, f := range s.Scoped {
			scoped = append(scoped, row(Literal(s.Name), Literal(f)))
		}
		for column, served := range s.Serves() {
			for _, field := range served {
				serves = append(serves, row(Literal(s.Name), Literal(column), Literal(field)))
			}
		}
	}
	for _, system := range e.DeleteAuthority() {
		deletes = append(deletes, row(Literal(system)))
	}
	slices.Sort(serves)
	return append(e.ruleTables(),
		table("p_maps", "system VARCHAR, field VARCHAR, writes BOOLEAN, reads VARCHAR[]", maps),
		table("p_reads", "system VARCHAR, field VARCHAR, col VARCHAR", reads),
		table("p_serves", "system VARCHAR, col VARCHAR, field VARCHAR", serves),
		table("p_loss", "system VARCHAR, field VARCHAR, col VARCHAR", losses),
		table("p_scoped", "system VARCHAR, field VARCHAR", scoped),
		table("p_deletes", "system VARCHAR", deletes),
		table("p_guard", "kind VARCHAR, at_least BIGINT, percent DOUBLE", nil),
		table("p_finding", "kind VARCHAR, expected VARCHAR, help VARCHAR", findings()))
}

// texts reports whether the field is the system's own text: what golden takes from
// it is then the text as it is shown, not as it is compared.
func (b Bound) texts() bool {
	return b.Type.Kind == schemas.String && b.Source == "VARCHAR" && len(b.Steps) == 0
}

// Lossy reports whether any system declares a loss.
func (e *Entity) Lossy() bool {
	return slices.ContainsFunc(e.Systems, func(s System) bool {
		return slices.ContainsFunc(s.Maps, func(m Bound) bool { return m.Loss != nil && m.texts() })
	})
}

// findings are the kinds that reconcile makes, with what is expected and how to go on.
func findings() []string {
	return []string{
		row("'twins'", "'one record per key in a system'", "'merge or delete one of the two records in that system'"),
		row("'stale'", "'versions only rise'", "'trueup explain ENTITY KEY'"),
		row("'against_update'", "'a delete and an update that had seen each other'", "'trueup decide lists it: --take keep or --take delete; resolve.deletes.against_update decides once for all'"),
		row("'deleted_elsewhere'", "'only the systems of deletes.authority delete'", "'delete the record in an authority, or set resolve.deletes.recreate to create'"),
		row("'left_scope'", "'records in scope'", "'delete the record there by hand, widen write.scope, or set write.leave'"),
		row("'flapping'", "'a value that stays as it was written'", "'if the field is read-only there, take it out of write.fields; if a rule of that system sets it back, let that system be its authority'"),
		row("'guard'", "'fewer changes at once'", "'trueup plan, then trueup approve PLAN'"),
		row("'quarantine'", "'less at once from one stream'", "'look at what it shows; trueup approve FINDING lets it be judged, or mend it there'"),
	}
}

// DeleteAuthority are the systems whose delete makes golden go.
func (e *Entity) DeleteAuthority() []string {
	if len(e.Resolve.Deletes.Authority) > 0 {
		return e.Resolve.Deletes.Authority
	}
	return e.Resolve.Default.Authority
}

// Shows reports whether a write can change what the system shows for a mapped field.
func (s System) Shows(m Bound) bool {
	return slices.ContainsFunc(s.Writes, func(w Bound) bool { return slices.Contains(m.Reads, w.Name) })
}

// Serves are, per written column, the entity fields that it serves: those that
// feed it, and those whose mapping reads it.
func (s System) Serves() map[string][]string {
	out := map[string][]string{}
	for _, w := range s.Writes {
		served := slices.Clone(w.Reads)
		for _, m := range s.Maps {
			if slices.Contains(m.Reads, w.Name) {
				served = append(served, m.Name)
			}
		}
		slices.Sort(served)
		out[w.Name] = slices.Compact(served)
	}
	return out
}

// Checked reports whether every write is compared with what the system holds
// right before it is sent.
func (s System) Checked() bool {
	return s.Write != nil && (s.Write.Precondition || s.Write.Verify != "none")
}

// SystemRow is the system's row of p_system.
func (s System) SystemRow(ord int, joined, due, complete, quarantined bool) string {
	w := s.Write
	settle, create, update, del, leave, takes := int64(0), false, false, false, "keep", false
	if w != nil && w.Leave != "" {
		leave = w.Leave
	}
	if w != nil {
		settle, create, update, del, takes = w.Settle.Microseconds(), w.Create, w.Update, w.Delete, w.TakesLossy
	}
	return row(Literal(s.Name), fmt.Sprint(ord), fmt.Sprint(joined), fmt.Sprint(due), fmt.Sprint(complete), fmt.Sprint(settle),
		fmt.Sprint(create), fmt.Sprint(update), fmt.Sprint(del), fmt.Sprint(w == nil || s.Checked()), fmt.Sprint(s.Timed), fmt.Sprint(quarantined), Literal(leave), fmt.Sprint(takes))
}

// SystemTable makes p_system of rows.
func SystemTable(rows []string) string {
	return table("p_system", "system VARCHAR, ord INTEGER, joined BOOLEAN, due BOOLEAN, complete BOOLEAN, settle_us BIGINT, "+
		"can_create BOOLEAN, can_update BOOLEAN, can_delete BOOLEAN, checked BOOLEAN, timed BOOLEAN, quarantined BOOLEAN, leave VARCHAR, takes_lossy BOOLEAN", rows)
}

// Golden is the statement that adds the golden rows that changed to out_golden.
func (e *Entity) Golden() string {
	names := tables.Golden(e.Name, entityColumns(e.Fields), e.systemNames()).ColumnNames()
	columns := []string{"m._khash", "m.key", "m.live", "m.version", "make_timestamptz(m.changed_us)", e.nulls(), "coalesce(s.sources, '{}')", "s.edited"}
	joins := ""
	for _, f := range e.Fields {
		columns = append(columns, "w."+quote(f.Name))
	}
	for i, s := range e.Systems {
		b := fmt.Sprintf("b%d", i)
		columns = append(columns, b+".id", b+".hash", b+".etag", b+".version", b+".fields")
		joins += fmt.Sprintf(" LEFT JOIN base_text %s ON %s._key = m._key AND %s.system = %s", b, b, b, Literal(s.Name))
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	return "INSERT INTO out_golden SELECT " + strings.Join(columns, ", ") +
		" FROM meta m JOIN golden_wide_new w USING (_key) LEFT JOIN source_text s USING (_key)" + joins +
		" EXCEPT SELECT " + strings.Replace(strings.Join(quoted, ", "), `"_key"`, "_key_text", 1) + " FROM golden_now"
}

// nulls is the set of fields that are null, as text in the order of names.
func (e *Entity) nulls() string {
	names := make([]string, 0, len(e.Fields))
	for _, f := range e.Fields {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	text := "','"
	for _, n := range names {
		text += fmt.Sprintf(" || CASE WHEN w._s%d = 'null' THEN %s ELSE '' END", e.field(n), Literal(n+","))
	}
	return text
}

func (e *Entity) systemNames() []string {
	names := make([]string, len(e.Systems))
	for i, s := range e.Systems {
		names[i] = s.Name
	}
	return names
}

// Outputs are the tables that a reconcile fills, by the name of their SQL table.
func (e *Entity) Outputs() map[string]tables.Table {
	return map[string]tables.Table{
		"out_golden":      tables.Golden(e.Name, entityColumns(e.Fields), e.systemNames()),
		"out_crosswalk":   tables.Crosswalk(e.Name),
		"out_tombstones":  tables.Tombstones(e.Name),
		"out_changes":     tables.Changes(e.Name),
		"out_conflicts":   tables.Conflicts(e.Name),
		"out_differences": tables.Differences(),
		"out_findings":    tables.Findings(),
		"out_holds":       tables.Holds(),
	}
}

// Create is the statement that makes an empty SQL table with a table's columns.
func Create(name string, t tables.Table) string {
	var columns []string
	for _, c := range t.Columns {
		columns = append(columns, quote(c.Name)+" "+c.Type.DuckDB())
	}
	return "CREATE OR REPLACE TEMP TABLE " + name + " (" + strings.Join(columns, ", ") + ")"
}

// Columns are the entity's fields as columns.
func (e *Entity) Columns() []schemas.Column { return entityColumns(e.Fields) }

// list is a list of texts as an SQL literal.
func list(texts []string) string {
	literals := make([]string, len(texts))
	for i, t := range texts {
		literals[i] = Literal(t)
	}
	return "CAST([" + strings.Join(literals, ", ") + "] AS VARCHAR[])"
}

func row(values ...string) string { return "(" + strings.Join(values, ", ") + ")" }

func table(name, columns string, rows []string) string {
	statement := "CREATE OR REPLACE TEMP TABLE " + name + " (" + columns + ")"
	if len(rows) > 0 {
		statement += "; INSERT INTO " + name + " VALUES " + strings.Join(rows, ", ")
	}
	return statement
}
