package fault

import (
	"strconv"
	"strings"
)

// Place is where something failed. Every part may be empty. It never holds a
// value of a record: keys and IDs only.
type Place struct {
	File         string // a file of the project, with Line and Column from 1 where known
	Line, Column int
	System       string
	Stream       string // "bookings@airbnb"
	Partition    string
	Page         string
	Record       string // key or ID
	Object       string // an object of the store: "s3://bucket/prefix/log/..."
}

// String renders the parts that are set: "trueup.yaml:12:3",
// "bookings@airbnb, partition 7, record 42".
func (p Place) String() string {
	var parts []string
	if p.File != "" {
		parts = append(parts, p.position())
	}
	if p.Stream != "" {
		parts = append(parts, p.Stream)
	} else if p.System != "" {
		parts = append(parts, p.System)
	}
	named := []struct{ label, value string }{
		{"partition ", p.Partition}, {"page ", p.Page}, {"record ", p.Record}, {"", p.Object},
	}
	for _, n := range named {
		if n.value != "" {
			parts = append(parts, n.label+n.value)
		}
	}
	return strings.Join(parts, ", ")
}

func (p Place) position() string {
	text := p.File
	if p.Line > 0 {
		text += ":" + strconv.Itoa(p.Line)
		if p.Column > 0 {
			text += ":" + strconv.Itoa(p.Column)
		}
	}
	return text
}
