package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/schemas"
)

// Shown is golden as it stands in a row per candidate (golden_wide_now: typed
// fields, and _s<i> with their states), what every record says (mapped_<i>), and
// what it would say if it held golden (laid_now_<i>, where that can be anything else).
func (e *Entity) Shown() []string {
	var columns []string
	for i, f := range e.Fields {
		columns = append(columns, fmt.Sprintf("g.%s, %s AS _s%d", quote(f.Name), goldenState("g", f.Name), i))
	}
	out := []string{"CREATE OR REPLACE TEMP TABLE golden_wide_now AS SELECT " + join("k._key", columns) + " FROM cand k LEFT JOIN golden_now g USING (_key)"}
	for i, s := range e.Systems {
		raw := fmt.Sprintf("raw_%d", i)
		out = append(out, fmt.Sprintf("CREATE OR REPLACE TEMP TABLE mapped_%d AS %s", i, s.shown(raw, "_key, _id", always)))
		if !s.translates() {
			continue
		}
		written := fmt.Sprintf("written_now_%d", i)
		out = append(out,
			"CREATE OR REPLACE TEMP TABLE "+written+" AS "+e.written(s, "golden_wide_now", "_key", always),
			fmt.Sprintf("CREATE OR REPLACE TEMP TABLE laid_now_%d AS %s", i, s.shown(s.laidOver(raw, written, "r._key, r._id"), "_key, _id", always)))
	}
	return out
}

// goldenState is the state of a field in a row of golden.
func goldenState(alias, field string) string {
	return fmt.Sprintf("CASE WHEN %s.%s IS NOT NULL THEN 'value' WHEN contains(coalesce(%s._nulls, ','), %s) THEN 'null' ELSE 'unset' END",
		alias, quote(field), alias, Literal(","+field+","))
}

// Loud is which fields of a candidate have to be looked at: loud has a flag _l<i>
// for each, and _whole for keys of which everything is; cell is the same in long
// form. A field is quiet where every system shows what golden has, would show the
// same if it held golden, and nothing else was judged of it: neither golden, base
// nor any system can come out of the merge otherwise. The fields of a group are
// quiet together. What is looked at is in long form: mapped, golden0, column_now.
func (e *Entity) Loud() []string {
	scopes, joins, creates := []string{"*"}, "", []string{"w._key IS NOT NULL"}
	for i, s := range e.Systems {
		scopes = append(scopes, fmt.Sprintf("%s AS _in%d", inScope(s), i))
		joins += fmt.Sprintf(" LEFT JOIN (FROM mapped_%[1]d ANTI JOIN whole USING (_key)) m%[1]d ON m%[1]d._key = n._key"+
			" LEFT JOIN base_record0 b%[1]d ON b%[1]d._key = n._key AND b%[1]d.system = %[2]s"+
			" LEFT JOIN record r%[1]d ON r%[1]d._key = n._key AND r%[1]d.system = %[2]s AND r%[1]d.id = m%[1]d._id", i, Literal(s.Name))
		if s.translates() {
			joins += fmt.Sprintf(" LEFT JOIN laid_now_%[1]d l%[1]d ON l%[1]d._key = n._key AND l%[1]d._id = m%[1]d._id", i)
		}
		if s.Write != nil && s.Write.Create {
			creates = append(creates, fmt.Sprintf("m%d._key IS NULL AND n._in%d", i, i))
		}
	}
	var units, flags, whole []string
	for i, u := range e.units() {
		var quiet []string
		for _, f := range u.fields {
			for n, s := range e.Systems {
				quiet = append(quiet, e.quiet(n, s, f)...)
			}
			flags = append(flags, fmt.Sprintf("_whole OR _u%d AS _l%d", i, e.field(f)))
		}
		units = append(units, fmt.Sprintf("NOT (%s) AS _u%d", and(quiet), i))
		if slices.ContainsFunc(e.Systems, func(s System) bool {
			return slices.ContainsFunc(s.Scoped, func(f string) bool { return slices.Contains(u.fields, f) })
		}) {
			whole = append(whole, fmt.Sprintf("_u%d", i)) // a record may enter or leave a system
		}
	}
	out := []string{"CREATE OR REPLACE TEMP TABLE loud AS SELECT " + join("_key, _whole", flags) + " FROM (SELECT *, " + or(append(whole, "_w")) + " AS _whole FROM (" +
		"SELECT " + join("n._key", append(units, or(creates)+" AS _w")) + " FROM (SELECT " + strings.Join(scopes, ", ") + " FROM golden_wide_now) n LEFT JOIN whole w USING (_key)" + joins + "))"}
	return append(out, e.looked()...)
}

