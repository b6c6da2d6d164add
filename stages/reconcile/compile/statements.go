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

// Records are the candidates' rows of every replica, and what they say: record
// (narrow), mapped (entity fields) and column_now (stream fields), all in long form;
// went_back are those that a system showed since in an older version.
func (e *Entity) Records() []string {
	var out, records, mapped, columns, back []string
	for i, s := range e.Systems {
		system := Literal(s.Name)
		out = append(out, fmt.Sprintf("CREATE OR REPLACE TEMP TABLE raw_%d AS SELECT k._key, r._id, r._op, r._version, r._etag, r._hash, epoch_us(r._asked_at) AS _asked_us, r._run, r._present%s FROM %s r JOIN cand k ON k._khash = r._khash AND k.key = r._key",
			i, prefixed(s.flagged("r")), quote(s.Replica())))
		records = append(records, fmt.Sprintf("SELECT _key, %s AS system, _id AS id, _op AS op, _version AS version, _etag AS etag, _hash AS hash, _asked_us AS asked_us, _run = (SELECT run FROM p_run) AS this_run, coalesce(_present, ',') AS present, coalesce(_present = %s, false) AS whole FROM raw_%d", system, Literal(s.present()), i))
		mapped = append(mapped, s.mappedLong(fmt.Sprintf("raw_%d", i), "_key, _id"))
		columns = append(columns, s.columnsLong(fmt.Sprintf("raw_%d", i), "_key, _id"))
		back = append(back, fmt.Sprintf("SELECT k._key, %s AS system FROM %s o JOIN cand k ON k._khash = o._khash AND k.key = o._key JOIN raw_%d r ON r._key = k._key AND r._id = o._id WHERE o._op = 'upsert' AND o._version < r._version AND epoch_us(o._asked_at) > r._asked_us",
			system, quote(s.Since()), i))
	}
	return append(out,
		"CREATE OR REPLACE TEMP TABLE went_back AS SELECT DISTINCT _key, system FROM ("+strings.Join(back, " UNION ALL ")+")",
		"CREATE OR REPLACE TEMP TABLE record AS "+strings.Join(records, " UNION ALL "),
		"CREATE OR REPLACE TEMP TABLE mapped AS "+e.union(mapped, "_key, _id AS id, field, state, value"),
		"CREATE OR REPLACE TEMP TABLE column_now AS SELECT c.*, p.col IS NOT NULL AS mapped FROM ("+e.union(columns, "_key, _id AS id, col, state, value")+
			") c LEFT JOIN (SELECT DISTINCT system, col FROM p_reads) p USING (system, col)")
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
		mapped = append(mapped, s.mappedLong(fmt.Sprintf("answer_%d", i), "_key, _change"))
		columns = append(columns, s.columnsLong(fmt.Sprintf("answer_%d", i), "_key, _change"))
	}
	return append(out,
		"CREATE OR REPLACE TEMP TABLE answer AS "+strings.Join(records, " UNION ALL "),
		"CREATE OR REPLACE TEMP TABLE answer_field AS "+e.union(mapped, "_key, _change AS change, field, state, value"),
		"CREATE OR REPLACE TEMP TABLE answer_column AS "+e.union(columns, "_key, _change AS change, col, state, value"))
}

// Standing is golden with its bases as stored: golden_record0, golden0 (fields
// in long form) and base_record0.
func (e *Entity) Standing() []string {
	var fields, bases []string
	for _, f := range e.Fields {
		name := quote(f.Name)
		fields = append(fields, fmt.Sprintf("{'field': %s, 'state': CASE WHEN %s IS NOT NULL THEN 'value' WHEN contains(coalesce(_nulls, ','), %s) THEN 'null' ELSE 'unset' END, 'value': %s, 'source': _sources[%s], 'edit': _edited[%s]}",
			Literal(f.Name), name, Literal(","+f.Name+","), schemas.CanonicalSQL(f.Type, name), Literal(f.Name), Literal(f.Name)))
	}
	for _, s := range e.Systems {
		b := tables.GoldenBase(s.Name)
		bases = append(bases, fmt.Sprintf("SELECT _key, %s AS system, %s AS id, %s AS hash, %s AS etag, %s AS version, from_json(coalesce(%s, '{}')::JSON, '\"MAP(VARCHAR, STRUCT(state VARCHAR, value VARCHAR, version BIGINT))\"') AS fields FROM golden_now WHERE %s IS NOT NULL",
			Literal(s.Name), quote(b.ID), quote(b.Hash), quote(b.ETag), quote(b.Version), quote(b.Fields), quote(b.ID)))
	}
	return []string{
		"CREATE OR REPLACE TEMP TABLE golden_now AS SELECT g.* REPLACE (k._key AS _key), g._key AS _key_text FROM in_golden g JOIN cand k ON k._khash = g._khash AND k.key = g._key",
		"CREATE OR REPLACE TEMP TABLE golden_record0 AS SELECT _key, _live AS live, _version AS version, epoch_us(_changed_at) AS changed_us FROM golden_now",
		"CREATE OR REPLACE TEMP TABLE golden0 AS SELECT _key, _u.field AS field, _u.state AS state, _u.value AS value, _u.source AS source, _u.edit.since AS edit_since, _u.edit.until AS edit_until FROM (SELECT _key, unnest([" +
			strings.Join(fields, ", ") + "]) AS _u FROM (SELECT * REPLACE (CAST(coalesce(_sources, '{}')::JSON AS MAP(VARCHAR, VARCHAR)) AS _sources, from_json(coalesce(_edited, '{}')::JSON, '\"MAP(VARCHAR, STRUCT(since BIGINT, until BIGINT))\"') AS _edited) FROM golden_now))",
		"CREATE OR REPLACE TEMP TABLE base_record0 AS " + strings.Join(bases, " UNION ALL "),
	}
}

