package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/schemas"
)

// checkStream checks the names within one stream.
func (b *builder) checkStream(ent Entity, st Stream, raw streamPart) {
	x := raw.Extract
	names := x.Fields.Keys()
	for _, pk := range x.PrimaryKey {
		if _, ok := x.Fields.Get(pk.Text); !ok {
			b.unknown(pk.At, "field", pk.Text, names)
		}
	}
	if len(x.Fields) > 0 && len(x.PrimaryKey) == 0 {
		b.problems.add(st.Extract.At, fmt.Sprintf("%q is missing", join(x.Settings.Path(), "primary_key")), "", "add primary_key: [field]")
	}
	if x.Incremental != nil {
		b.ordered(x, x.Incremental.CursorField, "cursor field")
		if x.Incremental.Lookback != nil && *x.Incremental.Lookback < 0 {
			b.problems.add(x.Incremental.CursorField.At, "lookback_window cannot be negative", "it would skip records", "write 0s or more")
		}
	}
	b.ordered(x, x.Version, "version")
	b.paths(x)
	b.mapped(ent, st, raw)
	if raw.Write != nil && raw.Write.Settings.Kind() == KindMap {
		b.checkWrite(st, *raw.Write, x)
	}
}

// ordered checks that a name is a declared field whose values have an order that
// a checkpoint can keep.
func (b *builder) ordered(x extractPart, name Name, what string) {
	if name.Text == "" {
		return
	}
	f, ok := x.Fields.Get(name.Text)
	switch {
	case !ok:
		b.unknown(name.At, "field", name.Text, x.Fields.Keys())
	case f.Field.Type.Kind != schemas.Timestamp && f.Field.Type.Kind != schemas.Int64:
		b.problems.add(name.At, fmt.Sprintf("field %s cannot be the %s", name.Text, what),
			fmt.Sprintf("it is %s, and only timestamps and int64 have an exact order", f.Field.Type), "declare it as timestamp or int64, or use another field")
	}
}

// paths refuses two fields of one path: a write could not tell which one to verify.
func (b *builder) paths(x extractPart) {
	seen := map[string]string{}
	for _, f := range x.Fields {
		path := or(f.Value.Field.Path, f.Key)
		if first, ok := seen[path]; ok {
			b.problems.add(f.At, fmt.Sprintf("field %s has the path of field %s", f.Key, first), path, "give one of them another path, or remove it")
			continue
		}
		seen[path] = f.Key
	}
}

// mapped checks the lines of map, and that every stream can tell the key.
func (b *builder) mapped(ent Entity, st Stream, raw streamPart) {
	names := make([]string, len(ent.Fields))
	for i, f := range ent.Fields {
		names[i] = f.Name
	}
	for _, m := range raw.Map {
		if !slices.Contains(names, m.Key) {
			b.unknown(m.At, "field", m.Key, names)
		}
	}
	if len(raw.Extract.Fields) == 0 {
		return
	}
	for _, k := range ent.Key {
		if slices.Contains(names, k) && !st.Maps(k) {
			b.problems.add(st.At, fmt.Sprintf("stream %s@%s does not map the key field %s", ent.Name, st.System, k),
				"without it no record has a key", fmt.Sprintf("add map: {%s: ...}, or a field %s", k, k))
		}
	}
}

// checkWrite checks what is written where, and that every write setting can take effect.
func (b *builder) checkWrite(st Stream, raw writePart, x extractPart) {
	w := st.Write
	at, path := raw.Settings.At(), raw.Settings.Path()
	if !w.Create && !w.Update && !w.Delete {
		b.problems.add(at, fmt.Sprintf("%q declares no operation", path), "nothing would ever be sent", "add create, update or delete, or remove write")
	}
	if (w.Create || w.Update) && len(w.Fields) == 0 {
		b.problems.add(at, fmt.Sprintf("%q is missing", join(path, "fields")), "create and update need values to send", "add fields: {system_field: expression}")
	}
	if !w.Create && !w.Update && len(raw.Fields) > 0 {
		b.problems.add(raw.Fields[0].At, fmt.Sprintf("%q has no effect", join(path, "fields")), "only create and update send values", "declare create or update, or remove fields")
	}
	if w.Precondition && !w.Update && !w.Delete {
		b.noEffect(raw.Settings, "precondition", "only update and delete have a record to compare with")
	}
	if raw.Verify == "read" && !b.canFetchStream(st) {
		b.problems.add(at, fmt.Sprintf("%q cannot be read", join(path, "verify")), "extract.read is not declared", "declare extract.read, or a precondition")
	}
	if raw.Verify == "" && w.Verify == "read" && (w.Update || w.Delete) && !b.canFetchStream(st) {
		b.problems.add(at, fmt.Sprintf("nothing protects other people's edits in %s", st.System),
			"there is neither a precondition nor a read by ID", "declare precondition or extract.read, or accept lost edits by verify: none")
	}
	if x.Settings.Has("search") && !w.Create {
		b.noEffect(x.Settings, "search", "it finds what a create left behind, and create is not declared")
	}
	b.checkLeave(raw, *w)
	b.writePaths(raw, x)
}

// checkLeave: only what has a scope can leave it.
func (b *builder) checkLeave(raw writePart, w Write) {
	switch {
	case w.Scope == nil && raw.Leave != "":
		b.noEffect(raw.Settings, "leave", "without write.scope no record ever leaves")
	case w.Leave != "keep" && !w.Delete:
		b.problems.add(raw.Settings.At(), fmt.Sprintf("%q cannot be done", join(raw.Settings.Path(), "leave")), "delete is not declared", "declare delete, or write leave: keep")
	}
}

func (b *builder) canFetchStream(st Stream) bool {
	return st.Extract.Settings.Has("read") || b.fetches[st.System]
}

func (b *builder) noEffect(n Node, key, why string) {
	at := n.At()
	if p := n.n.pairAt(key); p != nil {
		at = p.at
	}
	b.problems.add(at, fmt.Sprintf("%q has no effect", join(n.Path(), key)), why, "remove "+key)
}

// writePaths checks that what is written is also read: a field that the stream
// does not show can never be verified.
func (b *builder) writePaths(raw writePart, x extractPart) {
	var valid []string
	for _, f := range x.Fields {
		valid = append(valid, or(f.Value.Field.Path, f.Key))
	}
	for _, f := range raw.Fields {
		if slices.Contains(valid, f.Key) {
			continue
		}
		help := fmt.Sprintf("declare it in extract.fields: {%s: {type: ..., path: %s}}", strings.ReplaceAll(f.Key, ".", "_"), f.Key)
		if near := Nearest(f.Key, valid); near != "" {
			help = fmt.Sprintf("did you mean %q?", near)
		}
		b.problems.add(f.At, fmt.Sprintf("%q cannot be verified", f.Key), "no field of extract has this path", help)
	}
}