// looked are the long forms of what loud names.
func (e *Entity) looked() []string {
	var cells, fields, mapped, columns []string
	for i, f := range e.Fields {
		name := quote(f.Name)
		cells = append(cells, when(fmt.Sprintf("_l%d", i), Literal(f.Name)))
		fields = append(fields, when(fmt.Sprintf("_l%d", i), fmt.Sprintf("{'field': %s, 'state': %s, 'value': %s, 'source': _sources[%s], 'edit': _edited[%s]}",
			Literal(f.Name), goldenState("g", f.Name), schemas.CanonicalSQL(f.Type, name), Literal(f.Name), Literal(f.Name))))
	}
	for i, s := range e.Systems {
		mapped = append(mapped, e.loudLong(s, fmt.Sprintf("mapped_%d", i), "_key, _id"))
		columns = append(columns, s.columnsLong(fmt.Sprintf("raw_%d JOIN loud USING (_key)", i), "_key, _id", func(column string) string { return e.loudColumn(s, column) }))
	}
	return []string{
		"CREATE OR REPLACE TEMP TABLE cell AS SELECT * FROM (SELECT _key, unnest([" + strings.Join(cells, ", ") + "]) AS field FROM loud) WHERE field IS NOT NULL",
		"CREATE OR REPLACE TEMP TABLE golden0 AS SELECT _key, _u.field AS field, _u.state AS state, _u.value AS value, _u.source AS source, _u.edit.since AS edit_since, _u.edit.until AS edit_until FROM (SELECT _key, unnest([" +
			strings.Join(fields, ", ") + "]) AS _u FROM (SELECT * REPLACE (CAST(coalesce(_sources, '{}')::JSON AS MAP(VARCHAR, VARCHAR)) AS _sources, from_json(coalesce(_edited, '{}')::JSON, '\"MAP(VARCHAR, STRUCT(since BIGINT, until BIGINT))\"') AS _edited) FROM golden_now) g JOIN loud USING (_key)) WHERE _u IS NOT NULL",
		"CREATE OR REPLACE TEMP TABLE mapped AS " + e.union(mapped, "_key, _id AS id, field, state, value"),
		"CREATE OR REPLACE TEMP TABLE column_now AS SELECT c.*, p.col IS NOT NULL AS mapped FROM (" + e.union(columns, "_key, _id AS id, col, state, value") +
			") c LEFT JOIN (SELECT DISTINCT system, col FROM p_reads) p USING (system, col)",
	}
}

// quiet are the conditions under which a system has nothing to say of a field.
func (e *Entity) quiet(i int, s System, field string) []string {
	j := slices.IndexFunc(s.Maps, func(m Bound) bool { return m.Name == field })
	if j < 0 {
		return nil
	}
	m, f := s.Maps[j], e.field(field)
	// An unset field is one that the system has never shown but null.
	same := func(row, unset string) string {
		return fmt.Sprintf("CASE n._s%[1]d WHEN 'value' THEN %[2]s._t%[3]d = 'value' AND %[4]s WHEN 'null' THEN %[2]s._t%[3]d = 'null' ELSE %[5]s END",
			f, row, j, m.equals(fmt.Sprintf("%s._v%d", row, j), "n."+quote(field)), unset)
	}
	alone := []string{same(fmt.Sprintf("m%d", i), fmt.Sprintf("m%d._t%d = 'null'", i, j)), fmt.Sprintf("NOT map_contains(b%d.fields, %s)", i, Literal(field)), carried(i, m.Reads)}
	if s.Shows(m) && !s.mirrors(m) {
		alone = append(alone, same(fmt.Sprintf("l%d", i), "true"))
	}
	return []string{fmt.Sprintf("(m%d._key IS NULL OR coalesce(%s, false))", i, and(alone))}
}

