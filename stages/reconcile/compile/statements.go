package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

// Replica is the view of the replica's current rows.
func (s System) Replica() string { return "in_replica_" + s.Name }

// Since is the view of the replica's rows since the watermark.
func (s System) Since() string { return "in_since_" + s.Name }

// News is the view in_since: the keys that any system said something of since
// the watermark.
func (e *Entity) News() string {
	var since []string
	for _, s := range e.Systems {
		since = append(since, "SELECT _khash, _key FROM "+quote(s.Since()))
	}
	return "CREATE OR REPLACE TEMP VIEW in_since AS " + strings.Join(since, " UNION ALL ")
}

// Everything is the view in_everything: all keys that there are.
func (e *Entity) Everything() string {
	all := []string{"SELECT _khash, _key FROM in_golden"}
	for _, s := range e.Systems {
		all = append(all, "SELECT _khash, _key FROM "+quote(s.Replica()))
	}
	return "CREATE OR REPLACE TEMP VIEW in_everything AS " + strings.Join(all, " UNION ALL ")
}

// Records are the candidates' rows of every replica: raw_<i> as they are, record
// what all have in common; went_back are those that a system showed since in an
// older version.
func (e *Entity) Records() []string {
	var out, records, back []string
	for i, s := range e.Systems {
		system := Literal(s.Name)
		out = append(out, fmt.Sprintf("CREATE OR REPLACE TEMP TABLE raw_%d AS SELECT k._key, r._id, r._op, r._version, r._etag, r._hash, epoch_us(r._asked_at) AS _asked_us, r._run, r._present%s FROM %s r JOIN cand k ON k._khash = r._khash AND k.key = r._key",
			i, prefixed(s.flagged("r")), quote(s.Replica())))
		records = append(records, fmt.Sprintf("SELECT _key, %s AS system, _id AS id, _op AS op, _version AS version, _etag AS etag, _hash AS hash, _asked_us AS asked_us, _run = (SELECT run FROM p_run) AS this_run, coalesce(_present, ',') AS present, coalesce(_present = %s, false) AS whole FROM raw_%d", system, Literal(s.present()), i))
		back = append(back, fmt.Sprintf("SELECT k._key, %s AS system FROM %s o JOIN cand k ON k._khash = o._khash AND k.key = o._key JOIN raw_%d r ON r._key = k._key AND r._id = o._id WHERE o._op = 'upsert' AND o._version < r._version AND epoch_us(o._asked_at) > r._asked_us",
			system, quote(s.Since()), i))
	}
	return append(out,
		"CREATE OR REPLACE TEMP TABLE went_back AS SELECT DISTINCT _key, system FROM ("+strings.Join(back, " UNION ALL ")+")",
		"CREATE OR REPLACE TEMP TABLE record AS "+strings.Join(records, " UNION ALL "))
}

// present is what a payload that carried every column of the stream has in _present.
func (s System) present() string {
	names := make([]string, len(s.Columns))
	for i, f := range s.Columns {
		names[i] = f.Name
	}
	slices.Sort(names)
	return string(pipeline.NewFieldSet(names))
}

// Answers are what the systems said to our writes, in long form.
func (e *Entity) Answers() []string {
	var out, records, mapped, columns []string
	for i, s := range e.Systems {
		out = append(out, fmt.Sprintf("CREATE OR REPLACE TEMP TABLE answer_%d AS SELECT DISTINCT ON (o.change) o.change AS _change, o._key, r._id, r._version, r._etag, r._hash, epoch_us(r._asked_at) AS _asked_us%s FROM %s r JOIN outcome o ON o.system = %s AND o._khash = r._khash AND o.key = r._key AND o.id = r._id AND o.seq = r._seq WHERE r._op IN ('upsert', 'touch') ORDER BY o.change, r._asked_at DESC, r._hash",
			i, prefixed(s.flagged("r")), quote(s.Since()), Literal(s.Name)))
		records = append(records, fmt.Sprintf("SELECT _key, %s AS system, _change AS change, _id AS id, _version AS version, _etag AS etag, _hash AS hash, _asked_us AS asked_us FROM answer_%d", Literal(s.Name), i))
		mapped = append(mapped, long("_key, _change", "field", s.Maps, s.shown(fmt.Sprintf("answer_%d", i), "_key, _change", always), always))
		columns = append(columns, s.columnsLong(fmt.Sprintf("answer_%d", i), "_key, _change", func(string) string { return "true" }))
	}
	return append(out,
		"CREATE OR REPLACE TEMP TABLE answer AS "+strings.Join(records, " UNION ALL "),
		"CREATE OR REPLACE TEMP TABLE answer_field AS "+e.union(mapped, "_key, _change AS change, field, state, value"),
		"CREATE OR REPLACE TEMP TABLE answer_column AS "+e.union(columns, "_key, _change AS change, col, state, value"))
}

