package postgres

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/stages/connector/connectortest"
)

// A table whose every edit moves updated_at, one second at a time, and which
// counts what our own connections did.
const watched = items + `
CREATE SEQUENCE ticks;
CREATE TABLE effects (n int);
CREATE FUNCTION tick() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('application_name') = 'trueup' THEN INSERT INTO effects VALUES (1); END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  NEW.updated_at := timestamptz '2020-01-01' + nextval('ticks') * interval '1.000001 second';
  RETURN NEW;
END $$;
CREATE TRIGGER tick BEFORE INSERT OR UPDATE OR DELETE ON items FOR EACH ROW EXECUTE FUNCTION tick();`

// outside is the suite's hand on the database.
type outside struct {
	*world
	proxy *proxy
}

func quoteNull(s *string) string {
	if s == nil {
		return "NULL"
	}
	return literal(*s)
}

// Insert makes a record, or anew the one that has the code: it is unique.
func (o outside) Insert(code string, note *string, cents int64) string {
	return o.exec(fmt.Sprintf("INSERT INTO items (code, note, cents) VALUES (%s, %s, %d) ON CONFLICT (code) DO UPDATE SET note = excluded.note, cents = excluded.cents RETURNING id", literal(code), quoteNull(note), cents))[0][0]
}

func (o outside) Update(id string, change func(*connectortest.Record)) {
	r := o.Records()[id]
	change(&r)
	o.exec(fmt.Sprintf("UPDATE items SET code = %s, note = %s, cents = %d WHERE id = %s", literal(r.Code), quoteNull(r.Note), r.Cents, id))
}

func (o outside) Delete(id string) { o.exec("DELETE FROM items WHERE id = " + id + "; SELECT 1") }

func (o outside) Records() map[string]connectortest.Record {
	out := map[string]connectortest.Record{}
	for _, row := range o.exec("SELECT id, code, coalesce('=' || note, ''), cents, floor(extract(epoch FROM updated_at) * 1000000)::bigint FROM items") {
		r := connectortest.Record{ID: row[0], Code: row[1]}
		if note, ok := strings.CutPrefix(row[2], "="); ok {
			r.Note = &note
		}
		r.Cents, _ = strconv.ParseInt(row[3], 10, 64)
		us, _ := strconv.ParseInt(row[4], 10, 64)
		r.UpdatedAt = time.UnixMicro(us).UTC()
		out[r.ID] = r
	}
	return out
}

func (o outside) Effects() int {
	n, err := strconv.Atoi(o.exec("SELECT count(*) FROM effects")[0][0])
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}

func (o outside) FailNext(f connectortest.Failure) { o.proxy.failNext(f) }

func TestConformance(t *testing.T) {
	for name, c := range map[string]struct {
		write        string
		precondition bool
	}{
		"unique key":   {write: writes},
		"precondition": {write: strings.Replace(writes, "unique: [code]", "precondition: true", 1), precondition: true},
	} {
		t.Run(name, func(t *testing.T) {
			shared := newWorld(t, watched)
			connectortest.Run(t, func(t *testing.T) connectortest.Fixture {
				shared.exec("TRUNCATE items, effects RESTART IDENTITY; SELECT setval('ticks', 1)")
				w := &world{t: t, server: shared.server, name: shared.name, conn: shared.conn}
				p := newProxy(t, w.server.Address())
				s := stream(t, strings.Replace(w.dsn(), w.server.Address(), p.address(), 1), parts{write: c.write})
				return connectortest.Fixture{System: outside{w, p}, Source: s, Target: s, Creates: true, Deletes: true, Precondition: c.precondition, Batches: true, Poison: "1e99",
					Failures: []connectortest.Failure{connectortest.Unavailable, connectortest.AnswerLost, connectortest.Truncated, connectortest.Garbage}}
			})
		})
	}
}