// Laid computes, from the table golden_<which>, what each system would be sent
// (written_<which>_<i>, a row per record), what it would show then (laid_<which>,
// in long form), and whether the record belongs into it (scope_<which>).
func (e *Entity) Laid(which string) []string {
	golden := "golden_wide_" + which
	out := []string{"CREATE OR REPLACE TEMP TABLE " + golden + " AS " + e.wide("golden_"+which, "_key")}
	var laid, scopes []string
	for i, s := range e.Systems {
		table := fmt.Sprintf("written_%s_%d", which, i)
		unset := func(field string) string { return fmt.Sprintf("_s%d = 'unset'", e.field(field)) }
		out = append(out, "CREATE OR REPLACE TEMP TABLE "+table+" AS "+evaluated("_key", s.Writes, unset, "unset", golden))
		laid = append(laid, s.mappedLong(s.laidOver(fmt.Sprintf("raw_%d", i), table, "r._key, r._id"), "_key, _id"))
		scopes = append(scopes, fmt.Sprintf("SELECT _key, %s AS system, coalesce(TRY(CAST(%s AS BOOLEAN)), false) AS in_scope FROM %s", Literal(s.Name), s.Scope, golden))
	}
	return append(out,
		"CREATE OR REPLACE TEMP TABLE laid_"+which+" AS "+e.union(laid, "_key, _id AS id, field, state, value"),
		"CREATE OR REPLACE TEMP TABLE scope_"+which+" AS "+strings.Join(scopes, " UNION ALL "))
}

// Written is what each system would be sent of golden as it becomes, in long form:
// written_new.
func (e *Entity) Written() string {
	var written []string
	for i, s := range e.Systems {
		written = append(written, long("_key", "col", s.Writes, fmt.Sprintf("FROM written_new_%d", i)))
	}
	return "CREATE OR REPLACE TEMP TABLE written_new AS " + e.union(written, "_key, col, state, value")
}

// wide turns golden's long rows into a row per key (and what else keep names):
// typed fields, and _s<i> with their states.
func (e *Entity) wide(table, keep string) string {
	var texts, columns []string
	for i, f := range e.Fields {
		texts = append(texts, fmt.Sprintf("max(CASE WHEN field = %s AND state = 'value' THEN value END) AS _c%d, coalesce(max(CASE WHEN field = %s THEN state END), 'unset') AS _s%d",
			Literal(f.Name), i, Literal(f.Name), i))
		columns = append(columns, fmt.Sprintf("%s AS %s, _s%d", schemas.FromCanonicalSQL(f.Type, fmt.Sprintf("_c%d", i)), quote(f.Name), i))
	}
	return "SELECT " + join(keep, columns) + " FROM (SELECT " + join(keep, texts) + " FROM " + table + " GROUP BY " + keep + ")"
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

func (s System) mappedLong(relation, keep string) string {
	absent := func(column string) string { return fmt.Sprintf("_f%d", s.column(column)) }
	return long(keep, "field", s.Maps, evaluated(keep, s.Maps, absent, "absent", relation))
}

// columnsLong are the stream's own columns in long form.
func (s System) columnsLong(relation, keep string) string {
	var structs []string
	for i, f := range s.Columns {
		structs = append(structs, fmt.Sprintf("{'name': %s, 'state': CASE WHEN _f%d THEN 'absent' WHEN %s IS NULL THEN 'null' ELSE 'value' END, 'value': %s}",
			Literal(f.Name), i, quote(f.Name), schemas.CanonicalSQL(f.Type, quote(f.Name))))
	}
	return fmt.Sprintf("SELECT %s, _u.name AS col, _u.state AS state, _u.value AS value FROM (SELECT %s, unnest([%s]) AS _u FROM %s)",
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