// Standing is golden with its bases as stored: golden_now as it is, golden_record0
// and base_record0.
func (e *Entity) Standing() []string {
	var bases []string
	for _, s := range e.Systems {
		b := tables.GoldenBase(s.Name)
		bases = append(bases, fmt.Sprintf("SELECT _key, %s AS system, %s AS id, %s AS hash, %s AS etag, %s AS version, from_json(coalesce(%s, '{}')::JSON, '\"MAP(VARCHAR, STRUCT(state VARCHAR, value VARCHAR, version BIGINT))\"') AS fields FROM golden_now WHERE %s IS NOT NULL",
			Literal(s.Name), quote(b.ID), quote(b.Hash), quote(b.ETag), quote(b.Version), quote(b.Fields), quote(b.ID)))
	}
	return []string{
		"CREATE OR REPLACE TEMP TABLE golden_now AS SELECT g.* REPLACE (k._key AS _key), g._key AS _key_text FROM in_golden g JOIN cand k ON k._khash = g._khash AND k.key = g._key",
		"CREATE OR REPLACE TEMP TABLE golden_record0 AS SELECT _key, _live AS live, _version AS version, epoch_us(_changed_at) AS changed_us FROM golden_now",
		"CREATE OR REPLACE TEMP TABLE base_record0 AS " + strings.Join(bases, " UNION ALL "),
	}
}

// Laid computes, from the table golden_<which> in long form, what golden is as a
// row per record (golden_wide_<which>), what each system would be sent
// (written_<which>_<i>), what it would show then (laid_<which>, in long form, the
// fields that are looked at), and whether the record belongs into it
// (scope_<which>).
func (e *Entity) Laid(which string) []string {
	golden := "golden_wide_" + which
	out := []string{"CREATE OR REPLACE TEMP TABLE " + golden + " AS " + e.wide("golden_"+which, "_key")}
	var laid, scopes []string
	for i, s := range e.Systems {
		table := fmt.Sprintf("written_%s_%d", which, i)
		out = append(out, "CREATE OR REPLACE TEMP TABLE "+table+" AS "+e.loudWritten(s, golden, "_key"))
		laid = append(laid, e.loudLaid(s, fmt.Sprintf("raw_%d", i), table, "r._key, r._id", "_key, _id"))
		scopes = append(scopes, fmt.Sprintf("SELECT _key, %s AS system, %s AS in_scope FROM %s", Literal(s.Name), inScope(s), golden))
	}
	return append(out,
		"CREATE OR REPLACE TEMP TABLE laid_"+which+" AS "+e.union(laid, "_key, _id AS id, field, state, value"),
		"CREATE OR REPLACE TEMP TABLE scope_"+which+" AS "+strings.Join(scopes, " UNION ALL "))
}

// Written is what each system would be sent of golden as it becomes, in long form:
// written_new, with the columns that have to do with a field that is looked at.
func (e *Entity) Written() string { return e.writtenLong("new", "JOIN loud USING (_key)") }

// Altered is what would be sent of golden as it was, in long form, of the keys of
// which a system made something else of a write: written_old.
func (e *Entity) Altered() string {
	return e.writtenLong("old", "JOIN loud USING (_key) SEMI JOIN (FROM difference1 WHERE reason = 'altered') USING (_key)")
}

func (e *Entity) writtenLong(which, of string) string {
	var written []string
	for i, s := range e.Systems {
		written = append(written, long("_key", "col", s.Writes, fmt.Sprintf("FROM (written_%s_%d %s)", which, i, of),
			func(b Bound) string { return e.loudColumn(s, b.Name) }))
	}
	return "CREATE OR REPLACE TEMP TABLE written_" + which + " AS " + e.union(written, "_key, col, state, value")
}

