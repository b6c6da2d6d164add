package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/trueup-data/trueup/schemas"
)

// canonical is the node as plain values: no comments, no format, no places, no
// secrets. Marshalled, its mappings are sorted by key.
func (n Node) canonical() any {
	switch n.Kind() {
	case KindScalar:
		return n.n.public
	case KindList:
		out := make([]any, 0, len(n.n.items))
		for _, item := range n.Items() {
			out = append(out, item.canonical())
		}
		return out
	case KindMap:
		out := make(map[string]any, len(n.n.pairs))
		for _, e := range n.Entries() {
			out[e.Key] = e.Value.canonical()
		}
		return out
	case KindNone, KindNull:
	}
	return nil
}

// without is the canonical form of a mapping without some keys.
func (n Node) without(keys ...string) any {
	out, ok := n.canonical().(map[string]any)
	if !ok {
		return nil
	}
	for _, k := range keys {
		delete(out, k)
	}
	return out
}

// digest is the sha256 of a value's JSON, in hex.
func digest(v any) string {
	raw, err := json.Marshal(v)
	if err != nil { // the values are maps, lists and texts
		raw = []byte(err.Error())
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// StreamFingerprint is the scope fingerprint of a stream: of everything that
// decides which records an extract can see and under which key they are stored.
// That is the system's address and account, the request, filters, partitions,
// pagination, fields, tombstones, and the mapping of the key; not limits, not
// the lookback, not secrets. It is "" for a stream that does not exist.
func (p *Project) StreamFingerprint(entity, system string) string {
	ent, okEntity := p.Entity(entity)
	st, okStream := ent.Stream(system)
	sys, okSystem := p.System(system)
	if !okEntity || !okStream || !okSystem {
		return ""
	}
	x := st.Extract
	return digest(map[string]any{
		"system":      []any{sys.Connector, sys.Settings.canonical()},
		"settings":    x.Settings.without("read", "search"),
		"primary_key": x.PrimaryKey,
		"fields":      fieldForms(x.Fields),
		"version":     x.Version,
		"cursor":      cursorForm(x.Incremental),
		"covers":      sqlOf(x.Covers),
		"tombstone":   sqlOf(x.Tombstone),
		"key":         keyForms(ent, st),
	})
}

// MergeFingerprint is the fingerprint of all that decides what golden is and
// what is sent for an entity: fields, mappings, what is written where, and the
// rules; not addresses, not requests, not guards. It is "" for an entity that
// does not exist.
func (p *Project) MergeFingerprint(entity string) string {
	ent, ok := p.Entity(entity)
	if !ok {
		return ""
	}
	streams := map[string]any{}
	for _, st := range ent.Streams {
		form := map[string]any{
			"fields": fieldForms(st.Extract.Fields), "map": mappingForms(st.Map),
			"covers": sqlOf(st.Extract.Covers), "tombstone": sqlOf(st.Extract.Tombstone), "join": st.Join,
		}
		if w := st.Write; w != nil {
			form["write"] = []any{sqlOf(w.Scope), mappingForms(w.Fields), w.Create, w.Update, w.Delete}
		}
		streams[st.System] = form
	}
	rules := map[string]any{}
	for _, f := range ent.Fields {
		r := ent.Rule(f.Name)
		rules[f.Name] = []any{r.Kind(), r.Order(), r.Skew()}
	}
	checks := map[string]string{}
	for _, c := range ent.Checks {
		checks[c.Name] = c.Expr.SQL
	}
	d := ent.Resolve.Deletes
	return digest(map[string]any{
		"groups": ent.Groups, "checks": checks,
		"key": ent.Key, "fields": entityFieldForms(ent.Fields), "streams": streams, "rules": rules,
		"deletes": []any{d.Authority, d.AgainstUpdate, d.Recreate},
	})
}

func sqlOf(e *Expr) string {
	if e == nil {
		return ""
	}
	return e.SQL
}

func cursorForm(i *IncrementalRead) []string {
	if i == nil {
		return nil
	}
	return []string{i.CursorField, i.NullCursor}
}

// fieldForms are by name: the order of fields in the file says nothing.
func fieldForms(fields []schemas.Field) map[string]any {
	out := map[string]any{}
	for _, f := range fields {
		out[f.Name] = []any{f.Type.String(), f.Path, f.Format, f.Zone, f.AbsentNull, f.Ignore, f.Strict}
	}
	return out
}

func entityFieldForms(fields []EntityField) map[string]any {
	out := map[string]any{}
	for _, f := range fields {
		out[f.Name] = []any{f.Type.String(), f.Normalize, f.Ref}
	}
	return out
}

func mappingForms(lines []Mapping) map[string]any {
	out := map[string]any{}
	for _, m := range lines {
		out[m.Name] = m.Expr.SQL
	}
	return out
}

func keyForms(ent Entity, st Stream) []any {
	var out []any
	for _, k := range ent.Key {
		f, _ := ent.Field(k)
		m, _ := st.Mapping(k)
		out = append(out, []any{k, f.Type.String(), f.Normalize, m.Expr.SQL})
	}
	return out
}
