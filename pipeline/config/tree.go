package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// maxNodes bounds what aliases can unfold to.
const maxNodes = 1_000_000

// Kind is the shape of a Node.
type Kind uint8

// The shapes. KindNone is the shape of a Node that is not there.
const (
	KindNone Kind = iota
	KindNull
	KindScalar
	KindList
	KindMap
)

// node is a value of the project file with its place.
type node struct {
	kind   Kind
	plain  bool       // a scalar without quotes
	text   string     // of a scalar, expanded
	public string     // of a scalar: as text, with secrets as the references they came from
	at     Position   // where the content begins
	lines  []Position // of a block scalar: where each of its lines begins
	key    string     // the last mapping key above, "" at the top
	path   string     // the keys from the top, joined by dots
	pairs  []pair     // of a mapping
	items  []*node    // of a list
}

// pair is an entry of a mapping.
type pair struct {
	name  string
	at    Position
	value *node
}

func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for _, p := range n.pairs {
		if p.name == name {
			return p.value
		}
	}
	return nil
}

// grower makes nodes of a syntax tree.
type grower struct {
	file     string
	anchors  map[string]*node
	size     int
	problems Problems
}

func (g *grower) position(t *token.Token) Position {
	return Position{File: g.file, Line: t.Position.Line, Column: t.Position.Column}
}

// grow converts a syntax node; path and key say where it hangs.
func (g *grower) grow(n ast.Node, path, key string) *node {
	g.size++
	out := &node{path: path, key: key}
	switch v := n.(type) {
	case nil:
		out.kind = KindNull
	case *ast.MappingNode:
		g.mapping(out, v.Values, v)
	case *ast.MappingValueNode:
		g.mapping(out, []*ast.MappingValueNode{v}, v)
	case *ast.SequenceNode:
		g.sequence(out, v)
	case *ast.AnchorNode:
		out = g.grow(v.Value, path, key)
		g.anchors[v.Name.GetToken().Value] = out
	case *ast.AliasNode:
		return g.alias(v, path, key)
	case *ast.TagNode:
		return g.tagged(v, path, key)
	default:
		g.scalar(out, n)
	}
	return out
}

func (g *grower) scalar(out *node, n ast.Node) {
	t := n.GetToken()
	out.kind, out.at, out.plain = KindScalar, g.position(t), true
	switch v := n.(type) {
	case *ast.NullNode:
		out.kind = KindNull
	case *ast.LiteralNode:
		out.plain, out.text = false, v.Value.Value
		out.lines = g.blockLines(v)
		if len(out.lines) > 0 {
			out.at = out.lines[0]
		}
	case *ast.StringNode:
		out.text = v.Value
		if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
			out.plain = false
			out.at.Column++
		}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out.text = t.Value
	default:
		g.problems.add(out.at, "this YAML construct is not understood", string(t.Type.String()), "write a plain value, a list or a mapping")
	}
	out.public = out.text
}

// blockLines says where each line of a literal block ("|") begins. A folded
// block has no such places: its lines are joined.
func (g *grower) blockLines(v *ast.LiteralNode) []Position {
	lines := strings.Split(strings.TrimSuffix(v.Value.GetToken().Origin, "\n"), "\n")
	indent := 0
	for _, l := range lines {
		if trimmed := strings.TrimLeft(l, " "); trimmed != "" {
			indent = len(l) - len(trimmed)
			break
		}
	}
	start := g.position(v.Start)
	out := make([]Position, 0, len(lines))
	for i := range lines {
		out = append(out, Position{File: g.file, Line: start.Line + 1 + i, Column: indent + 1})
	}
	if strings.HasPrefix(v.Start.Value, ">") && len(out) > 1 {
		return out[:1]
	}
	return out
}

func (g *grower) sequence(out *node, v *ast.SequenceNode) {
	out.kind, out.at = KindList, g.position(v.Start)
	for i, item := range v.Values {
		out.items = append(out.items, g.grow(item, fmt.Sprintf("%s[%d]", out.path, i), out.key))
	}
}

