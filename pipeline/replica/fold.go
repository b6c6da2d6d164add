package replica

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/schemas"
)

// Record tells records of a stream apart: one key may have several IDs over time.
type Record struct{ Key, ID string }

// Counts are observations by what they told.
type Counts struct {
	Read      int64 // observations received
	Inserted  int64 // records never seen before, or live again
	Updated   int64
	Touched   int64 // stored although nothing changed
	Unchanged int64 // dropped: they say what the replica says
	Deleted   int64 // tombstones and proofs
	Moved     int64 // rows left under the key that an ID had before
	Missing   int64
	Dead      int64 // records that did not fit their types
	Late      int64 // told something new below the cursor of the pass before
	Missed    int64 // of these, so far below that no incremental read asks for them any more
}

// Add adds o to c.
func (c *Counts) Add(o Counts) {
	c.Read += o.Read
	c.Inserted += o.Inserted
	c.Updated += o.Updated
	c.Touched += o.Touched
	c.Unchanged += o.Unchanged
	c.Deleted += o.Deleted
	c.Moved += o.Moved
	c.Missing += o.Missing
	c.Dead += o.Dead
	c.Late += o.Late
	c.Missed += o.Missed
}

// row is one observation laid over what was known before it. Fields that its
// payload did not carry are read from base.
type row struct {
	key, id string
	khash   int64
	op      pipeline.Op
	version *int64
	silent  bool // of its version: it has that of what was known
	etag    *string
	askedAt arrow.Timestamp
	present pipeline.FieldSet
	nulls   pipeline.FieldSet
	hash    int64
	full    bool // present has every declared field
	base    *row

	fields []arrow.Array // declared fields and _extra, in the table's order
	at     int           // index in fields' arrays
	stored bool          // read from the replica, not from this pass
}

// cell finds the value of field f: its own if the payload carried it.
func (r *row) cell(f int, name string) (arrow.Array, int) {
	if r.full || r.stored || r.base == nil || r.present.Has(name) {
		return r.fields[f], r.at
	}
	return r.base.cell(f, name)
}

func (r *row) live() bool { return r.op == pipeline.Upsert || r.op == pipeline.Touch }

// folder lays observations over the replica, in the order in which they came,
// and keeps what tells something new. It is not safe for concurrent use.
type folder struct {
	fields  []schemas.Column // declared
	hasher  *schemas.RowHasher
	newest  map[Record]*row // by record, as overlaid so far
	byID    map[string]*row // live, by ID
	doubted map[string]bool // keys whose next sight is stored whatever it says
	letters map[string]bool // IDs with an open dead letter
	out     []*row          // to be stored, in order
	seen    []Record        // every record that was shown
	closed  map[string]bool // letters that a fitting row closes
	unkeyed []*row          // records whose key cannot be read
	counts  Counts
	cursor  int64 // of the pass before, to tell what came late; 0: none
	floor   int64 // below it no incremental read asks
	late    int64 // greatest lateness seen, in the cursor's unit
}

func newFolder(fields []schemas.Column, hasher *schemas.RowHasher, c Context) *folder {
	return &folder{fields: fields, hasher: hasher, doubted: c.Doubted, letters: c.Letters, cursor: c.Cursor, floor: c.Floor,
		newest: map[Record]*row{}, byID: map[string]*row{}, closed: map[string]bool{}}
}

// keys maps every known ID to its key.
func (f *folder) keys() map[string]string {
	out := make(map[string]string, len(f.byID))
	for r := range f.newest {
		if _, taken := out[r.ID]; !taken {
			out[r.ID] = r.Key
		}
	}
	for id, r := range f.byID {
		out[id] = r.key
	}
	return out
}

// know enters a row of the replica.
func (f *folder) know(r *row) {
	r.stored = true
	f.newest[Record{r.key, r.id}] = r
	if r.live() || r.op == pipeline.Missing {
		f.byID[r.id] = r
	}
}

