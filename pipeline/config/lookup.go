package config

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

func (e Entity) systems() []string {
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
