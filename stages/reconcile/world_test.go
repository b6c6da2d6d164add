package reconcile

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/reconcile/compile"
	"github.com/trueup-data/trueup/stages/reconcile/merge"
)

// memory is a DuckDB session in memory.
type memory struct {
	conn    *sql.Conn
	rewrite func(statement string) string // what is executed instead; nil: nothing else
}

func (m memory) Exec(ctx context.Context, statement string, args ...any) error {
	if m.rewrite != nil {
		statement = m.rewrite(statement)
	}
	_, err := m.conn.ExecContext(ctx, statement, args...)
	return err
}

func (m memory) Query(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return m.conn.QueryContext(ctx, statement, args...)
}

// world keeps an entity's tables in DuckDB, as the lake would, and judges them
// again and again. The stages around reconcile are played by the test.
type world struct {
	end     func() // of its database; twice is safe
	t       testing.TB
	s       memory
	project config.Entity
	entity  *compile.Entity
	rules   *merge.Rules
	states  []systemState
	text    func(name string) (string, error)
	perHash int
	guards  config.Guards
	yes     bool
	plan    string

	run   int
	seq   int
	mark  int    // place up to which reconcile took the outcomes in
	marks []int  // and what each system said
	away  []bool // systems that could not be written to since
	at    time.Time
	last  time.Time
	wrote map[string]int // rows by output of the last judgement
	watch func(statement string)

	compared int // situations that were judged by both
}

func sqlText(name string) (string, error) {
	b, err := os.ReadFile(filepath.Join("..", "..", "sql", "reconcile", name+".sql"))
	return string(b), err
}

// start is the pinned clock of the first run.
var start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func newWorld(t testing.TB, entity config.Entity, rules *merge.Rules) *world {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	must(t, err)
	conn, err := db.Conn(context.Background())
	must(t, err)
	end := func() { // the database takes memory until its last connection is closed
		conn.Close()
		db.Close()
	}
	t.Cleanup(end)
	w := &world{t: t, end: end, s: memory{conn: conn}, project: entity, rules: rules, text: sqlText, perHash: 100000, at: start, last: start, plan: "plan-1"}
	w.exec("SET TimeZone = 'UTC'; SET threads = 1")
	w.entity, err = compile.New(compile.Binder{Context: context.Background(), Query: w.s.Query}, entity)
	must(t, err)
	for range w.entity.Systems {
		w.states = append(w.states, systemState{joined: true, due: true, complete: true})
		w.marks, w.away = append(w.marks, 0), append(w.away, false)
	}
	for name, table := range w.tables() {
		w.exec(strings.Replace(compile.Create("t_"+name, table), " TEMP", "", 1))
		w.exec("ALTER TABLE t_" + name + " ADD COLUMN _pos BIGINT")
		w.exec("ALTER TABLE t_" + name + " ADD COLUMN _seq BIGINT DEFAULT 0")
		w.exec("ALTER TABLE t_" + name + " ADD COLUMN _ord BIGINT DEFAULT 0")
	}
	for _, st := range entity.Streams {
		w.exec(`CREATE VIEW "in_replica_` + st.System + `" AS FROM t_replica_` + st.System + ` QUALIFY row_number() OVER (PARTITION BY _key, _id ORDER BY _version DESC NULLS LAST, _epoch DESC, _asked_at DESC, _pos DESC) = 1`)
	}
	for _, name := range []string{"golden", "crosswalk", "tombstones", "changes", "dead_letters", "differences", "findings", "decisions", "holds"} {
		w.exec("CREATE VIEW in_" + name + " AS FROM t_" + name)
	}
	return w
}

func (w *world) tables() map[string]tables.Table {
	e := w.entity
	out := map[string]tables.Table{"journal": tables.Journal(), "dead_letters": tables.DeadLetters(), "decisions": tables.Decisions()}
	for name, table := range e.Outputs() {
		out[strings.TrimPrefix(name, "out_")] = table
	}
	for _, st := range w.project.Streams {
		var columns []schemas.Column
		for _, f := range st.Extract.Fields {
			columns = append(columns, schemas.Column{Name: f.Name, Type: f.Type})
		}
		out["replica_"+st.System] = tables.Replica(pipeline.StreamID{Entity: e.Name, System: st.System}, columns)
	}
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) exec(statement string, args ...any) {
	w.t.Helper()
	if err := w.s.Exec(context.Background(), statement, args...); err != nil {
		w.t.Fatalf("%v\n%s", err, statement)
	}
}

