package delta

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

// BenchmarkExtractDecode reads JSON records of 300 bytes from memory and makes a
// sorted Parquet file of a replica of them: typed, hashed, verified by type. Its
// yardstick is jsontext reading the tokens of the same records and doing nothing
// with them; x_tokenize is our throughput over the yardstick's. Both are measured in
// the process's CPU time, in turns, so that neighbours on the machine and the
// collector's threads do not flatter anybody.
func BenchmarkExtractDecode(b *testing.B) {
	records, size := benchRecords(50_000)
	var ours, yardstick time.Duration
	var out bytes.Buffer
	decoder, err := schemas.NewDecoder(schemas.DecodeSpec{Fields: benchFields(), PrimaryKey: []string{"id"}, Version: "updated_at"})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		start := cpuTime(b)
		out.Reset()
		if err := extract(&out, decoder, records); err != nil {
			b.Fatal(err)
		}
		ours += cpuTime(b) - start
		b.StopTimer()
		start = cpuTime(b)
		if err := tokenize(records); err != nil {
			b.Fatal(err)
		}
		yardstick += cpuTime(b) - start
		b.StartTimer()
	}
	b.ReportMetric(float64(yardstick)/float64(ours), "x_tokenize")
	b.ReportMetric(float64(b.N*len(records))/ours.Seconds(), "records/s")
	b.ReportMetric(float64(out.Len())/float64(len(records)), "file_B/record")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchRecords are bookings as a channel's API gives them.
func benchRecords(n int) (records [][]byte, size int) {
	rng := rand.New(rand.NewPCG(1, 2))
	states := []string{"ok", "pending", "cancelled", "completed"}
	names := []string{"Ana", "Bruno", "Chloé", "Dieter", "Eun-ji", "Fatima", "Grzegorz", "Hana"}
	for i := range n {
		record := fmt.Appendf(nil, `{"id":"R%08d","confirmation_code":"HM%08X","listing_id":"L%04d","total_cents":%d,`+
			`"guest":{"name":"%s %s","email":"g%d@example.com"},"arrival":"2024-%02d-%02d","departure":"2024-12-%02d",`+
			`"note":"late arrival %d","state":"%s","nights":%d,"paid":%t,"price":"%d.%02d","updated_at":%d}`,
			i, rng.Uint32(), rng.IntN(2000), rng.IntN(1_000_000), names[rng.IntN(8)], names[rng.IntN(8)], rng.IntN(1_000_000),
			1+rng.IntN(12), 1+rng.IntN(28), 1+rng.IntN(28), rng.IntN(100_000), states[rng.IntN(4)], rng.IntN(30), rng.IntN(2) == 0,
			rng.IntN(10_000), rng.IntN(100), 1_700_000_000_000+rng.Int64N(10_000_000_000))
		records = append(records, record)
		size += len(record)
	}
	return records, size
}

func benchFields() []schemas.Field {
	text := schemas.Type{Kind: schemas.String}
	return []schemas.Field{
		{Name: "id", Type: text}, {Name: "confirmation_code", Type: text}, {Name: "listing_id", Type: text},
		{Name: "total_cents", Type: schemas.Type{Kind: schemas.Int64}}, {Name: "guest", Type: text, Path: "guest.name"},
		{Name: "arrival", Type: schemas.Type{Kind: schemas.Date}}, {Name: "departure", Type: schemas.Type{Kind: schemas.Date}},
		{Name: "note", Type: text}, {Name: "state", Type: schemas.Type{Kind: schemas.Enum, Values: []string{"ok", "pending", "cancelled", "completed"}}},
		{Name: "nights", Type: schemas.Type{Kind: schemas.Int64}}, {Name: "paid", Type: schemas.Type{Kind: schemas.Bool}},
		{Name: "price", Type: schemas.Type{Kind: schemas.Decimal, Precision: 12, Scale: 2}, Format: schemas.FormatText},
		{Name: "updated_at", Type: schemas.Type{Kind: schemas.Timestamp}, Format: schemas.FormatEpochMS, Ignore: true},
	}
}

func tokenize(records [][]byte) error {
	dec := jsontext.NewDecoder(&bytes.Buffer{})
	for _, r := range records {
		dec.Reset(bytes.NewBuffer(r))
		for {
			if _, err := dec.ReadToken(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

// extract is the way of a record through the house, but for what DuckDB and the
// network do.
func extract(out io.Writer, decoder *schemas.Decoder, records [][]byte) error {
	fields := benchFields()
	meta := schemas.RowMeta{AskedAt: time.UnixMicro(1_700_000_000_000_000)}
	for _, r := range records {
		if refusal := decoder.Append(r, meta); refusal != nil {
			return refusal
		}
	}
	observed := decoder.Flush()
	defer observed.Release()
	columns := make([]schemas.Column, len(fields))
	for i, f := range fields {
		columns[i] = schemas.Column{Name: f.Name, Type: f.Type}
	}
	layout := newLayout(tables.Replica(pipeline.StreamID{Entity: "bookings", System: "airbnb"}, columns))
	rows, err := layout.order(stored(observed, schemas.NewRowHasher(fields)))
	if err != nil {
		return err
	}
	sorted, err := newSorted([]arrow.RecordBatch{rows}, layout)
	if err != nil {
		return err
	}
	return encode(newSum(out), layout, sorted, defaultRowGroupRows)
}

// stored adds the columns that extract adds to observations.
func stored(observed arrow.RecordBatch, hasher *schemas.RowHasher) arrow.RecordBatch {
	key, khash := array.NewStringBuilder(memory.DefaultAllocator), array.NewInt64Builder(memory.DefaultAllocator)
	hash, run := array.NewInt64Builder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator)
	epoch := array.NewInt64Builder(memory.DefaultAllocator)
	for _, b := range []array.Builder{key, khash, hash, run, epoch} {
		b.Reserve(int(observed.NumRows()))
	}
	column := func(name string) arrow.Array { return observed.Column(observed.Schema().FieldIndices(name)[0]) }
	keys, nulls := column("confirmation_code").(*array.String), column(pipeline.ColNulls).(*array.String)
	ids := column(pipeline.ColID).(*array.String)
	for i := range int(observed.NumRows()) {
		k := keys.Value(i)
		key.Append(k)
		khash.Append(schemas.HashKey(k))
		hash.Append(hasher.HashCells(k, ids.Value(i), nulls.Value(i), func(field int) (arrow.Array, int) {
			return observed.Column(7 + field), i
		}))
		run.Append("01HZZZZZZZZZZZZZZZZZZZZZZZ")
		epoch.Append(7)
	}
	fields := append(observed.Schema().Fields(), arrow.Field{Name: pipeline.ColKey, Type: arrow.BinaryTypes.String},
		arrow.Field{Name: pipeline.ColKHash, Type: arrow.PrimitiveTypes.Int64}, arrow.Field{Name: pipeline.ColHash, Type: arrow.PrimitiveTypes.Int64},
		arrow.Field{Name: pipeline.ColRun, Type: arrow.BinaryTypes.String}, arrow.Field{Name: pipeline.ColEpoch, Type: arrow.PrimitiveTypes.Int64})
	arrays := append(observed.Columns(), key.NewArray(), khash.NewArray(), hash.NewArray(), run.NewArray(), epoch.NewArray())
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, observed.NumRows())
}
