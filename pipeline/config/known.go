package config

import (
	"fmt"
	"reflect"
	"slices"
)

// Known says what the connectors add to a project file, by connector name. The
// package knows none by itself: whoever composes the program passes it to Load.
type Known map[string]ConnectorKeys

// ConnectorKeys is a connector's part of a project file. System, Extract and
// Write are values (not pointers) of the structs that the connector decodes its
// settings into, with their defaults; Load decodes into copies of them, so that
// a wrong key of a connector is reported with all other problems.
type ConnectorKeys struct {
	System  any // systems.<name>.<connector>
	Extract any // the keys beside the common ones of extract
	Write   any // the keys beside the common ones of write

	// Check finds what decoding cannot see, such as a template with a place that
	// does not exist; nil checks nothing. It is called for every stream whose
	// settings decode. The error may be Problems.
	Check func(sys System, ent Entity, st Stream) error

	// CanFetch: records are read by ID without a declared extract.read.
	CanFetch bool
	// WritesByDefault: a write that names no operation creates and updates.
	WritesByDefault bool
}

// names are the connectors, sorted; "rest" and "postgres" if nothing is known.
func (k Known) names() []string {
	if k == nil {
		return []string{"postgres", "rest"}
	}
	names := make([]string, 0, len(k))
	for name := range k {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// decodeInto tries a node against a prototype; no prototype accepts everything.
func decodeInto(prototype any, n Node) error {
	if prototype == nil || n.Kind() == KindNone {
		return nil
	}
	v := reflect.New(reflect.TypeOf(prototype))
	v.Elem().Set(reflect.ValueOf(prototype))
	return n.Decode(v.Interface())
}

// connectors checks every connector's settings against what it declares.
func (b *builder) connectors(p *Project) {
	for _, sys := range p.Systems {
		b.problems.take(sys.At, decodeInto(b.known[sys.Connector].System, sys.Settings))
	}
	for _, ent := range p.Entities {
		for _, st := range ent.Streams {
			sys, ok := p.System(st.System)
			if !ok {
				continue
			}
			b.stream(sys, ent, st)
		}
	}
}

func (b *builder) stream(sys System, ent Entity, st Stream) {
	keys := b.known[sys.Connector]
	before := len(b.problems)
	b.problems.take(st.Extract.At, decodeInto(keys.Extract, st.Extract.Settings))
	if st.Write != nil {
		b.problems.take(st.Write.At, decodeInto(keys.Write, st.Write.Settings))
	}
	if keys.Check != nil && len(b.problems) == before {
		b.problems.take(st.At, keys.Check(sys, ent, st))
	}
}

// connector picks the one connector key of a system.
func (b *builder) connector(name string, at Position, n Node) (string, Node) {
	names := b.known.names()
	var found []pair
	for _, p := range n.n.pairs {
		if slices.Contains(names, p.name) {
			found = append(found, p)
			continue
		}
		b.problems.add(p.at, fmt.Sprintf("unknown key %q", join(n.Path(), p.name)), "", suggest(p.name, append(names, "limits")))
	}
	switch {
	case len(found) == 1:
		if found[0].value.kind != KindMap {
			b.problems = append(b.problems, wrongShape(found[0].value, "a mapping"))
		}
		return found[0].name, Node{n: found[0].value}
	case len(found) > 1:
		b.problems.add(found[1].at, fmt.Sprintf("system %s has two connectors", name), found[0].name+" and "+found[1].name, "keep one, or make two systems")
	case len(n.n.pairs) == 0:
		b.problems.add(at, fmt.Sprintf("system %s has no connector", name), "", fmt.Sprintf("add one of %v with its settings", names))
	}
	return "", Node{}
}
