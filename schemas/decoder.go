package schemas

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/go-json-experiment/json/jsontext"
)

// Decoder makes observations of JSON records. A field that is not there is absent
// (or null, with AbsentNull), null is null, and what nobody declared goes to
// ColExtra. One value that does not fit refuses its record. It is not safe for
// concurrent use.
type Decoder struct {
	rows  *RowBuilder
	root  *node
	json  *jsontext.Decoder
	input bytes.Buffer
	extra jsonWriter
}

// node is a place in a record: a field, or an object that holds declared fields.
type node struct {
	name     string
	bytes    []byte // name
	quoted   string // name, as most records write it
	field    int    // -1: an object
	children map[string]*node
	fields   []int // all that are declared below
	first    *node // the child that came first in the last record
	next     *node // the sibling that followed in the last record
}

// NewDecoder checks the spec: its fields, its primary key and version, and that
// no path is declared twice or lies within another.
func NewDecoder(spec DecodeSpec) (*Decoder, error) {
	rows, err := NewRowBuilder(spec)
	if err != nil {
		return nil, err
	}
	d := &Decoder{rows: rows, root: &node{field: -1}, json: jsontext.NewDecoder(&bytes.Buffer{})}
	for i, f := range spec.Fields {
		names, err := f.segments()
		if err != nil {
			return nil, err
		}
		if err := d.root.declare(names, i); err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	return d, nil
}

// declare enters a field under its path.
func (n *node) declare(names []string, field int) error {
	n.fields = append(n.fields, field)
	child := n.children[names[0]]
	if child == nil {
		child = &node{name: names[0], bytes: []byte(names[0]), quoted: string(appendQuoted(nil, names[0])), field: -1}
		if n.children == nil {
			n.children = map[string]*node{}
		}
		n.children[names[0]] = child
	} else if len(names) == 1 || child.field >= 0 {
		return fmt.Errorf("its path is declared already, or lies within another's: declare the outer one as json and take it apart in the mapping")
	}
	if len(names) == 1 {
		child.field = field
		return nil
	}
	return child.declare(names[1:], field)
}

// guess finds a member. Records of a stream have their members in one order, so
// the one that followed before is tried first.
func (n *node) guess(last *node) **node {
	if last == nil {
		return &n.first
	}
	return &last.next
}

// Append reads one record, a JSON object, and appends it as an observation, or
// says why it is refused. record is not kept.
func (d *Decoder) Append(record []byte, meta RowMeta) *Refusal {
	d.input = *bytes.NewBuffer(record)
	d.json.Reset(&d.input)
	d.extra.members, d.extra.names = d.extra.members[:0], d.extra.names[:0]
	if err := d.record(); err != nil {
		d.rows.refused = &Refusal{Reason: err.Error()}
	}
	return d.rows.Finish(meta, record)
}

func (d *Decoder) record() error {
	if kind := d.json.PeekKind(); kind != '{' && kind > 0 {
		return fmt.Errorf("the record is no JSON object")
	}
	if err := d.object(d.root); err != nil {
		return jsonError(err)
	}
	if len(d.extra.members) > 0 {
		var err error
		if d.rows.extra, err = d.extra.appendMembers(d.rows.extra[:0], 0); err != nil {
			return fmt.Errorf("a member that nobody declared: %w", err)
		}
	}
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("something follows the record")
	}
	return nil
}

// object reads an object with declared members. Those that nobody declared are
// left on the stack of extra.
func (d *Decoder) object(n *node) error {
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	var last *node
	for d.json.PeekKind() != '}' {
		quoted, err := d.json.ReadValue()
		if err != nil {
			return err
		}
		if guess := n.guess(last); *guess != nil && (*guess).quoted == string(quoted) {
			last = *guess
		} else {
			name, err := unquote(&d.rows.scratch, quoted)
			if err != nil {
				return err
			}
			child := n.children[string(name)]
			if child == nil {
				if err := d.undeclared(name); err != nil {
					return err
				}
				continue
			}
			*guess, last = child, child
		}
		if err := d.declared(last); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	return err
}

func (d *Decoder) undeclared(name []byte) error {
	raw, err := d.json.ReadValue()
	if err == nil {
		d.extra.members = append(d.extra.members, jsonMember{name: name, value: raw})
	}
	return err
}

// declared reads a field, or an object of fields.
func (d *Decoder) declared(n *node) error {
	if n.field < 0 && d.json.PeekKind() == '{' {
		return d.nested(n)
	}
	raw, err := d.json.ReadValue()
	switch {
	case err != nil:
		return err
	case n.field >= 0:
		d.rows.SetJSON(n.field, raw)
	case raw[0] == 'n': // without the object there are none of its fields
		for _, f := range n.fields {
			d.rows.SetNull(f)
		}
	default:
		d.rows.refuse(n.fields[0], fmt.Errorf("its path leads through %q, which is no object", n.name))
	}
	return nil
}

// nested reads an object within the record; what is undeclared in it stays under
// its name.
func (d *Decoder) nested(n *node) error {
	base := len(d.extra.members)
	if err := d.object(n); err != nil {
		return err
	}
	if len(d.extra.members) == base {
		return nil
	}
	start := len(d.rows.scratch)
	var err error
	if d.rows.scratch, err = d.extra.appendMembers(d.rows.scratch, base); err != nil {
		return err
	}
	d.extra.members = append(d.extra.members[:base], jsonMember{name: n.bytes, value: d.rows.scratch[start:], canonical: true})
	return nil
}

// Len is the number of rows since the last Flush.
func (d *Decoder) Len() int { return d.rows.Len() }

// SizeBytes is about the memory of the rows since the last Flush.
func (d *Decoder) SizeBytes() int { return d.rows.SizeBytes() }

// Flush gives the rows, in the columns of ObservationColumns, and begins a new
// batch. The caller releases the rows.
func (d *Decoder) Flush() arrow.RecordBatch { return d.rows.Flush() }
