package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// Load reads the project file at path, or every *.yaml and *.yml file of the
// folder at path as one project, decodes it and checks it. env answers ${NAME};
// known are the connectors (with nil, their settings are passed on unchecked).
// The error is Problems: all that is wrong with the files, in file order; it is
// a fault.Error only where a file cannot be read at all.
func Load(path string, env func(string) (string, bool), known Known) (*Project, error) {
	files, err := projectFiles(path)
	if err != nil {
		return nil, err
	}
	x := &expander{env: env, readFile: os.ReadFile}
	root, problems, ok := readTree(files, x)
	if !ok { // what is missing then says nothing
		return nil, problems.Redacted(x.secrets).Err()
	}
	b := &builder{known: known, fetches: map[string]bool{}, problems: problems}
	p := b.project(Node{n: root})
	if err := b.problems.Redacted(x.secrets).Err(); err != nil {
		return nil, err
	}
	p.Secrets = x.secrets
	p.Hash = digest(Node{n: root}.canonical())
	return p, nil
}

// projectFiles lists the files of a project, sorted.
func projectFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Permanent, Op: "open the project file", Where: fault.Place{File: path}, Err: err,
			Help: "trueup init writes one; --project names another", Code: fault.CodeNoProjectFile}
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Permanent, Op: "open the project folder", Where: fault.Place{File: path}, Err: err, Code: fault.CodeNoProjectFile}
	}
	var files []string
	for _, e := range entries {
		name := e.Name()
		ext := filepath.Ext(name)
		if e.IsDir() || strings.HasPrefix(name, ".") || (ext != ".yaml" && ext != ".yml") {
			continue
		}
		files = append(files, filepath.Join(path, name))
	}
	if len(files) == 0 {
		return nil, &fault.Error{Kind: fault.Permanent, Op: "open the project folder", Where: fault.Place{File: path},
			Err: fmt.Errorf("no .yaml file in it"), Help: "trueup init writes one", Code: fault.CodeNoProjectFile}
	}
	return files, nil
}

// readTree parses, expands and joins the files; false if one could not be read.
func readTree(files []string, x *expander) (root *node, problems Problems, ok bool) {
	ok = true
	root = &node{kind: KindMap, at: Position{File: files[0], Line: 1, Column: 1}}
	for _, file := range files {
		raw, err := x.readFile(file)
		if err != nil {
			problems = append(problems, &fault.Error{Kind: fault.Permanent, Op: "read the file", Where: fault.Place{File: file}, Err: err})
			ok = false
			continue
		}
		tree, found := parse(file, raw)
		problems = append(problems, found...)
		if tree == nil {
			ok = false
			continue
		}
		x.tree(tree)
		problems = append(problems, joinTrees(root, tree)...)
	}
	return root, append(problems, x.problems...), ok
}

// parse makes the tree of one file; nil if it is not YAML at all.
func parse(file string, raw []byte) (tree *node, problems Problems) {
	start := Position{File: file, Line: 1, Column: 1}
	doc, err := parseYAML(raw)
	var syntax *yaml.SyntaxError
	switch {
	case errors.As(err, &syntax):
		at := Position{File: file, Line: syntax.Token.Position.Line, Column: syntax.Token.Position.Column}
		problems.add(at, "this is not YAML", syntax.Message, "check the indentation, the quotes and the brackets above")
		return nil, problems
	case err != nil:
		problems.add(start, "this is not YAML", err.Error(), "check the indentation, the quotes and the brackets")
		return nil, problems
	case len(doc.Docs) > 1 && doc.Docs[1].Body != nil:
		at := doc.Docs[1].Body.GetToken().Position
		problems.add(Position{File: file, Line: at.Line, Column: at.Column}, "a file holds one document", "", "remove the ---, or make it a file of its own")
		return nil, problems
	case len(doc.Docs) == 0 || doc.Docs[0].Body == nil:
		return &node{kind: KindMap, at: start}, nil
	}
	g := &grower{file: file, anchors: map[string]*node{}}
	tree = g.grow(doc.Docs[0].Body, "", "")
	if tree.kind != KindMap {
		g.problems.add(tree.at, "a project file is a mapping", "", "begin with version: 1")
		return nil, g.problems
	}
	return tree, g.problems
}

// parseYAML turns a panic of the parser on odd input into an error.
func parseYAML(raw []byte) (doc *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the parser gave up: %v", r)
		}
	}()
	return parser.ParseBytes(raw, 0, parser.AllowDuplicateMapKey())
}

// joinTrees adds the keys of one file to the project. Systems and entities may
// be spread over files; everything else stands in one of them.
func joinTrees(root, tree *node) (problems Problems) {
	for _, p := range tree.pairs {
		have := root.pairAt(p.name)
		switch {
		case have == nil:
			root.pairs = append(root.pairs, p)
		case p.name == "version" && have.value.text == p.value.text:
		case (p.name == "systems" || p.name == "entities") && have.value.kind == KindMap && p.value.kind == KindMap:
			joined := *have.value
			joined.pairs = slices.Clone(have.value.pairs)
			problems = append(problems, joinPairs(&joined, p.value)...)
			have.value = &joined
		default:
			problems = append(problems, twice(p, have, p.name))
		}
	}
	return problems
}

func joinPairs(into, from *node) (problems Problems) {
	for _, p := range from.pairs {
		if have := into.pairAt(p.name); have != nil {
			problems = append(problems, twice(p, have, join(from.path, p.name)))
			continue
		}
		into.pairs = append(into.pairs, p)
	}
	return problems
}

func twice(p pair, have *pair, path string) *problem {
	return Problem(p.at, fmt.Sprintf("%q is set twice", path),
		fmt.Sprintf("first in %s on line %d", have.at.File, have.at.Line), "keep one of them")
}
