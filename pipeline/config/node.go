package config

import (
	"strconv"
	"strings"
)

// Node is a value of the project file with its place: a scalar, a list or a
// mapping, with ${...} already expanded. The zero Node is one that is not there.
// It is read-only and safe for concurrent use.
type Node struct {
	n    *node
	also []string // keys that are valid beside those decoded here; somebody else decodes them
}

// Kind is the node's shape; KindNone if it is not there.
func (n Node) Kind() Kind {
	if n.n == nil {
		return KindNone
	}
	return n.n.kind
}

// At is where the content begins.
func (n Node) At() Position {
	if n.n == nil {
		return Position{}
	}
	return n.n.at
}

// Path is the keys from the top of the file, joined by dots.
func (n Node) Path() string {
	if n.n == nil {
		return ""
	}
	return n.n.path
}

// Text is a scalar's text as written, without quotes, with ${...} expanded.
func (n Node) Text() string {
	if n.n == nil {
		return ""
	}
	return n.n.text
}

// Get is the value under a key of a mapping; the zero Node if there is none.
func (n Node) Get(key string) Node { return Node{n: n.n.get(key)} }

// Has reports whether a mapping has the key.
func (n Node) Has(key string) bool { return n.n.get(key) != nil }

// Items are the values of a list, in order.
func (n Node) Items() []Node {
	if n.n == nil {
		return nil
	}
	out := make([]Node, len(n.n.items))
	for i, item := range n.n.items {
		out[i] = Node{n: item}
	}
	return out
}

// Entries are the pairs of a mapping, in file order.
func (n Node) Entries() Map[Node] {
	if n.n == nil {
		return nil
	}
	out := make(Map[Node], len(n.n.pairs))
	for i, p := range n.n.pairs {
		out[i] = Entry[Node]{Key: p.name, At: p.at, Value: Node{n: p.value}}
	}
	return out
}

// Value is the plain Go value that a JSON encoder would write: nil, bool, int64,
// float64, string, []any or map[string]any. Quoted scalars are strings.
func (n Node) Value() any {
	switch n.Kind() {
	case KindScalar:
		return scalarValue(n.n)
	case KindList:
		out := make([]any, 0, len(n.n.items))
		for _, item := range n.Items() {
			out = append(out, item.Value())
		}
		return out
	case KindMap:
		out := make(map[string]any, len(n.n.pairs))
		for _, e := range n.Entries() {
			out[e.Key] = e.Value.Value()
		}
		return out
	case KindNone, KindNull:
	}
	return nil
}

func scalarValue(n *node) any {
	if !n.plain {
		return n.text
	}
	if b, ok := parseBool(n.text); ok {
		return b
	}
	if i, err := strconv.ParseInt(n.text, 0, 64); err == nil {
		return i
	}
	if f, err := strconv.ParseFloat(n.text, 64); err == nil && strings.ContainsAny(n.text, "0123456789") {
		return f
	}
	return n.text
}

func parseBool(text string) (value, ok bool) {
	switch text {
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	}
	return false, false
}

// Entry is one pair of a Map.
type Entry[V any] struct {
	Key   string
	At    Position // of the key
	Value V
}

// Map is a mapping in file order, for keys that the file's author chooses.
type Map[V any] []Entry[V]

// Get finds the value of a key.
func (m Map[V]) Get(key string) (V, bool) {
	for _, e := range m {
		if e.Key == key {
			return e.Value, true
		}
	}
	var none V
	return none, false
}

// Keys lists the keys in file order.
func (m Map[V]) Keys() []string {
	keys := make([]string, len(m))
	for i, e := range m {
		keys[i] = e.Key
	}
	return keys
}

// FromNode decodes every value of a mapping.
func (m *Map[V]) FromNode(n Node) error {
	if n.Kind() != KindMap {
		return Problems{wrongShape(n.n, "a mapping")}
	}
	var problems Problems
	for _, p := range n.n.pairs {
		e := Entry[V]{Key: p.name, At: p.at}
		problems.take(p.at, Node{n: p.value}.Decode(&e.Value))
		*m = append(*m, e)
	}
	return problems.Err()
}

// Name is text with its place: a name that is checked against others later.
type Name struct {
	Text string
	At   Position
}

// FromNode takes any scalar.
func (t *Name) FromNode(n Node) error {
	if n.Kind() != KindScalar {
		return Problems{wrongShape(n.n, "a name")}
	}
	*t = Name{Text: n.n.text, At: n.n.at}
	return nil
}

// Names is one name or a list of them.
type Names []Name

// FromNode takes a scalar or a list of scalars.
func (t *Names) FromNode(n Node) error {
	items := []Node{n}
	if n.Kind() == KindList {
		items = n.Items()
	}
	var problems Problems
	for _, item := range items {
		var name Name
		problems.take(item.At(), item.Decode(&name))
		*t = append(*t, name)
	}
	return problems.Err()
}

// Texts are the names without their places.
func (t Names) Texts() []string {
	out := make([]string, len(t))
	for i, name := range t {
		out[i] = name.Text
	}
	return out
}
