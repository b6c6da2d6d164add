package config

import (
	"fmt"
	"time"

	"github.com/trueup-data/trueup/schemas"
)

// builder turns the decoded file into a Project and collects what is wrong.
type builder struct {
	known    Known
	fetches  map[string]bool // systems that read by ID without a declared read
	problems Problems
}

const day = 24 * time.Hour

// project decodes and checks a whole tree. The Project is of use only if there
// are no problems afterwards.
func (b *builder) project(root Node) *Project {
	f := projectFile{
		Version: 1, Store: "file://.trueup/store", Engine: "local", Lease: time.Minute,
		Checkpoint: defaultCheckpoint(),
	}
	b.problems.take(root.At(), root.Decode(&f))
	p := &Project{
		Name: f.Name.Text, Store: f.Store, Lease: f.Lease,
		Checkpoint: CheckpointEvery{Records: f.Checkpoint.Records, Bytes: int64(f.Checkpoint.Bytes), Every: f.Checkpoint.Every},
	}
	b.top(root, &f)
	p.Monitors = b.monitors(root.Get("monitors").At(), f.Monitors)
	for _, e := range f.Systems {
		s := b.system(e)
		p.Systems = append(p.Systems, s)
		b.fetches[s.Name] = b.known[s.Connector].CanFetch || (b.known == nil && s.Connector != "rest")
	}
	for _, e := range f.Entities {
		p.Entities = append(p.Entities, b.entity(p, e))
	}
	b.references(p, &f)
	b.schedules(p, &f)
	b.connectors(p)
	return p
}

func (b *builder) system(e Entry[systemPart]) System {
	b.identifier(e.At, "system", e.Key)
	limits := defaultLimits()
	if e.Value.Limits != nil {
		limits = *e.Value.Limits
	}
	if limits.Burst == 0 {
		limits.Burst = max(1, int(2*limits.RequestsPerSecond))
	}
	s := System{Name: e.Key, At: e.At, Limits: Limits(limits)}
	if e.Value.Connector.Kind() == KindMap {
		s.Connector, s.Settings = b.connector(e.Key, e.At, e.Value.Connector)
	}
	return s
}

func (b *builder) entity(p *Project, e Entry[entityPart]) Entity {
	b.identifier(e.At, "entity", e.Key)
	out := Entity{Name: e.Key, At: e.At, Key: e.Value.Key.Texts(), Guards: guards(e.Value.Guards)}
	for _, f := range e.Value.Fields {
		b.identifier(f.At, "field", f.Key)
		out.Fields = append(out.Fields, EntityField{
			Name: f.Key, Type: f.Value.Type, Normalize: f.Value.Normalize, Ref: f.Value.Ref.Text, At: f.At,
		})
	}
	for _, s := range e.Value.Streams {
		sys, _ := p.System(s.Key)
		out.Streams = append(out.Streams, b.streamOf(out, sys, s))
	}
	out.Resolve = resolve(e.Value.Resolve, out.Streams)
	for _, g := range e.Value.Groups {
		out.Groups = append(out.Groups, g.Fields.Texts())
	}
	for _, c := range e.Value.Checks {
		b.identifier(c.At, "check", c.Key)
		out.Checks = append(out.Checks, Check{Name: c.Key, Expr: c.Value})
	}
	return out
}

func resolve(r resolvePart, streams []Stream) Resolve {
	out := Resolve{Fields: map[string]Rule{}, Deletes: DeleteRule{
		Authority: r.Deletes.Authority.Texts(), AgainstUpdate: or(r.Deletes.AgainstUpdate, "hold"),
		Recreate: or(r.Deletes.Recreate, "hold"),
	}}
	switch {
	case r.Default != nil:
		out.Default = r.Default.rule()
	case len(streams) == 1: // the only system that holds it
		out.Default = Rule{Authority: []string{streams[0].System}, At: streams[0].At}
	}
	for _, f := range r.Fields {
		out.Fields[f.Key] = f.Value.rule()
	}
	return out
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

func (b *builder) streamOf(ent Entity, sys System, e Entry[streamPart]) Stream {
	x := e.Value.Extract
	out := Stream{System: e.Key, At: e.At, Join: or(string(e.Value.Join), "adopt"), Extract: Extract{
		PrimaryKey: x.PrimaryKey.Texts(), Version: x.Version.Text, Covers: x.Covers, Tombstone: x.Deletes.Tombstone,
		Settings: x.Settings, At: x.Settings.At(),
	}}
	for _, f := range x.Fields {
		b.identifier(f.At, "field", f.Key)
		field := namedField(f)
		if err := field.Check(); err != nil && identifierPattern.MatchString(f.Key) && field.Type.Kind != 0 {
			b.problems.add(f.Value.At, err.Error(), "", "")
		}
		out.Extract.Fields = append(out.Extract.Fields, field)
	}
	b.incremental(&out.Extract, x)
	b.absence(&out.Extract, sys, x)
	out.Map = mappings(ent, out.Extract.Fields, e.Value.Map)
	if w := e.Value.Write; w != nil {
		out.Write = b.write(sys, *w)
		out.Write.Lossy = b.losses(out, *w)
	}
	return out
}

func namedField(f Entry[streamFieldPart]) schemas.Field {
	field := f.Value.Field
	field.Name = f.Key
	field.Path = or(field.Path, f.Key)
	return field
}

func (b *builder) incremental(out *Extract, x extractPart) {
	if x.Incremental == nil {
		return
	}
	out.Incremental = &IncrementalRead{
		CursorField: x.Incremental.CursorField.Text, Lookback: 10 * time.Minute, NullCursor: or(x.Incremental.NullCursor, "read"),
	}
	if x.Incremental.Lookback != nil {
		out.Incremental.Lookback = *x.Incremental.Lookback
	}
	out.Version = or(out.Version, out.Incremental.CursorField)
}

// absence is on where records can be read by ID, since nothing else proves that
// a record which a sweep did not show is gone.
func (b *builder) absence(out *Extract, sys System, x extractPart) {
	can := x.Settings.Has("read") || b.fetches[sys.Name]
	out.Absence = can
	if x.Deletes.Absence == nil {
		return
	}
	out.Absence = x.Deletes.Absence.On
	if out.Absence && !can {
		b.problems.add(x.Deletes.Absence.At, fmt.Sprintf("%q has no effect", join(x.Settings.Path(), "deletes.absence")),
			"without a read by ID nothing proves that a record is gone", "declare read, or remove absence")
	}
}

// mappings lists every entity field that the stream maps, in entity order: by
// its own line, or by the stream's field of the same name.
func mappings(ent Entity, fields []schemas.Field, lines Map[Expr]) []Mapping {
	var out []Mapping
	for _, f := range ent.Fields {
		expr, ok := lines.Get(f.Name)
		if !ok {
			if !hasField(fields, f.Name) {
				continue
			}
			expr = Expr{SQL: `"` + f.Name + `"`, At: f.At}
		}
		out = append(out, Mapping{Name: f.Name, Expr: expr})
	}
	return out
}

func hasField(fields []schemas.Field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}
