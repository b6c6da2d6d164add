package config

import (
	"fmt"
	"slices"
	"strings"
)

// rules checks that every field has a rule that can decide it.
func (b *builder) rules(ent Entity, raw entityPart) {
	r := raw.Resolve
	if r.Default != nil {
		b.systemsOf(ent, r.Default.names())
		b.skew(*r.Default)
	}
	b.systemsOf(ent, r.Deletes.Authority)
	names := raw.Fields.Keys()
	for _, rule := range r.Fields {
		if !slices.Contains(names, rule.Key) {
			b.unknown(rule.At, "field", rule.Key, names)
			continue
		}
		b.systemsOf(ent, rule.Value.names())
		b.skew(rule.Value)
		b.speaks(ent, rule)
	}
	if len(ent.Streams) > 0 {
		b.defaults(ent, raw)
		b.deletes(ent, raw)
	}
	b.groups(ent, raw)
}

// deletes checks that somebody's deletes count, where the default rule does not say whose.
func (b *builder) deletes(ent Entity, raw entityPart) {
	d := raw.Resolve.Default
	if d != nil && len(d.Authority) == 0 && len(raw.Resolve.Deletes.Authority) == 0 {
		b.problems.add(d.At, fmt.Sprintf("%q is missing", "entities."+ent.Name+".resolve.deletes.authority"),
			"the default rule names no authority, so nothing says whose deletes count", "add deletes: {authority: [SYSTEM]}")
	}
}

// groups checks that each group is of fields that can be judged as one.
func (b *builder) groups(ent Entity, raw entityPart) {
	grouped := map[string]bool{}
	for _, g := range raw.Groups {
		if len(g.Fields) < 2 {
			b.problems.add(g.At, "a group of one field has no effect", "a group is judged as one, and taken from one side", "name two or more fields")
		}
		for _, f := range g.Fields {
			_, known := ent.Field(f.Text)
			switch {
			case !known:
				b.unknown(f.At, "field", f.Text, raw.Fields.Keys())
			case grouped[f.Text]:
				b.problems.add(f.At, fmt.Sprintf("field %s is in two groups", f.Text), "", "keep one of them")
			case slices.Contains(ent.Key, f.Text):
				b.problems.add(f.At, fmt.Sprintf("field %s is part of the key", f.Text), "the key of a record is the same on all sides", "remove it from the group")
			case !sameRule(ent.Rule(f.Text), ent.Rule(g.Fields[0].Text)):
				b.problems.add(f.At, fmt.Sprintf("fields %s and %s have two rules", g.Fields[0].Text, f.Text), "a group is judged as one", "give them the same rule")
			}
			grouped[f.Text] = true
		}
	}
}

func sameRule(a, b Rule) bool {
	return a.Kind() == b.Kind() && slices.Equal(a.Order(), b.Order()) && a.Skew() == b.Skew()
}

// skew checks a rule's own settings.
func (b *builder) skew(r rulePart) {
	if r.Latest != nil && r.Latest.Skew != nil && *r.Latest.Skew < 0 {
		b.problems.add(r.At, "skew is negative", "it is how far two clocks may be apart", "write skew: 2m")
	}
}

// systemsOf checks that each named system holds the entity.
func (b *builder) systemsOf(ent Entity, names Names) {
	for i, n := range names {
		if _, ok := ent.Stream(n.Text); !ok {
			b.problems.add(n.At, fmt.Sprintf("system %q has no stream of %s", n.Text, ent.Name), "it can never have news", suggest(n.Text, ent.Systems()))
		}
		if slices.Contains(names.Texts()[:i], n.Text) {
			b.problems.add(n.At, fmt.Sprintf("system %s is named twice", n.Text), "", "keep the first")
		}
	}
}

// speaks checks that the systems of a field's own rule map the field.
func (b *builder) speaks(ent Entity, rule Entry[rulePart]) {
	for _, n := range rule.Value.names() {
		st, ok := ent.Stream(n.Text)
		if ok && !st.Maps(rule.Key) {
			b.problems.add(n.At, fmt.Sprintf("system %s does not map %s.%s", n.Text, ent.Name, rule.Key), "it can never have news of it", b.helpMap(ent, rule.Key))
		}
	}
}

// defaults checks that the default rule has an authority for every field that
// has no rule of its own.
func (b *builder) defaults(ent Entity, raw entityPart) {
	if raw.Resolve.Default == nil && len(ent.Streams) > 1 {
		b.problems.add(ent.At, fmt.Sprintf("%q is missing", "entities."+ent.Name+".resolve.default"),
			"several systems hold the entity, and nothing says who is right", "add resolve: {default: {authority: SYSTEM}}")
		return
	}
	if len(ent.Resolve.Default.Authority) == 0 || slices.ContainsFunc(raw.Streams, undecoded) {
		return // what did not decode is a problem of its own
	}
	for _, f := range ent.Fields {
		if _, own := ent.Resolve.Fields[f.Name]; own {
			continue
		}
		if slices.ContainsFunc(ent.Resolve.Default.Authority, func(s string) bool { st, ok := ent.Stream(s); return !ok || st.Maps(f.Name) }) {
			continue
		}
		what := fmt.Sprintf("nobody is right about %s.%s", ent.Name, f.Name)
		why := "the default rule names " + strings.Join(ent.Resolve.Default.Authority, ", ") + ", which does not map it"
		b.problems.add(f.At, what, why, b.helpMap(ent, f.Name))
	}
}

func undecoded(s Entry[streamPart]) bool { return len(s.Value.Extract.Fields) == 0 }

// helpMap names the systems that do map a field.
func (b *builder) helpMap(ent Entity, field string) string {
	var mapping []string
	for _, s := range ent.Streams {
		if s.Maps(field) {
			mapping = append(mapping, s.System)
		}
	}
	if len(mapping) == 0 {
		return "no system maps it: add it to a map, or remove the field"
	}
	return fmt.Sprintf("add resolve.fields: {%s: {authority: %s}}, or map it", field, mapping[0])
}