// observe lays one observation over what is known. A row without a key is a
// tombstone that finds its key by ID; one whose ID was never seen tells nothing.
func (f *folder) observe(r *row) {
	f.counts.Read++
	r.silent = r.version == nil
	holder := f.byID[r.id]
	if r.key == "" && !f.adopt(r, holder) {
		return
	}
	f.seen = append(f.seen, Record{r.key, r.id})
	if holder != nil && holder.key != r.key && r.op != pipeline.Delete {
		r.version = VersionOver(holder.version, r.version)
		f.move(holder, r)
	}
	r.base = f.newest[Record{r.key, r.id}]
	if r.base != nil {
		r.version = VersionOver(r.base.version, r.version)
	}
	r.nulls = f.overlayNulls(r)
	r.hash = f.hash(r)
	if f.letters[r.id] {
		f.closed[r.id] = true
	}
	if f.repeats(r) {
		f.counts.Unchanged++
		return
	}
	f.keep(r)
}

// VersionOver is the version of an observation that is laid over what was known of
// its record: where it does not say, it is not older than what was known.
func VersionOver(known, said *int64) *int64 {
	if said == nil {
		return known
	}
	return said
}

// adopt gives a row that carries only an ID the key of that ID. It reports false
// for a row that ends here: a tombstone of an ID that was never seen has nothing to
// say, and a record whose key cannot be read is a dead letter.
func (f *folder) adopt(r, holder *row) bool {
	switch {
	case r.op != pipeline.Delete && r.op != pipeline.Missing:
		f.unkeyed = append(f.unkeyed, r)
		f.counts.Dead++
		return false
	case holder == nil:
		f.counts.Unchanged++
		return false
	}
	r.key, r.khash = holder.key, holder.khash
	return true
}

// move leaves a row under the key that the ID had before.
func (f *folder) move(old, r *row) {
	gone := *old
	gone.op, gone.askedAt, gone.version = pipeline.Moved, r.askedAt, r.version
	f.counts.Moved++
	f.newest[Record{gone.key, gone.id}] = &gone
	f.out = append(f.out, &gone)
	delete(f.byID, old.id)
}