// wide turns long rows of golden into a row per key (or per key and variant): typed
// fields, and _s<i> with their states. What has no long row is as it stands.
func (e *Entity) wide(table, keep string) string {
	var texts, columns []string
	for i, f := range e.Fields {
		texts = append(texts, fmt.Sprintf("max(CASE WHEN field = %s AND state = 'value' THEN value END) AS _c%d, max(CASE WHEN field = %s THEN state END) AS _s%d",
			Literal(f.Name), i, Literal(f.Name), i))
		columns = append(columns, fmt.Sprintf("CASE WHEN t._s%d IS NULL THEN n.%s ELSE %s END AS %s, coalesce(t._s%d, n._s%d) AS _s%d",
			i, quote(f.Name), schemas.FromCanonicalSQL(f.Type, fmt.Sprintf("t._c%d", i)), quote(f.Name), i, i, i))
	}
	long := "(SELECT " + join(keep, texts) + " FROM " + table + " GROUP BY " + keep + ") t"
	if keep == "_key" {
		return "SELECT " + join("n._key", columns) + " FROM golden_wide_now n LEFT JOIN " + long + " USING (_key)"
	}
	return "SELECT " + join(keep, columns) + " FROM golden_wide_now n JOIN " + long + " USING (_key)"
}

// flagged are the stream's columns, each with a flag that nothing is known of
// it: it holds no value, nobody cleared it, and the newest payload did not carry it.
func (s System) flagged(alias string) []string {
	var out []string
	for i, f := range s.Columns {
		column := alias + "." + quote(f.Name)
		out = append(out, fmt.Sprintf("%s, %s IS NULL AND NOT contains(coalesce(%s._nulls, ',') || coalesce(%s._present, ','), %s) AS _f%d",
			column, column, alias, alias, Literal(","+f.Name+","), i))
	}
	return out
}

// laidOver is the raw rows with what would be written laid over them.
func (s System) laidOver(raw, written, keep string) string {
	replaced := map[int]int{}
	for w, b := range s.Writes {
		replaced[s.column(b.Name)] = w
	}
	var columns []string
	for i, f := range s.Columns {
		column, flag := "r."+quote(f.Name), fmt.Sprintf("r._f%d", i)
		if w, ok := replaced[i]; ok {
			takes := fmt.Sprintf("w._t%d IN ('value', 'null')", w)
			column = fmt.Sprintf("CASE WHEN %s THEN w._v%d ELSE %s END AS %s", takes, w, column, quote(f.Name))
			flag = fmt.Sprintf("CASE WHEN %s THEN false ELSE %s END AS _f%d", takes, flag, i)
		}
		columns = append(columns, column, flag)
	}
	return fmt.Sprintf("(SELECT %s FROM %s r JOIN %s w USING (_key))", join(keep, columns), raw, written)
}

// shown is what records say in entity fields, a row each.
func (s System) shown(relation, keep string, flag func(Bound) string) string {
	absent := func(column string) string { return fmt.Sprintf("_f%d", s.column(column)) }
	return evaluated(keep, s.Maps, absent, "absent", relation, flag)
}

// written is what the system would be sent of golden, a row per record.
func (e *Entity) written(s System, golden, keep string, flag func(Bound) string) string {
	unset := func(field string) string { return fmt.Sprintf("_s%d = 'unset'", e.field(field)) }
	return evaluated(keep, s.Writes, unset, "unset", golden, flag)
}

// columnsLong are the stream's own columns in long form, those whose flag is up.
func (s System) columnsLong(relation, keep string, flag func(column string) string) string {
	var structs []string
	for i, f := range s.Columns {
		structs = append(structs, when(flag(f.Name), fmt.Sprintf("{'name': %s, 'state': CASE WHEN _f%d THEN 'absent' WHEN %s IS NULL THEN 'null' ELSE 'value' END, 'value': %s}",
			Literal(f.Name), i, quote(f.Name), schemas.CanonicalSQL(f.Type, quote(f.Name)))))
	}
	return fmt.Sprintf("SELECT %s, _u.name AS col, _u.state AS state, _u.value AS value FROM (SELECT %s, unnest([%s]) AS _u FROM %s) WHERE _u IS NOT NULL",
		keep, keep, strings.Join(structs, ", "), relation)
}

func (e *Entity) union(parts []string, columns string) string {
	var out []string
	for i, s := range e.Systems {
		out = append(out, fmt.Sprintf("SELECT %s AS system, %s FROM (%s)", Literal(s.Name), columns, parts[i]))
	}
	return strings.Join(out, " UNION ALL ")
}

// NothingSince is Since without a row, for what looks at records and not at what is new.
func (s System) NothingSince() string {
	return "CREATE OR REPLACE TEMP VIEW " + quote(s.Since()) + " AS FROM " + quote(s.Replica()) + " WHERE false"
}
