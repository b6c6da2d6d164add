package tables_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

func stream() pipeline.StreamID { return pipeline.StreamID{Entity: "bookings", System: "pms"} }

func fields() []schemas.Column {
	return []schemas.Column{{Name: "code", Type: schemas.Type{Kind: schemas.String}}, {Name: "price", Type: schemas.Type{Kind: schemas.Decimal, Precision: 12, Scale: 2}}}
}

func all() []tables.Table {
	return []tables.Table{
		tables.Replica(stream(), fields()), tables.SweepSeen(stream()), tables.Checkpoints(),
		tables.Golden("bookings", fields(), []string{"pms", "airbnb"}), tables.Crosswalk("bookings"), tables.Tombstones("bookings"),
		tables.Changes("bookings"), tables.Journal(), tables.Conflicts("bookings"), tables.DeadLetters(), tables.Findings(),
		tables.Differences(), tables.Holds(), tables.Decisions(), tables.Runs(), tables.Metrics(),
	}
}

func TestConnectorsAndTablesUseTheSameColumnNames(t *testing.T) {
	for mine, theirs := range map[string]string{
		schemas.ColID: pipeline.ColID, schemas.ColOp: pipeline.ColOp, schemas.ColVersion: pipeline.ColVersion,
		schemas.ColETag: pipeline.ColETag, schemas.ColPresent: pipeline.ColPresent, schemas.ColNulls: pipeline.ColNulls,
		schemas.ColAskedAt: pipeline.ColAskedAt, schemas.ColExtra: pipeline.ColExtra, schemas.OpUpsert: string(pipeline.Upsert),
	} {
		if mine != theirs {
			t.Errorf("%s is %s in the vocabulary", mine, theirs)
		}
	}
	declared := []schemas.Field{{Name: "code", Type: fields()[0].Type}, {Name: "price", Type: fields()[1].Type}}
	observed, replica := schemas.ObservationColumns(declared), tables.Replica(stream(), fields())
	for _, c := range observed {
		at := slices.Index(replica.ColumnNames(), c.Name)
		if at < 0 || !replica.Columns[at].Type.Equal(c.Type) {
			t.Errorf("an observation's %s %s has no such column in the replica", c.Name, c.Type)
		}
	}
	added := []string{pipeline.ColKHash, pipeline.ColKey, pipeline.ColHash, pipeline.ColRun, pipeline.ColEpoch}
	for _, name := range replica.ColumnNames() {
		fromConnector := slices.ContainsFunc(observed, func(c schemas.Column) bool { return c.Name == name })
		if fromConnector == slices.Contains(added, name) {
			t.Errorf("%s: who fills it?", name)
		}
	}
}

func TestSetsOfFieldsAreWrittenAlike(t *testing.T) {
	declared := []schemas.Field{{Name: "id", Type: fields()[0].Type}, {Name: "b", Type: fields()[0].Type}, {Name: "a", Type: fields()[0].Type}}
	b, err := schemas.NewRowBuilder(schemas.DecodeSpec{Fields: declared, PrimaryKey: []string{"id"}})
	if err != nil {
		t.Fatal(err)
	}
	b.SetCanonical(0, "1")
	b.SetNull(1)
	b.Finish(schemas.RowMeta{}, nil)
	row := b.Flush()
	for name, want := range map[string]pipeline.FieldSet{
		pipeline.ColPresent: pipeline.NewFieldSet([]string{"b", "id"}), pipeline.ColNulls: pipeline.NewFieldSet([]string{"b"}),
	} {
		at := row.Schema().FieldIndices(name)[0]
		if got := row.Column(at).ValueStr(0); got != string(want) {
			t.Errorf("%s is %s, not %s", name, got, want)
		}
	}
}

func TestEveryTableIsWhole(t *testing.T) {
	names := map[string]bool{}
	for _, table := range all() {
		if names[table.Name] {
			t.Errorf("%s is there twice", table.Name)
		}
		names[table.Name] = true
		if table.Version < 1 || table.Fold < tables.Append || table.Fold > tables.Ordered {
			t.Errorf("%s: version %d, fold %d", table.Name, table.Version, table.Fold)
		}
		columns := table.ColumnNames()
		for i, c := range table.Columns {
			if c.Name == "" || slices.Contains(columns[:i], c.Name) {
				t.Errorf("%s: column %d, %q, is empty or there twice", table.Name, i, c.Name)
			}
			if err := c.Type.Check(); err != nil {
				t.Errorf("%s.%s: %v", table.Name, c.Name, err)
			}
		}
		for _, k := range table.Key {
			if !slices.Contains(columns, k) {
				t.Errorf("%s: key %s is no column", table.Name, k)
			}
		}
		if (len(table.Key) == 0) != (table.Fold == tables.Append) {
			t.Errorf("%s: rows without a key do not fold, and others do", table.Name)
		}
		checkOrder(t, table, columns)
	}
}

// checkOrder demands what reads rely on: hashes beside their keys, in front, and
// the columns by which an Ordered table orders.
func checkOrder(t *testing.T, table tables.Table, columns []string) {
	t.Helper()
	if hash := slices.Index(columns, pipeline.ColKHash); hash >= 0 && (hash != 0 || columns[1] != pipeline.ColKey ||
		table.Columns[0].Type.Kind != schemas.Int64 || table.Columns[1].Type.Kind != schemas.String) {
		t.Errorf("%s: %v does not begin with the hash and the key", table.Name, columns[:2])
	}
	if table.Fold != tables.Ordered {
		return
	}
	for name, kind := range map[string]schemas.Kind{pipeline.ColVersion: schemas.Int64, pipeline.ColEpoch: schemas.Int64, pipeline.ColAskedAt: schemas.Timestamp} {
		at := slices.Index(columns, name)
		if at < 0 || table.Columns[at].Type.Kind != kind {
			t.Errorf("%s is ordered, and has no %s", table.Name, name)
		}
	}
}

func TestTheEntityOfATable(t *testing.T) {
	for _, table := range all() {
		want := ""
		if strings.Contains(table.Name, "/") {
			want = "bookings"
		}
		if table.Entity() != want {
			t.Errorf("%s: %q", table.Name, table.Entity())
		}
	}
	base := tables.GoldenBase("pms")
	golden := tables.Golden("bookings", nil, []string{"pms"}).ColumnNames()
	for _, name := range []string{base.ID, base.Hash, base.ETag, base.Version, base.Fields} {
		if !slices.Contains(golden, name) {
			t.Errorf("golden has no column %s", name)
		}
	}
}
