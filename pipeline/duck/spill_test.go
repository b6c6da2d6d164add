//go:build duckdb_arrow

package duck

import (
	"fmt"
	"slices"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

// wide is a table whose joins need more than the memory limit of these tests.
func wide(system string) tables.Table {
	return tables.Replica(pipeline.StreamID{Entity: "b", System: system}, []schemas.Column{
		{Name: "p1", Type: textType}, {Name: "p2", Type: textType}, {Name: "p3", Type: textType}, {Name: "p4", Type: textType}})
}

// many adds a file of the keys from, from+step, ... below to.
func (f *fixture) many(t tables.Table, kind lake.FileKind, seq uint64, from, to, step int) {
	f.files[t.Name] = append(f.files[t.Name], f.export(t, kind, seq, fmt.Sprintf(
		`SELECT (hash(range) // 2)::BIGINT AS _khash, 'k' || range AS _key, 'i' || range AS _id, 'upsert' AS _op, %[4]d::BIGINT AS _version,
			NULL::VARCHAR AS _etag, range::BIGINT AS _hash, ',' AS _present, ',' AS _nulls, 'r' AS _run, %[4]d::BIGINT AS _epoch,
			TIMESTAMPTZ 'epoch' AS _asked_at, sha256(range || 'p1%[4]d') AS p1, sha256(range || 'p2') AS p2, sha256(range || 'p3') AS p3,
			sha256(range || 'p4') AS p4, NULL::VARCHAR AS _extra
		FROM range(%[1]d, %[2]d, %[3]d) ORDER BY _khash`, from, to, step, seq)))
}

const joined = 300_000

// Every join of the product has this shape: two sides of records by hash, one of
// them with a filter of its own, which is when DuckDB sends a Bloom filter into
// the scan of the other.
func TestAJoinThatSpillsLosesNoRows(t *testing.T) {
	f := newFixture(t)
	pms, air, late := wide("pms"), wide("air"), wide("late")
	f.many(pms, lake.Folded, 1, 0, joined, 1)
	f.many(air, lake.Folded, 1, 0, joined, 2)
	f.many(air, lake.Folded, 1, 1, joined, 4)
	f.files[late.Name] = f.files[pms.Name]
	f.many(late, lake.Delta, 2, 0, joined, 3)
	s := begin(t, open(t, f, Options{MemoryBytes: 80 << 20, Threads: 1}), f)
	for view, table := range map[string]tables.Table{"pms": pms, "air": air, "late": late} {
		if err := s.Current(t.Context(), table, view); err != nil {
			t.Fatal(err)
		}
	}
	const whole = joined * (joined - 1) / 2
	shared := sumOf(0, joined, 2) + sumOf(1, joined, 4)
	filtered := "(SELECT * FROM air WHERE _version > 0 AND p1 <> '')"
	for _, c := range []struct{ name, statement, want string }{
		{"view", "SELECT count(*), sum(_hash), sum(_version), min(length(p1 || p2 || p3 || p4)) FROM late",
			fmt.Sprintf("%d|%d|%d|256", joined, whole, joined+joined/3)},
		{"full join", "SELECT count(*), count(a._key), sum(p._hash), min(length(concat(p.p1, p.p2, p.p3, p.p4, a.p1, a.p2, a.p3, a.p4))) FROM pms p FULL JOIN " +
			filtered + " a ON a._khash = p._khash AND a._key = p._key",
			fmt.Sprintf("%d|%d|%d|256", joined, joined*3/4, whole)},
		{"anti join", "SELECT count(*), sum(_hash), min(length(p1)) FROM pms p ANTI JOIN " + filtered +
			" a ON a._khash = p._khash AND a.p1 = p.p1 AND a.p2 = p.p2 AND a.p3 = p.p3 AND a.p4 = p.p4",
			fmt.Sprintf("%d|%d|64", joined/4, whole-shared)},
		{"inner join", "SELECT count(*), sum(p._hash), min(length(concat(p.p1, p.p2, p.p3, p.p4, a.p1, a.p2, a.p3, a.p4))) FROM pms p JOIN " +
			filtered + " a ON a._khash = p._khash AND a._key = p._key WHERE p._version > 0",
			fmt.Sprintf("%d|%d|512", joined*3/4, shared)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ask(t, s, c.statement); !slices.Equal(got, []string{c.want}) {
				t.Errorf("got %v, want %s", got, c.want)
			}
			if c.name != "view" {
				needsToSpill(t, f, pms, air, c.statement)
			}
		})
	}
}

// needsToSpill fails if a statement has room enough without a disk: then it showed nothing.
func needsToSpill(t *testing.T, f *fixture, pms, air tables.Table, statement string) {
	s := begin(t, open(t, f, Options{MemoryBytes: 80 << 20, Threads: 1}), f)
	for view, table := range map[string]tables.Table{"pms": pms, "air": air} {
		if err := s.Current(t.Context(), table, view); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Exec(t.Context(), "SET max_temp_directory_size = '0B'"); err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(t.Context(), statement); fault.CodeOf(err) != CodeMemory {
		t.Errorf("it did not spill: %v", err)
	}
}

func sumOf(from, to, step int) (sum int) {
	for n := from; n < to; n += step {
		sum += n
	}
	return sum
}
