package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/stages/connector/postgres/pgtest"
)

func open() error { return nil }

func update(id string, after pipeline.Values) pipeline.Write {
	return pipeline.Write{Change: "c", Op: pipeline.OpUpdate, Key: "k", KeyFields: map[string]string{"code": "k"}, ID: id, After: after}
}

func create(code string, after pipeline.Values) pipeline.Write {
	after["code"] = text(code)
	return pipeline.Write{Change: "c", Op: pipeline.OpCreate, Key: code, KeyFields: map[string]string{"code": code}, After: after}
}

func send(t *testing.T, s *Stream, w pipeline.Write) pipeline.Answer {
	t.Helper()
	req, err := s.Prepare(w)
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Send(t.Context(), req, w.Op, open)
	if err != nil {
		t.Fatalf("%s: %v", req.Body, err)
	}
	if a.Record != nil {
		t.Cleanup(a.Record.Rows.Release)
	}
	return a
}

func TestARequestIsTheWholeStatementAndNamesAreQuoted(t *testing.T) {
	s := stream(t, "host=nowhere", parts{
		source: `table: we"ird.it'ems`, fields: `{id: string, code: string, n: {type: string, path: 'no"te'}, updated_at: timestamp}`,
		write: `{fields: {code: code, 'no"te': code}, create: true, update: true, delete: true, unique: [code], precondition: true}`})
	version := int64(1_577_836_800_000_001)
	w := update("7", pipeline.Values{"n": nil, "code": text("x")})
	w.Version = &version
	del := w
	del.Op = pipeline.OpDelete
	for _, c := range []struct {
		w    pipeline.Write
		want []string
	}{
		{w, []string{"UPDATE", `we"ird.it'ems`, `UPDATE \"we\"\"ird\".\"it'ems\" SET \"code\" = $1, \"no\"\"te\" = $2 WHERE \"id\" = $3 AND \"updated_at\" = $4 RETURNING`,
			`"arguments":["x",null,"7","2020-01-01T00:00:00.000001Z"]`}},
		{del, []string{"DELETE", `DELETE FROM`, `"arguments":["7","2020-01-01T00:00:00.000001Z"]`}},
		{create("k", pipeline.Values{"n": text("v")}), []string{"INSERT", `(\"code\", \"no\"\"te\") VALUES ($1, $2) ON CONFLICT (\"code\") DO NOTHING RETURNING`, `"arguments":["k","v"]`}},
	} {
		req, err := s.Prepare(c.w)
		if err != nil {
			t.Fatal(err)
		}
		all := req.Method + " " + req.Path + " " + req.Body
		for _, want := range c.want {
			if !strings.Contains(all, want) {
				t.Errorf("%s\nlacks %s", all, want)
			}
		}
	}
	w.Version = nil
	if _, err := s.Prepare(w); !errors.Is(err, pipeline.ErrNeedsRead) {
		t.Errorf("without a version: %v", err)
	}
}

func TestProtocolsAreWhatTheTableOffers(t *testing.T) {
	for name, c := range map[string]struct {
		write, mapped  string
		create, update pipeline.Protocol
	}{
		"unique":       {writes, "", pipeline.ByUniqueKey, pipeline.ByNothing},
		"searchable":   {"{fields: {code: code}, create: true, update: true}", "", pipeline.BySearchableKey, pipeline.ByNothing},
		"computed key": {"{fields: {code: code}, create: true, update: true}", "{code: upper(code)}", pipeline.ByNothing, pipeline.ByNothing},
		"precondition": {"{fields: {code: code}, create: true, update: true, precondition: true}", "", pipeline.BySearchableKey, pipeline.ByPrecondition},
	} {
		s := stream(t, "host=nowhere", parts{write: c.write, mapped: c.mapped})
		if got := s.Protocol(pipeline.OpCreate); got != c.create {
			t.Errorf("%s: create is %s", name, got)
		}
		if got := s.Protocol(pipeline.OpUpdate); got != c.update {
			t.Errorf("%s: update is %s", name, got)
		}
	}
}

