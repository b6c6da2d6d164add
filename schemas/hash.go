package schemas

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"
)

// RowHasher hashes what a row says of its record: its key, its ID, every declared
// field that is not ignored, and what nobody declared. A field that is unset adds
// nothing, so that a field declared later changes no hash, nor does the order of
// the declarations. It is safe for concurrent use.
type RowHasher struct {
	fields []hashedField // by name
	extra  int           // the cell behind the declared fields
}

type hashedField struct {
	name  string
	sized []byte // the name with its length
	set   string // the name between commas, as in a set of fields
	t     Type
	at    int
}

// NewRowHasher takes the declared fields, in the order in which cells come.
func NewRowHasher(fields []Field) *RowHasher {
	h := &RowHasher{extra: len(fields)}
	for i, f := range fields {
		if !f.Ignore {
			h.fields = append(h.fields, hashedField{name: f.Name, sized: appendSized(nil, f.Name), set: "," + f.Name + ",", t: f.Type, at: i})
		}
	}
	slices.SortFunc(h.fields, func(a, b hashedField) int { return strings.Compare(a.name, b.name) })
	return h
}

// States in a hash. They may never change.
const (
	hashedNull  = 0
	hashedValue = 1
)

// HashCells hashes a row whose cells are found by the index of their field; the
// index behind the last is what nobody declared. nulls is the set of fields that
// are known to be null; other nulls are unset.
func (h *RowHasher) HashCells(key, id, nulls string, cell func(field int) (arrow.Array, int)) int64 {
	var stack [1024]byte
	buf := appendSized(appendSized(stack[:0], key), id)
	for n := range h.fields {
		f := &h.fields[n]
		arr, i := cell(f.at)
		switch {
		case arr.IsValid(i):
			buf = append(append(buf, f.sized...), hashedValue)
			buf = appendSizedCell(buf, f.t, arr, i)
		case len(nulls) > 1 && strings.Contains(nulls, f.set):
			buf = append(append(buf, f.sized...), hashedNull)
		}
	}
	if arr, i := cell(h.extra); arr.IsValid(i) {
		buf = append(appendSized(buf, ""), hashedValue) // no field has an empty name
		buf = appendSizedCell(buf, Type{Kind: JSON}, arr, i)
	}
	return int64(xxh3.Hash(buf))
}

// Hash hashes a row of a batch that has the declared fields, ColNulls and ColExtra
// by name. A batch without them is a mistake of the program and panics.
func (h *RowHasher) Hash(key, id string, rec arrow.RecordBatch, row int) int64 {
	columns := make([]arrow.Array, h.extra+1)
	schema := rec.Schema()
	for _, f := range h.fields {
		columns[f.at] = rec.Column(schema.FieldIndices(f.name)[0])
	}
	columns[h.extra] = rec.Column(schema.FieldIndices(ColExtra)[0])
	nulls := rec.Column(schema.FieldIndices(ColNulls)[0]).(*array.String).Value(row)
	return h.HashCells(key, id, nulls, func(field int) (arrow.Array, int) { return columns[field], row })
}

// appendSized writes text with its length before it, so that no two lists of
// texts are the same bytes.
func appendSized(buf []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint32(buf, uint32(len(text))), text...)
}

func appendSizedCell(buf []byte, t Type, arr arrow.Array, i int) []byte {
	if text, ok := arr.(*array.String); ok {
		return appendSized(buf, text.Value(i))
	}
	at := len(buf)
	buf = t.AppendCanonical(append(buf, 0, 0, 0, 0), arr, i)
	binary.LittleEndian.PutUint32(buf[at:], uint32(len(buf)-at-4))
	return buf
}
