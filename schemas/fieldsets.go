package schemas

import (
	"slices"
	"strings"
)

// fieldSets writes sets of fields as text, ",a,b,", sorted. Most records of a
// stream carry the same fields, so it keeps the texts that it made.
type fieldSets struct {
	names []string // sorted
	order []int    // order[i]: the index of names[i] in the declared fields
	bits  []byte   // scratch: the set as bits, in sorted order
	texts map[string]string
	last  string // key of texts
	text  string // texts[last]
}

// maxFieldSets bounds the texts that are kept.
const maxFieldSets = 1024

func newFieldSets(fields []Field) *fieldSets {
	s := &fieldSets{texts: map[string]string{}, bits: make([]byte, (len(fields)+7)/8), text: ","}
	for i := range fields {
		s.order = append(s.order, i)
	}
	slices.SortFunc(s.order, func(a, b int) int { return strings.Compare(fields[a].Name, fields[b].Name) })
	for _, i := range s.order {
		s.names = append(s.names, fields[i].Name)
	}
	s.last = string(s.bits)
	return s
}

// of gives the set of the fields whose cell has a state of at least least and at most most.
func (s *fieldSets) of(cells []cell, least, most cellState) string {
	clear(s.bits)
	for i, field := range s.order {
		if state := cells[field].state; state >= least && state <= most {
			s.bits[i/8] |= 1 << (i % 8)
		}
	}
	if string(s.bits) == s.last {
		return s.text
	}
	text, known := s.texts[string(s.bits)]
	if !known {
		text = s.write()
		if len(s.texts) < maxFieldSets {
			s.texts[string(s.bits)] = text
		}
	}
	s.last, s.text = string(s.bits), text
	return text
}

func (s *fieldSets) write() string {
	var b strings.Builder
	b.WriteByte(',')
	for i, name := range s.names {
		if s.bits[i/8]&(1<<(i%8)) != 0 {
			b.WriteString(name)
			b.WriteByte(',')
		}
	}
	return b.String()
}