func TestWhatTheServerRefusesIsAnAnswerAndHasNoEffect(t *testing.T) {
	w := newWorld(t, items+`
ALTER TABLE items ADD CHECK (cents < 1000), ADD mail text UNIQUE, ADD parent bigint REFERENCES items DEFERRABLE INITIALLY DEFERRED;
INSERT INTO items (code, cents, mail) VALUES ('a', 1, 'a@x'), ('b', 2, 'b@x');`)
	p := parts{fields: "{id: string, code: string, note: string, cents: int64, mail: string, parent: int64, updated_at: timestamp}", write: writes}
	s := stream(t, w.dsn(), p)
	for name, c := range map[string]struct {
		w    pipeline.Write
		want pipeline.Outcome
		says string
	}{
		"check":                 {update("1", pipeline.Values{"cents": text("1000")}), pipeline.Rejected, "items_cents_check"},
		"unique elsewhere":      {update("1", pipeline.Values{"mail": text("b@x")}), pipeline.Rejected, "items_mail_key"},
		"unique in a create":    {create("n", pipeline.Values{"mail": text("b@x")}), pipeline.Rejected, "items_mail_key"},
		"deferred to the end":   {update("1", pipeline.Values{"parent": text("99")}), pipeline.Rejected, "items_parent_fkey"},
		"no number":             {update("1", pipeline.Values{"cents": text("1e99")}), pipeline.Rejected, "22P02"},
		"the key exists":        {create("b", pipeline.Values{}), pipeline.AlreadyTrue, "exists"},
		"nobody has the ID":     {update("99", pipeline.Values{"cents": text("1")}), pipeline.Stale, "no row"},
		"nobody to be deleted":  {pipeline.Write{Op: pipeline.OpDelete, ID: "99"}, pipeline.AlreadyTrue, "no row"},
		"an ID that is no key":  {pipeline.Write{Op: pipeline.OpDelete, ID: "x"}, pipeline.Rejected, "22P02"},
		"null where it must be": {update("1", pipeline.Values{"code": nil}), pipeline.Rejected, "23502"},
	} {
		if a := send(t, s, c.w); a.Outcome != c.want || !strings.Contains(a.Evidence, c.says) {
			t.Errorf("%s: %s (%s)", name, a.Outcome, a.Evidence)
		}
	}
	if got := fmt.Sprint(w.exec("SELECT code, cents, mail, parent FROM items ORDER BY id")); got != "[[a 1 a@x NULL] [b 2 b@x NULL]]" {
		t.Errorf("now there is %s", got)
	}
}

func TestAnAnswerCarriesTheRowAndItsID(t *testing.T) {
	w := newWorld(t, items)
	s := stream(t, w.dsn(), parts{write: writes})
	a := send(t, s, create("k", pipeline.Values{"cents": text("5"), "note": nil}))
	if a.Outcome != pipeline.Applied || a.ID != "1" || a.Record == nil || a.Digest == "" || a.At.IsZero() {
		t.Fatalf("%+v", a)
	}
	if rows := show(s, a.Record.Rows, "code", "cents", "note"); !slices.Equal(rows, []string{"1|k|null|5"}) {
		t.Errorf("answered %v", rows)
	}
	w.exec("CREATE VIEW seen AS SELECT id, code, note, cents, updated_at FROM items")
	other := stream(t, w.dsn(), parts{source: "table: seen", write: strings.Replace(writes, "{fields", "{table: items, fields", 1)})
	if a := send(t, other, create("m", pipeline.Values{})); a.ID != "2" || a.Record != nil {
		t.Errorf("written into another table than is read: %+v", a)
	}
}

func TestATableInWhichAnIDCouldMeanSeveralRowsIsNotWritten(t *testing.T) {
	for name, c := range map[string]struct {
		table   string
		refused bool
	}{
		"no index":      {"", true},
		"partial":       {"CREATE UNIQUE INDEX ON items (id) WHERE cents > 0", true},
		"wider":         {"CREATE UNIQUE INDEX ON items (id, code)", true},
		"expression":    {"CREATE UNIQUE INDEX ON items (abs(id))", true},
		"deferrable":    {"ALTER TABLE items ADD UNIQUE (id) DEFERRABLE", true},
		"unique":        {"CREATE UNIQUE INDEX ON items (id)", false},
		"with payload":  {"CREATE UNIQUE INDEX ON items (id) INCLUDE (code)", false},
		"other columns": {"CREATE UNIQUE INDEX ON items (code)", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "CREATE TABLE items (id bigint, code text, note text, cents bigint, updated_at timestamptz); INSERT INTO items VALUES (1, 'a', NULL, 1, NULL); "+c.table)
			s := stream(t, w.dsn(), parts{write: writes})
			req, err := s.Prepare(update("1", pipeline.Values{"cents": text("2")}))
			if err != nil {
				t.Fatal(err)
			}
			asked := false
			_, err = s.Send(t.Context(), req, pipeline.OpUpdate, func() error { asked = true; return nil })
			if (err != nil) != c.refused || asked == c.refused || c.refused && !fault.Is(err, fault.Permanent) {
				t.Errorf("error %v, fence asked %v", err, asked)
			}
		})
	}
}

func TestACreateWithoutTheUniqueConstraintItNamesIsRefused(t *testing.T) {
	w := newWorld(t, strings.Replace(items, "UNIQUE", "", 1))
	s := stream(t, w.dsn(), parts{write: writes})
	if a := send(t, s, create("k", pipeline.Values{})); a.Outcome != pipeline.Rejected || !strings.Contains(a.Evidence, "unique constraint over") {
		t.Errorf("%+v", a)
	}
}

