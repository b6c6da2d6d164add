package config

import "github.com/trueup-data/trueup/schemas"

// System finds a system by name.
func (p *Project) System(name string) (System, bool) {
	for _, s := range p.Systems {
		if s.Name == name {
			return s, true
		}
	}
	return System{}, false
}

// Entity finds an entity by name.
func (p *Project) Entity(name string) (Entity, bool) {
	for _, e := range p.Entities {
		if e.Name == name {
			return e, true
		}
	}
	return Entity{}, false
}

// ParentsFirst are the entities so that each comes after those that its fields
// refer to, and otherwise in file order: the order of creates and updates, and
// reversed that of deletes. Load refuses refs in a circle.
func (p *Project) ParentsFirst() []Entity {
	var out []Entity
	done := map[string]bool{}
	var visit func(Entity)
	visit = func(e Entity) {
		if done[e.Name] {
			return
		}
		done[e.Name] = true
		for _, f := range e.Fields {
			if parent, ok := p.Entity(f.Ref); ok {
				visit(parent)
			}
		}
		out = append(out, e)
	}
	for _, e := range p.Entities {
		visit(e)
	}
	return out
}

func (p *Project) entityNames() []string {
	names := make([]string, len(p.Entities))
	for i, e := range p.Entities {
		names[i] = e.Name
	}
	return names
}

// Stream finds the entity's stream in a system.
func (e Entity) Stream(system string) (Stream, bool) {
	for _, s := range e.Streams {
		if s.System == system {
			return s, true
		}
	}
	return Stream{}, false
}

// Field finds a field by name.
func (e Entity) Field(name string) (EntityField, bool) {
	for _, f := range e.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return EntityField{}, false
}

// Rule is the rule of a field: its own, or the default.
func (e Entity) Rule(field string) Rule {
	if r, ok := e.Resolve.Fields[field]; ok {
		return r
	}
	return e.Resolve.Default
}

// Systems are the names of those that hold the entity, in file order.
func (e Entity) Systems() []string {
	names := make([]string, len(e.Streams))
	for i, s := range e.Streams {
		names[i] = s.System
	}
	return names
}

// Maps reports whether the stream maps an entity field.
func (s Stream) Maps(field string) bool {
	_, ok := s.Mapping(field)
	return ok
}

// Mapping is the SQL that gives an entity field.
func (s Stream) Mapping(field string) (Mapping, bool) {
	for _, m := range s.Map {
		if m.Name == field {
			return m, true
		}
	}
	return Mapping{}, false
}

// Columns are the entity's fields as columns of its golden records.
func (e Entity) Columns() []schemas.Column {
	out := make([]schemas.Column, len(e.Fields))
	for i, f := range e.Fields {
		out[i] = schemas.Column{Name: f.Name, Type: f.Type}
	}
	return out
}
