package schemas

import (
	"fmt"
	"strings"
	"time"
)

// Columns of a batch of observations before the declared fields, in this order,
// and ColExtra after them.
const (
	ColID      = "_id"       // string: the system's primary key
	ColOp      = "_op"       // string: what the observation says of the record
	ColVersion = "_version"  // int64: updated-at in UTC microseconds, or a version number
	ColETag    = "_etag"     // string
	ColPresent = "_present"  // string: the set of fields that the payload carried, ",a,b,"
	ColNulls   = "_nulls"    // string: the set of those that it gave as null
	ColAskedAt = "_asked_at" // timestamp: when the request began
	ColExtra   = "_extra"    // string: canonical JSON of what nobody declared
)

// OpUpsert is what an observation says where its meta says nothing else.
const OpUpsert = "upsert"

// ObservationColumns are the columns of a batch of observations of a stream with
// these fields.
func ObservationColumns(fields []Field) []Column {
	text, number := Type{Kind: String}, Type{Kind: Int64}
	columns := []Column{{ColID, text}, {ColOp, text}, {ColVersion, number}, {ColETag, text},
		{ColPresent, text}, {ColNulls, text}, {ColAskedAt, Type{Kind: Timestamp}}}
	for _, f := range fields {
		columns = append(columns, Column{f.Name, f.Type})
	}
	return append(columns, Column{ColExtra, Type{Kind: JSON}})
}

// firstField is the number of columns before the declared fields.
const firstField = 7

// DecodeSpec says how the records of a stream become observations.
type DecodeSpec struct {
	Fields     []Field
	PrimaryKey []string // names of fields; the ID of several is KeyText of their canonical texts
	Version    string   // name of a timestamp, date or int64 field, or ""
	Strict     bool     // every field is strict
}

// RowMeta is what is known of a record beside its payload.
type RowMeta struct {
	AskedAt time.Time // when the request began
	ETag    string    // "" is null
	Op      string    // "" is OpUpsert
}

// Refusal says why a record is not an observation.
type Refusal struct {
	ID      string // "" where it could not be read
	Field   string // the field that refused, or ""
	Reason  string
	Payload string // the record as received, cut at MaxPayload bytes
}

// MaxPayload bounds what a refusal keeps of a record, in bytes.
const MaxPayload = 64 << 10

// Error says the same as one line.
func (r *Refusal) Error() string {
	where := "record"
	if r.ID != "" {
		where += " " + r.ID
	}
	if r.Field != "" {
		where += ", field " + r.Field
	}
	return where + ": " + r.Reason
}

// check refuses a spec that contradicts itself.
func (s DecodeSpec) check() error {
	names := map[string]bool{}
	for _, f := range s.Fields {
		if err := f.Check(); err != nil {
			return err
		}
		if names[f.Name] {
			return fmt.Errorf("field %s is declared twice", f.Name)
		}
		names[f.Name] = true
	}
	if len(s.PrimaryKey) == 0 {
		return fmt.Errorf("no primary key: records cannot be told apart")
	}
	for _, k := range s.PrimaryKey {
		if !names[k] {
			return fmt.Errorf("primary key %q is no declared field", k)
		}
	}
	return nil
}

// indexes finds the fields of the primary key and, -1 without one, the version.
func (s DecodeSpec) indexes() (key []int, version int, err error) {
	version = -1
	for i, f := range s.Fields {
		if s.Version == f.Name {
			version = i
		}
	}
	for _, k := range s.PrimaryKey {
		for i, f := range s.Fields {
			if f.Name == k {
				key = append(key, i)
			}
		}
	}
	if s.Version == "" {
		return key, -1, nil
	}
	if version < 0 {
		return nil, 0, fmt.Errorf("version %q is no declared field", s.Version)
	}
	switch s.Fields[version].Type.Kind {
	case Timestamp, Date, Int64:
		return key, version, nil
	}
	return nil, 0, fmt.Errorf("version %s is a %s: a version is a timestamp, a date or an int64", s.Version, s.Fields[version].Type)
}

// cutPayload bounds a payload, at the end of a character.
func cutPayload(record []byte) string {
	return strings.ToValidUTF8(string(record[:min(len(record), MaxPayload)]), "\ufffd")
}