// Whatever the server says while it ends the connection may follow a commit.
func TestAConnectionThatIsKilledLeavesADoubtAndNoEffectTwice(t *testing.T) {
	w := newWorld(t, items)
	s := stream(t, w.dsn(), parts{write: writes})
	w.insert(1, 1)
	req, err := s.Prepare(update("1", pipeline.Values{"cents": text("2")}))
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Send(t.Context(), req, pipeline.OpUpdate, func() error {
		w.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trueup' AND datname = current_database()")
		return nil
	})
	if err == nil && a.Outcome != pipeline.InDoubt || err != nil && !fault.Is(err, fault.Unknown) {
		t.Errorf("outcome %q, error %v", a.Outcome, err)
	}
	if a := send(t, s, update("1", pipeline.Values{"cents": text("3")})); a.Outcome != pipeline.Applied {
		t.Errorf("the next one: %+v", a)
	}
}

// A writer that died leaves a transaction that may still commit. What a read
// back or a search shows must not be the state before it.
func TestALookWaitsForAWriteOfOursThatIsStillRunning(t *testing.T) {
	w := newWorld(t, items)
	w.insert(1, 1)
	s := stream(t, w.dsn(), parts{write: writes})
	running := func(lock, statement string) *pgconn.PgConn {
		conn := w.server.Connect(t, w.name)
		pgtest.Exec(t, conn, fmt.Sprintf("BEGIN; SELECT pg_advisory_xact_lock(%d); %s", lockNumber(lock), statement))
		return conn
	}
	updating := running(s.lockOf("1"), "UPDATE items SET cents = 77 WHERE id = 1 RETURNING 1")
	creating := running(s.lockOfKey(map[string]string{"code": "new"}), "INSERT INTO items (code) VALUES ('new') RETURNING 1")
	fetched, searched := make(chan []string, 1), make(chan []string, 1)
	go func() {
		got, err := s.Fetch(context.Background(), []string{"1"})
		if err != nil {
			fetched <- []string{err.Error()}
			return
		}
		fetched <- show(s, got.Batch.Rows, "cents")
	}()
	go func() {
		got, err := s.Search(context.Background(), map[string]string{"code": "new"})
		if err != nil || got.Rows == nil {
			searched <- []string{fmt.Sprint("nothing: ", err)}
			return
		}
		searched <- show(s, got.Rows, "code")
	}()
	w.await("SELECT count(*) = 2 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
	pgtest.Exec(t, updating, "COMMIT")
	pgtest.Exec(t, creating, "COMMIT")
	if got := <-fetched; !slices.Equal(got, []string{"1|77"}) {
		t.Errorf("fetched %v", got)
	}
	if got := <-searched; !slices.Equal(got, []string{"2|new"}) {
		t.Errorf("searched %v", got)
	}
}

// await asks until a condition holds.
func (w *world) await(condition string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for w.exec(condition)[0][0] != "t" {
		select {
		case <-ctx.Done():
			w.t.Fatalf("never: %s", condition)
		case <-tick.C:
		}
	}
}

func TestTheServersWordByCode(t *testing.T) {
	for code, want := range map[string]pipeline.Outcome{
		"23505": pipeline.Rejected, "23514": pipeline.Rejected, "22P02": pipeline.Rejected, "42501": pipeline.Rejected, "25006": pipeline.Rejected,
		"40001": pipeline.Retryable, "40P01": pipeline.Retryable, "55P03": pipeline.Retryable, "57014": pipeline.Retryable, "53100": pipeline.Retryable,
		"40003": pipeline.InDoubt, "08006": pipeline.InDoubt,
	} {
		if got := outcomeOf(&pgconn.PgError{Code: code, Severity: "ERROR"}); got != want {
			t.Errorf("%s: %s", code, got)
		}
		if got := outcomeOf(&pgconn.PgError{Code: code, Severity: "FATAL"}); got != pipeline.InDoubt {
			t.Errorf("%s, FATAL: %s", code, got)
		}
	}
}

func TestProblemsOfTheFileAreFoundBeforeAnythingConnects(t *testing.T) {
	for name, c := range map[string]struct {
		p    parts
		says string
	}{
		"neither table nor query":  {parts{source: "deletes: {absence: false}"}, "needs table or query"},
		"both":                     {parts{source: "table: a", extract: "query: SELECT 1"}, "needs table or query"},
		"three parts":              {parts{source: "table: a.b.c"}, "is no name"},
		"a path into a column":     {parts{fields: "{id: string, code: {type: string, path: a.b}, updated_at: timestamp}"}, "leads into a column"},
		"another key":              {parts{write: strings.Replace(writes, "{fields", "{key: [code], fields", 1)}, "not the primary_key"},
		"unique is not declared":   {parts{write: strings.Replace(writes, "[code]", "[nothing]", 1)}, "nothing is not declared"},
		"unique of another length": {parts{write: strings.Replace(writes, "[code]", "[code, note]", 1)}, "number of fields"},
		"precondition, no version": {parts{incremental: "none", write: strings.Replace(writes, "unique: [code]", "precondition: true", 1)}, "needs a version"},
		"a query has no table":     {parts{source: "query: SELECT 1", write: writes}, "needs table"},
		"an unknown key":           {parts{extract: "tabel: x"}, "tabel"},
	} {
		if _, err := load(t, c.p.yaml("host=nowhere")); err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "trueup.yaml:") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
