package connectortest

import (
	"strconv"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/trueup-data/trueup/pipeline"
)

// rowsOf checks that a batch has the columns of observations, and reads it.
func rowsOf(t testing.TB, b arrow.RecordBatch) []Row {
	t.Helper()
	get := func(name string) arrow.Array {
		i := b.Schema().FieldIndices(name)
		if len(i) != 1 {
			t.Fatalf("a batch has %d columns %s; it has %s", len(i), name, b.Schema())
		}
		return b.Column(i[0])
	}
	for _, name := range []string{pipeline.ColPresent, pipeline.ColNulls, pipeline.ColExtra} {
		get(name)
	}
	ids, ops, etags := get(pipeline.ColID).(*array.String), get(pipeline.ColOp).(*array.String), get(pipeline.ColETag).(*array.String)
	asked, versions := get(pipeline.ColAskedAt).(*array.Timestamp), get(pipeline.ColVersion).(*array.Int64)
	out := make([]Row, b.NumRows())
	for i := range out {
		r := Row{ID: ids.Value(i), Asked: time.UnixMicro(int64(asked.Value(i))).UTC()}
		if ops.Value(i) != string(pipeline.Upsert) {
			t.Errorf("record %s is read as %s", r.ID, ops.Value(i))
		}
		if etags.IsValid(i) {
			r.ETag = etags.Value(i)
		}
		if versions.IsValid(i) {
			v := versions.Value(i)
			r.Version = &v
		}
		for _, f := range Fields() {
			v, set := f.Type.Canonical(get(f.Name), i)
			switch f.Name {
			case "code":
				r.Code = v
			case "cents":
				r.Cents = v
			case "updated_at":
				r.Updated = v
			case "note":
				if set {
					r.Note = &v
				}
			}
		}
		out[i] = r
	}
	return out
}

// same compares an observation with what the system holds.
func (r Row) same(want Record) bool {
	sameNote := (r.Note == nil) == (want.Note == nil) && (r.Note == nil || *r.Note == *want.Note)
	return sameNote && r.ID == want.ID && r.Code == want.Code && r.Cents == strconv.FormatInt(want.Cents, 10) &&
		r.Updated == strconv.FormatInt(want.UpdatedAt.UnixMicro(), 10)
}