// overlayNulls tells null from unset: a field that was never set and comes as
// null is still unset, since nobody cleared it.
func (f *folder) overlayNulls(r *row) pipeline.FieldSet {
	if r.nulls == "," && (r.base == nil || r.base.nulls == ",") {
		return ","
	}
	var names []string
	for i, c := range f.fields {
		was := r.base != nil && r.base.nulls.Has(c.Name)
		if !r.present.Has(c.Name) {
			if was {
				names = append(names, c.Name)
			}
			continue
		}
		if r.nulls.Has(c.Name) && (was || f.baseHolds(r, i, c.Name)) {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return pipeline.NewFieldSet(names)
}

func (f *folder) baseHolds(r *row, field int, name string) bool {
	if r.base == nil {
		return false
	}
	arr, i := r.base.cell(field, name)
	return arr.IsValid(i)
}

func (f *folder) hash(r *row) int64 {
	return f.hasher.HashCells(r.key, r.id, string(r.nulls), func(field int) (arrow.Array, int) {
		if field < len(f.fields) {
			return r.cell(field, f.fields[field].Name)
		}
		return r.cell(field, pipeline.ColExtra)
	})
}

// repeats reports whether r says what is known already and nothing makes the
// sight itself worth keeping. One that closes a dead letter is: while the letter was
// open nothing was sent to the record, and only a row says that it is to be looked
// at again.
func (f *folder) repeats(r *row) bool {
	b := r.base
	if b == nil {
		return false
	}
	if !r.live() {
		return r.op == b.op
	}
	return r.live() && b.live() && r.hash == b.hash && equal(r.version, b.version) &&
		equal(r.etag, b.etag) && !f.doubted[r.key] && !f.letters[r.id]
}

func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// keep counts a row by what it tells and queues it.
func (f *folder) keep(r *row) {
	b := r.base
	switch {
	case r.op == pipeline.Delete:
		f.counts.Deleted++
	case r.op == pipeline.Missing:
		f.counts.Missing++
	case b == nil || b.op == pipeline.Delete || b.op == pipeline.Moved:
		f.counts.Inserted++
	case r.hash == b.hash:
		r.op = pipeline.Touch
		f.counts.Touched++
	default:
		f.counts.Updated++
	}
	if r.op == pipeline.Upsert && !r.silent && *r.version < f.cursor {
		f.counts.Late++
		f.late = max(f.late, f.cursor-*r.version)
		if *r.version < f.floor {
			f.counts.Missed++
		}
	}
	f.out = append(f.out, r)
	if r.behind(b) {
		return // kept as evidence of a stale page; what is known stays
	}
	f.newest[Record{r.key, r.id}] = r
	if r.live() || r.op == pipeline.Missing {
		f.byID[r.id] = r
	} else if h := f.byID[r.id]; h != nil && h.key == r.key {
		delete(f.byID, r.id)
	}
}

// behind reports whether r shows an older state than b by the system's own version.
func (r *row) behind(b *row) bool {
	return b != nil && r.version != nil && b.version != nil && *r.version < *b.version
}

// unreadable makes dead letters of the records whose key cannot be read.
func (f *folder) unreadable() []pipeline.DeadLetter {
	out := make([]pipeline.DeadLetter, 0, len(f.unkeyed))
	for _, r := range f.unkeyed {
		values := map[string]string{}
		for i, c := range f.fields {
			if arr, at := r.cell(i, c.Name); arr.IsValid(at) {
				values[c.Name], _ = c.Type.Canonical(arr, at)
			}
		}
		payload, err := json.Marshal(values)
		if err != nil {
			payload = []byte("{}") // text always marshals
		}
		out = append(out, pipeline.DeadLetter{ID: r.id, Reason: "its key cannot be read: a key field is missing, null, empty or does not fit its type",
			Payload: string(payload), AskedAt: time.UnixMicro(int64(r.askedAt)).UTC()})
	}
	return out
}

// build makes the replica's rows of what was kept, in the table's columns.
func (f *folder) build(b *array.RecordBuilder, run pipeline.RunID, epoch uint64) (arrow.RecordBatch, error) {
	for _, r := range f.out {
		b.Field(0).(*array.Int64Builder).Append(r.khash)
		b.Field(1).(*array.StringBuilder).Append(r.key)
		b.Field(2).(*array.StringBuilder).Append(r.id)
		b.Field(3).(*array.StringBuilder).Append(string(r.op))
		appendOptional(b.Field(4).(*array.Int64Builder), r.version)
		appendOptional(b.Field(5).(*array.StringBuilder), r.etag)
		b.Field(6).(*array.Int64Builder).Append(r.hash)
		b.Field(7).(*array.StringBuilder).Append(string(r.present))
		b.Field(8).(*array.StringBuilder).Append(string(r.nulls))
		b.Field(9).(*array.StringBuilder).Append(string(run))
		b.Field(10).(*array.Int64Builder).Append(int64(epoch))
		b.Field(11).(*array.TimestampBuilder).Append(r.askedAt)
	}
	for i := 0; i <= len(f.fields); i++ {
		name := pipeline.ColExtra
		if i < len(f.fields) {
			name = f.fields[i].Name
		}
		for _, r := range f.out {
			arr, at := r.cell(i, name)
			if err := appendCell(b.Field(replicaPrefix+i), arr, at); err != nil {
				return nil, fmt.Errorf("column %s: %w", name, err)
			}
		}
	}
	return b.NewRecordBatch(), nil
}

// replicaPrefix is the number of a replica's columns before the declared fields.
const replicaPrefix = 12

type appender[T any] interface {
	Append(T)
	AppendNull()
}

func appendOptional[T any](b appender[T], v *T) {
	if v == nil {
		b.AppendNull()
		return
	}
	b.Append(*v)
}

// appendCell copies one value between columns of one type.
func appendCell(b array.Builder, arr arrow.Array, i int) error {
	if arr.IsNull(i) {
		b.AppendNull()
		return nil
	}
	switch b := b.(type) {
	case *array.StringBuilder:
		b.Append(arr.(*array.String).Value(i))
	case *array.Int64Builder:
		b.Append(arr.(*array.Int64).Value(i))
	case *array.Float64Builder:
		b.Append(arr.(*array.Float64).Value(i))
	case *array.BooleanBuilder:
		b.Append(arr.(*array.Boolean).Value(i))
	case *array.Decimal128Builder:
		b.Append(arr.(*array.Decimal128).Value(i))
	case *array.Date32Builder:
		b.Append(arr.(*array.Date32).Value(i))
	case *array.Time64Builder:
		b.Append(arr.(*array.Time64).Value(i))
	case *array.TimestampBuilder:
		b.Append(arr.(*array.Timestamp).Value(i))
	default:
		return fmt.Errorf("no copy of Arrow type %s", arr.DataType())
	}
	return nil
}