// query gives rows as maps from column to value; JSON, numbers and times as text.
func (w *world) query(statement string, args ...any) []map[string]*string {
	w.t.Helper()
	rows, err := w.s.Query(context.Background(), "SELECT COLUMNS(*)::VARCHAR FROM ("+statement+")", args...)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, statement)
	}
	defer rows.Close()
	names, err := rows.Columns()
	must(w.t, err)
	var out []map[string]*string
	for rows.Next() {
		values := make([]*string, len(names))
		targets := make([]any, len(names))
		for i := range values {
			targets[i] = &values[i]
		}
		must(w.t, rows.Scan(targets...))
		row := map[string]*string{}
		for i, n := range names {
			row[n] = values[i]
		}
		out = append(out, row)
	}
	must(w.t, rows.Err())
	return out
}

func str(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// khash stands in for the hash of a key: any stable number does.
func khash(key string) int64 {
	h := int64(1469598103934665603)
	for _, c := range []byte(key) {
		h = (h ^ int64(c)) * 1099511628211
	}
	return h
}

// observation is what a page, a read by ID or an answer said.
type observation struct {
	key, id string
	op      pipeline.Op
	version *int64
	asked   time.Time
	fields  map[string]*string // canonical; nil is null; missing: never carried

	overlay    []string // fields that the payload left out: the row shows what was there before
	firstNulls bool     // the nulls are those of a first payload: nobody was seen to clear the fields
	place      int      // in the lake; 0: the next one
	commit     int      // seq of the commit that stored it: that of the outcome which it answers
}

// observe stores rows as extract or load would: over what is known of their records.
func (w *world) observe(system string, list ...observation) {
	w.t.Helper()
	st := w.stream(system)
	var values []string
	known := w.versions(system, list)
	for _, o := range list {
		record := replica.Record{Key: o.key, ID: o.id}
		o.version = replica.VersionOver(known[record], o.version)
		if was := known[record]; was == nil || *o.version >= *was {
			known[record] = o.version
		}
		if o.place == 0 {
			w.seq++
			o.place = w.seq
		}
		nulls, carried := ",", []string{}
		columns := make([]string, len(st.Extract.Fields))
		digest := o.key + o.id
		names := make([]string, 0, len(st.Extract.Fields))
		for i, f := range st.Extract.Fields {
			columns[i] = "NULL"
			if v, ok := o.fields[f.Name]; ok && v != nil {
				columns[i], digest = schemas.FromCanonicalSQL(f.Type, compile.Literal(*v)), digest+f.Name+*v
			} else if ok {
				names, digest = append(names, f.Name), digest+f.Name+"null"
			}
			if _, ok := o.fields[f.Name]; ok && !slices.Contains(o.overlay, f.Name) {
				carried = append(carried, f.Name)
			}
		}
		for _, n := range sorted(names) {
			nulls += n + ","
		}
		if o.firstNulls {
			nulls = ","
		}
		present := string(pipeline.NewFieldSet(carried))
		version := "NULL"
		if o.version != nil {
			version = fmt.Sprint(*o.version)
		}
		values = append(values, fmt.Sprintf("(%d, %s, %s, %s, %s, NULL, %d, %s, %s, %s, 1, make_timestamptz(%d::BIGINT), %s, NULL, %d, %d, 0)",
			khash(o.key), compile.Literal(o.key), compile.Literal(o.id), compile.Literal(string(o.op)), version, khash(digest), compile.Literal(present), compile.Literal(nulls),
			compile.Literal(w.runID()), o.asked.UnixMicro(), strings.Join(columns, ", "), o.place, o.commit))
	}
	if len(values) > 0 {
		w.exec("INSERT INTO t_replica_" + system + " VALUES " + strings.Join(values, ", "))
	}
}

// versions are those of the newest rows of the records that are observed.
func (w *world) versions(system string, list []observation) map[replica.Record]*int64 {
	var ids []string
	for _, o := range list {
		ids = append(ids, compile.Literal(o.id))
	}
	out := map[replica.Record]*int64{}
	if len(ids) == 0 || w.stream(system).Extract.Version == "" {
		return out
	}
	for _, r := range w.query(fmt.Sprintf(`SELECT _key, _id, _version FROM "in_replica_%s" WHERE _id IN (%s)`, system, strings.Join(ids, ", "))) {
		out[replica.Record{Key: *r["_key"], ID: *r["_id"]}] = numberOrNil(r["_version"])
	}
	return out
}

func (w *world) stream(system string) config.Stream {
	for _, st := range w.project.Streams {
		if st.System == system {
			return st
		}
	}
	w.t.Fatalf("no system %q", system)
	return config.Stream{}
}

func (w *world) runID() string { return fmt.Sprintf("run-%04d", w.run) }

// judge runs reconcile over the tables and folds what it gives into them.
func (w *world) judge() {
	w.t.Helper()
	must(w.t, w.tryJudge())
}

func (w *world) tryJudge() error {
	w.t.Helper()
	back := false
	for i, st := range w.project.Streams {
		w.exec(fmt.Sprintf(`CREATE OR REPLACE TEMP VIEW "in_since_%s" AS FROM t_replica_%s WHERE _pos > %d`, st.System, st.System, w.marks[i]))
		back = back || w.away[i] && addressed(w.entity.Systems[i], w.states[i])
	}
	w.exec(fmt.Sprintf("CREATE OR REPLACE TEMP VIEW in_journal AS FROM t_journal WHERE _pos > %d", w.mark))
	w.exec(fmt.Sprintf("CREATE OR REPLACE TEMP VIEW in_decided AS FROM t_decisions WHERE _pos > %d", w.mark))
	w.exec(fmt.Sprintf("CREATE OR REPLACE TEMP VIEW in_golden_behind AS SELECT _khash, _key FROM t_golden WHERE %t", back))
	j := judgement{entity: w.entity, systems: w.states, guards: w.guards, perHash: w.perHash, text: w.text,
		run: runState{id: w.runID(), at: w.at, lastAt: w.last, plan: w.plan, yes: w.yes}}
	if w.watch != nil {
		return j.judge(context.Background(), watched{w.s, w.watch})
	}
	return j.judge(context.Background(), w.s)
}

// watched shows every statement to somebody before it runs.
type watched struct {
	memory
	watch func(statement string)
}

func (s watched) Exec(ctx context.Context, statements string, args ...any) error {
	for _, one := range strings.Split(statements, ";\n") {
		if strings.TrimSpace(one) == "" {
			continue
		}
		s.watch(one)
		if err := s.memory.Exec(ctx, one, args...); err != nil {
			return err
		}
	}
	return nil
}

// fold takes what a judgement gave into the tables.
func (w *world) fold() {
	w.t.Helper()
	w.wrote = map[string]int{}
	for name, table := range w.entity.Outputs() {
		target := "t_" + strings.TrimPrefix(name, "out_")
		if len(table.Key) > 0 {
			var same []string
			for _, k := range table.Key {
				same = append(same, fmt.Sprintf(`t."%s" IS NOT DISTINCT FROM o."%s"`, k, k))
			}
			w.exec(fmt.Sprintf("DELETE FROM %s t USING %s o WHERE %s", target, name, strings.Join(same, " AND ")))
		}
		w.exec(fmt.Sprintf("INSERT INTO %s BY NAME SELECT *, %d AS _pos FROM %s", target, w.seq, name))
		count := w.query("SELECT count(*) AS n FROM " + name)
		var n int
		_, err := fmt.Sscan(*count[0]["n"], &n)
		must(w.t, err)
		w.wrote[name] = n
	}
	w.mark, w.last = w.seq, w.at
	for i, state := range w.states {
		state.quarantined = w.inQuarantine(w.entity.Systems[i].Name)
		if state.known() {
			w.marks[i] = w.seq
		}
		w.away[i] = !addressed(w.entity.Systems[i], state)
	}
}

// choose stores what a person decided of a presence that waits.
func (w *world) choose(name, hold, shown, take string, at time.Time) {
	w.t.Helper()
	w.exec(`INSERT INTO t_decisions (decision, kind, target, shown, choice, recorded_at) VALUES (?, 'decide', ?, ?, ?, make_timestamptz(?::BIGINT))`,
		name, hold, shown, `{"take": "`+take+`"}`, at.UnixMicro())
}

// inQuarantine reports whether the last judgement stopped the system's input.
func (w *world) inQuarantine(system string) bool {
	names, err := quarantined(context.Background(), w.s)
	must(w.t, err)
	return slices.Contains(names, system)
}

func (w *world) nextRun(after time.Duration) {
	w.run++
	w.at = w.at.Add(after)
}

func decodeText[T any](t testing.TB, text string) T {
	t.Helper()
	var out T
	if text == "" {
		return out
	}
	must(t, json.Unmarshal([]byte(text), &out))
	return out
}