// carried holds if the record's version is that of its base, or the payload
// carried all of the columns: else the field's base keeps a version of its own.
func carried(i int, reads []string) string {
	var has []string
	for _, column := range reads {
		has = append(has, fmt.Sprintf("contains(r%d.present, %s)", i, Literal(","+column+",")))
	}
	return fmt.Sprintf("(r%[1]d.whole OR r%[1]d.version IS NOT DISTINCT FROM b%[1]d.version OR %[2]s)", i, and(has))
}

// translates reports whether there is a field that the system shows otherwise than
// golden has it, even if it holds what it would be sent.
func (s System) translates() bool {
	return slices.ContainsFunc(s.Maps, func(m Bound) bool { return s.Shows(m) && !s.mirrors(m) })
}

// mirrors reports whether the system shows of a field just what it is sent of it: a
// column that is written from the field as it is, and mapped to it as it is.
func (s System) mirrors(m Bound) bool {
	return m.plain() && m.Loss == nil && slices.ContainsFunc(s.Writes, func(w Bound) bool {
		return w.Name == m.Reads[0] && w.plain() && w.Reads[0] == m.Name
	})
}

// loudWritten is written, of the columns that have to do with a field that is
// looked at.
func (e *Entity) loudWritten(s System, golden, keep string) string {
	return e.written(s, "("+golden+" JOIN loud USING (_key))", keep, func(b Bound) string { return e.loudColumn(s, b.Name) })
}

// loudLaid is what records would show if they held what was written, in long form:
// the fields that are looked at.
func (e *Entity) loudLaid(s System, raw, written, both, keep string) string {
	flag := func(b Bound) string { return e.loudField(b.Name) }
	relation := "(" + s.laidOver(raw, written, both) + " JOIN loud USING (_key))"
	return e.loudLong(s, "("+s.shown(relation, keep, flag)+")", keep)
}

// loudLong are the fields that are looked at of what records show, in long form.
func (e *Entity) loudLong(s System, shown, keep string) string {
	return long(keep, "field", s.Maps, "FROM ("+shown+" JOIN loud USING (_key))", func(b Bound) string { return e.loudField(b.Name) })
}

// equals compares a mapped value with golden's, as their canonical texts would.
func (b Bound) equals(value, golden string) string {
	switch b.Type.Kind {
	case schemas.String, schemas.Enum, schemas.Bool, schemas.Int64, schemas.Decimal, schemas.Date, schemas.Time, schemas.Timestamp:
		if b.Loss == nil {
			return value + " = " + golden
		}
	}
	return "(" + b.canonical(value) + ") = (" + schemas.CanonicalSQL(b.Type, golden) + ")"
}

// loudField is the flag of an entity field.
func (e *Entity) loudField(field string) string { return fmt.Sprintf("_l%d", e.field(field)) }

// loudColumn holds if a stream's column has to do with a field that is looked at.
func (e *Entity) loudColumn(s System, column string) string {
	fields := slices.Clone(s.Serves()[column])
	for _, m := range s.Maps {
		if slices.Contains(m.Reads, column) {
			fields = append(fields, m.Name)
		}
	}
	slices.Sort(fields)
	flags := []string{"_whole"}
	for _, f := range slices.Compact(fields) {
		flags = append(flags, e.loudField(f))
	}
	return or(flags)
}

// inScope is whether a golden record belongs into the system.
func inScope(s System) string { return "coalesce(TRY(CAST(" + s.Scope + " AS BOOLEAN)), false)" }

func and(conditions []string) string { return joined(conditions, " AND ", "true") }

func or(conditions []string) string { return "(" + joined(conditions, " OR ", "false") + ")" }

func joined(list []string, by, none string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, by)
}

// when is an expression where a flag is up, else NULL.
func when(flag, expr string) string { return "CASE WHEN " + flag + " THEN " + expr + " END" }