func (g *grower) mapping(out *node, values []*ast.MappingValueNode, n ast.Node) {
	out.kind, out.at = KindMap, g.position(n.GetToken())
	if len(values) > 0 && n.GetToken().Value != "{" {
		out.at = g.position(values[0].Key.GetToken())
	}
	var merged []*node
	for _, v := range values {
		at := g.position(v.Key.GetToken())
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			merged = append(merged, g.grow(v.Value, out.path, out.key))
			continue
		}
		name := g.keyName(v.Key)
		if before := out.pairAt(name); before != nil {
			g.problems.add(at, fmt.Sprintf("%q is set twice", join(out.path, name)),
				fmt.Sprintf("first on line %d", before.at.Line), "keep one of them")
			continue
		}
		value := g.grow(v.Value, join(out.path, name), name)
		if value.kind == KindNull {
			value.at = at // nothing stands behind the key
		}
		out.pairs = append(out.pairs, pair{name: name, at: at, value: value})
	}
	g.merge(out, merged)
}

// merge adds the pairs of "<<" that are not set beside it.
func (g *grower) merge(out *node, merged []*node) {
	for _, m := range merged {
		sources := []*node{m}
		if m.kind == KindList {
			sources = m.items
		}
		for _, source := range sources {
			if source.kind != KindMap {
				g.problems.add(source.at, `"<<" takes a mapping`, "", "give it an alias of a mapping")
			}
			for _, p := range source.pairs {
				if out.pairAt(p.name) == nil {
					out.pairs = append(out.pairs, p)
				}
			}
		}
	}
}

func (n *node) pairAt(name string) *pair {
	for i := range n.pairs {
		if n.pairs[i].name == name {
			return &n.pairs[i]
		}
	}
	return nil
}

func (g *grower) keyName(key ast.MapKeyNode) string {
	switch v := key.(type) {
	case *ast.StringNode:
		return v.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return key.GetToken().Value
	}
	g.problems.add(g.position(key.GetToken()), "this key is not text", "", "write a name")
	return key.GetToken().Value
}

// alias unfolds "*name": a copy, so that its paths say where it is used, while
// its places are those of the anchor.
func (g *grower) alias(v *ast.AliasNode, path, key string) *node {
	name := v.Value.GetToken().Value
	at := g.position(v.Start)
	source, ok := g.anchors[name]
	if !ok {
		g.problems.add(at, fmt.Sprintf("alias *%s has no anchor above it", name), "", "define &"+name+" before it is used")
		return &node{kind: KindNull, at: at, path: path, key: key}
	}
	if g.size > maxNodes {
		g.problems.add(at, fmt.Sprintf("alias *%s unfolds to too much", name), fmt.Sprintf("a file may hold %d values", maxNodes), "write it out")
		return &node{kind: KindNull, at: at, path: path, key: key}
	}
	return g.copy(source, path, key)
}

func (g *grower) copy(n *node, path, key string) *node {
	g.size++
	out := *n
	out.path, out.key, out.pairs, out.items = path, key, nil, nil
	if g.size > maxNodes {
		return &out
	}
	for _, p := range n.pairs {
		out.pairs = append(out.pairs, pair{name: p.name, at: p.at, value: g.copy(p.value, join(path, p.name), p.name)})
	}
	for i, item := range n.items {
		out.items = append(out.items, g.copy(item, fmt.Sprintf("%s[%d]", path, i), key))
	}
	return &out
}

// tagged reads "!!str x" and refuses other tags.
func (g *grower) tagged(v *ast.TagNode, path, key string) *node {
	out := g.grow(v.Value, path, key)
	if v.Start.Value != "!!str" || out.kind != KindScalar {
		g.problems.add(g.position(v.Start), fmt.Sprintf("tag %s is not understood", v.Start.Value), "types come from where a value stands", "remove the tag")
	}
	out.plain = false
	return out
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
