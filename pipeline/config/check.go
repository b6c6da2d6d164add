package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/schemas"
)

// identifierPattern keeps names usable as columns, as parts of object keys and
// in SQL without quotes. A leading underscore marks our own columns.
var (
	identifierPattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	projectPattern    = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
)

func (b *builder) identifier(at Position, what, name string) {
	if identifierPattern.MatchString(name) {
		return
	}
	why := "names are a-z, 0-9 and _, at most 63 of them"
	if strings.HasPrefix(name, "_") {
		why = "names that begin with _ are Trueup's own"
	}
	b.problems.add(at, fmt.Sprintf("%q cannot name a %s", name, what), why, asIdentifier(what, name))
}

func asIdentifier(what, name string) string {
	if what == "field" {
		return fmt.Sprintf("choose another, and say {type: ..., path: %s} where a system calls it so", name)
	}
	return "choose another name"
}

// top checks what stands at the top of the file.
func (b *builder) top(root Node, f *projectFile) {
	if f.Version != 1 {
		b.problems.add(root.Get("version").At(), fmt.Sprintf("version %d is not known", f.Version), "this program reads version 1", "write version: 1")
	}
	if f.Name.Text != "" && !projectPattern.MatchString(f.Name.Text) {
		b.problems.add(f.Name.At, fmt.Sprintf("%q cannot name a project", f.Name.Text), "names are a-z, 0-9, _ and -", "choose another name")
	}
	positive(&b.problems, root, "lease", float64(f.Lease))
	if store := root.Get("store"); store.Kind() == KindScalar {
		u, err := url.Parse(f.Store)
		if err != nil || (u.Scheme != "file" && u.Scheme != "s3") {
			b.problems = append(b.problems, wrongShape(store.n, "file://path or s3://bucket/prefix"))
		}
	}
}

// references checks every name that stands for something else in the file.
func (b *builder) references(p *Project, f *projectFile) {
	for i, e := range f.Entities {
		ent := p.Entities[i]
		b.fields(p, ent, e.Value)
		for j, s := range e.Value.Streams {
			if _, ok := p.System(s.Key); !ok {
				b.unknown(s.At, "system", s.Key, f.Systems.Keys())
			}
			b.checkStream(ent, ent.Streams[j], s.Value)
		}
		b.rules(ent, e.Value)
	}
	b.refCycles(p)
	b.idle(p, f)
}

func (b *builder) unknown(at Position, what, name string, valid []string) {
	if name == "" { // it did not decode, which is a problem of its own
		return
	}
	b.problems.add(at, fmt.Sprintf("there is no %s %q", what, name), "", suggest(name, valid))
}

// fields checks an entity's key and the fields that refer to other entities.
func (b *builder) fields(p *Project, ent Entity, raw entityPart) {
	names := raw.Fields.Keys()
	if len(raw.Fields) > 0 && len(raw.Key) == 0 {
		b.problems.add(ent.At, fmt.Sprintf("entity %s has no key", ent.Name), "", "add key: [field]")
	}
	for i, k := range raw.Key {
		f, ok := raw.Fields.Get(k.Text)
		switch {
		case !ok:
			b.unknown(k.At, "field", k.Text, names)
		case slices.Contains(raw.Key.Texts()[:i], k.Text):
			b.problems.add(k.At, fmt.Sprintf("field %s is twice in the key", k.Text), "", "keep one of them")
		case slices.Contains([]schemas.Kind{schemas.Double, schemas.JSON, schemas.List}, f.Type.Kind):
			b.problems.add(k.At, fmt.Sprintf("field %s cannot be part of a key", k.Text), f.Type.String()+" values have no stable text", "use a string, a number, a date or a timestamp")
		}
	}
	for _, e := range raw.Fields {
		ref := e.Value.Ref
		if _, ok := p.Entity(ref.Text); ref.Text != "" && !ok {
			b.unknown(ref.At, "entity", ref.Text, p.entityNames())
		}
		if t := e.Value.Type; len(e.Value.Normalize) > 0 && t.Kind != schemas.String && t.Kind != schemas.Enum {
			b.problems.add(e.At, fmt.Sprintf("normalize of field %s has no effect", e.Key), "it is for strings, this is "+t.String(), "remove normalize")
		}
	}
}

// refCycles refuses refs in a circle: parents are created first, so there must
// be an order.
func (b *builder) refCycles(p *Project) {
	state := map[string]int{} // 1: on the way, 2: done
	var visit func(e Entity)
	visit = func(e Entity) {
		state[e.Name] = 1
		for _, f := range e.Fields {
			parent, ok := p.Entity(f.Ref)
			if !ok {
				continue
			}
			switch state[parent.Name] {
			case 0:
				visit(parent)
			case 1:
				b.problems.add(f.At, fmt.Sprintf("the ref of %s.%s closes a circle", e.Name, f.Name),
					"parents are created before children, so there must be an order", "remove one ref of the circle")
			}
		}
		state[e.Name] = 2
	}
	for _, e := range p.Entities {
		if state[e.Name] == 0 {
			visit(e)
		}
	}
}

// idle refuses systems that no stream uses.
func (b *builder) idle(p *Project, f *projectFile) {
	if len(f.Entities) == 0 {
		return
	}
	used := map[string]bool{}
	for _, e := range p.Entities {
		for _, s := range e.Streams {
			used[s.System] = true
		}
	}
	for _, s := range f.Systems {
		if !used[s.Key] {
			b.problems.add(s.At, fmt.Sprintf("system %s has no effect", s.Key), "no entity has a stream in it", "add entities.<name>.streams."+s.Key+", or remove the system")
		}
	}
}
