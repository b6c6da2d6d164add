package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/fault"
)

// writing is how records get into the table.
type writing struct {
	table        string // quoted
	name         string // the same for people
	ops          map[pipeline.WriteOp]bool
	version      *column  // of the precondition; nil: none
	unique       bool     // search is enforced by a unique constraint
	search       []column // that carry the entity's key; empty: none do
	keyFields    []string // of the entity, in the order of search
	returnsWhole bool     // the table is the one that is read
}

func (s *Stream) compileWrite(system systemSettings, ent config.Entity, st config.Stream, x extractSettings) error {
	if st.Write == nil {
		return nil
	}
	var w writeSettings
	if err := st.Write.Settings.Decode(&w); err != nil {
		return err
	}
	if w.Table.Text == "" {
		w.Table = x.Table
	}
	if w.Table.Text == "" {
		return config.Problem(st.Write.At, "write of "+s.id.String()+" needs table", "what is read is a query", "name the table that the rows are in")
	}
	table, plain, err := tableName(system, w.Table)
	if err != nil {
		return err
	}
	s.write = &writing{table: table, name: plain, returnsWhole: table == s.source, keyFields: ent.Key, unique: len(w.Unique) > 0,
		ops: map[pipeline.WriteOp]bool{pipeline.OpCreate: st.Write.Create, pipeline.OpUpdate: st.Write.Update, pipeline.OpDelete: st.Write.Delete}}
	if err := s.compileSearch(ent, st, w); err != nil {
		return err
	}
	if names := texts(w.Key); len(names) > 0 && !slices.Equal(names, s.decode.PrimaryKey) {
		return config.Problem(w.Key[0].At, "write.key is not the primary_key", "an ID that is read must find the row that is written", "write key: ["+strings.Join(s.decode.PrimaryKey, ", ")+"]")
	}
	if !w.Precondition {
		return nil
	}
	if s.write.version = s.column(s.decode.Version); s.write.version == nil {
		return config.Problem(st.Write.At, "precondition needs a version", "nothing says which edit of a row was seen", "declare extract.version or incremental, with a field that every edit raises")
	}
	return nil
}

// compileSearch finds the fields that carry the entity's key: those that unique
// names, or those that the map takes as they are.
func (s *Stream) compileSearch(ent config.Entity, st config.Stream, w writeSettings) error {
	names := texts(w.Unique)
	if len(names) > 0 && len(names) != len(ent.Key) {
		return config.Problem(w.Unique[0].At, "write.unique has another number of fields than the entity's key", strings.Join(ent.Key, ", "), "name one field for each")
	}
	if len(names) == 0 {
		names = carriers(ent, st)
	}
	for i, n := range names {
		c := s.column(n)
		if c == nil && len(w.Unique) > 0 {
			return config.Problem(w.Unique[i].At, fmt.Sprintf("write.unique: field %s is not declared", n), "", "add it to extract.fields")
		}
		if c == nil {
			s.write.search = nil
			return nil
		}
		s.write.search = append(s.write.search, *c)
	}
	return nil
}

// carriers are the fields that the map takes for the entity's key unchanged; a
// name that is no field for a key part that is computed.
func carriers(ent config.Entity, st config.Stream) []string {
	names := make([]string, len(ent.Key))
	for i, k := range ent.Key {
		for _, m := range st.Map {
			if m.Name == k {
				names[i] = strings.Trim(strings.TrimSpace(m.Expr.SQL), `"`)
			}
		}
	}
	return names
}

func texts(names config.Names) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.Text
	}
	return out
}

// column finds a declared field.
func (s *Stream) column(name string) *column {
	for i := range s.columns {
		if s.columns[i].field.Name == name {
			return &s.columns[i]
		}
	}
	return nil
}

// CanWrite reports whether the operation is declared.
func (s *Stream) CanWrite(op pipeline.WriteOp) bool { return s.write != nil && s.write.ops[op] }

// Protocol is the strongest thing that makes the operation safe to repeat.
func (s *Stream) Protocol(op pipeline.WriteOp) pipeline.Protocol {
	switch {
	case s.write == nil:
	case op != pipeline.OpCreate && s.write.version != nil:
		return pipeline.ByPrecondition
	case op == pipeline.OpCreate && s.write.unique:
		return pipeline.ByUniqueKey
	case op == pipeline.OpCreate && len(s.write.search) > 0:
		return pipeline.BySearchableKey
	}
	return pipeline.ByNothing
}

// statement is the body of a request: all that Send needs.
type statement struct {
	SQL       string    `json:"sql"`
	Arguments []*string `json:"arguments"`
	Lock      string    `json:"lock"` // name of the record, for those who wait until the statement is over
	Whole     bool      `json:"whole"`
}

// add enters an argument and gives its parameter.
func (st *statement) add(v *string) string {
	st.Arguments = append(st.Arguments, v)
	return fmt.Sprintf("$%d", len(st.Arguments))
}

// Prepare renders the exact statement: the same write gives the same bytes.
// pipeline.ErrNeedsRead: the version that it is conditioned on is not known.
func (s *Stream) Prepare(w pipeline.Write) (pipeline.Request, error) {
	st := &statement{Whole: s.write != nil && s.write.returnsWhole, Arguments: []*string{}}
	err := fmt.Errorf("%s is not declared", w.Op)
	var method string
	if s.CanWrite(w.Op) {
		switch w.Op {
		case pipeline.OpCreate:
			method, err = "INSERT", s.insert(st, w)
		case pipeline.OpUpdate:
			method, err = "UPDATE", s.update(st, w)
		case pipeline.OpDelete:
			method, err = "DELETE", s.delete(st, w)
		}
	}
	var body []byte
	if err == nil {
		body, err = json.Marshal(st)
	}
	if err != nil {
		place := s.place()
		place.Record = w.Key
		return pipeline.Request{}, fault.New(fault.Permanent, "prepare "+string(w.Op), err).WithWhere(place).WithNote("nothing was sent")
	}
	return pipeline.Request{Method: method, Path: s.write.name, Body: string(body)}, nil
}

// values are the columns that a write sends, sorted, each with its parameter.
func (s *Stream) values(st *statement, after pipeline.Values) (names, parameters []string, err error) {
	for _, field := range slices.Sorted(maps.Keys(after)) {
		c := s.column(field)
		if c == nil {
			return nil, nil, fmt.Errorf("field %s is not declared", field)
		}
		v := after[field]
		if v != nil {
			text, err := c.input(*v)
			if err != nil {
				return nil, nil, err
			}
			v = &text
		}
		names = append(names, c.name)
		parameters = append(parameters, c.target(st.add(v)))
	}
	if len(names) == 0 {
		return nil, nil, errors.New("it changes nothing")
	}
	return names, parameters, nil
}

func (s *Stream) insert(st *statement, w pipeline.Write) error {
	names, parameters, err := s.values(st, w.After)
	if err != nil {
		return err
	}
	conflict := ""
	if s.write.unique {
		columns := make([]string, len(s.write.search))
		for i, c := range s.write.search {
			if w.After[c.field.Name] == nil {
				return fmt.Errorf("field %s carries the key and is not written", c.field.Name)
			}
			columns[i] = c.name
		}
		conflict = " ON CONFLICT (" + strings.Join(columns, ", ") + ") DO NOTHING"
	}
	st.Lock = s.lockOfKey(w.KeyFields)
	st.SQL = fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)%s RETURNING %s", s.write.table, strings.Join(names, ", "), strings.Join(parameters, ", "), conflict, s.returning())
	return nil
}

func (s *Stream) update(st *statement, w pipeline.Write) error {
	names, parameters, err := s.values(st, w.After)
	if err != nil {
		return err
	}
	for i := range names {
		names[i] += " = " + parameters[i]
	}
	where, _, err := s.where(st, w)
	if err != nil {
		return err
	}
	st.Lock = s.lockOf(w.ID)
	st.SQL = fmt.Sprintf("UPDATE %s SET %s WHERE %s RETURNING %s", s.write.table, strings.Join(names, ", "), where, s.returning())
	return nil
}

// delete tells a row that is not there from one that is another version.
func (s *Stream) delete(st *statement, w pipeline.Write) error {
	where, key, err := s.where(st, w)
	if err != nil {
		return err
	}
	st.Lock = s.lockOf(w.ID)
	st.SQL = fmt.Sprintf("WITH deleted AS (DELETE FROM %[1]s WHERE %[2]s RETURNING 1) SELECT (SELECT count(*) FROM deleted), EXISTS (SELECT 1 FROM %[1]s WHERE %[3]s)",
		s.write.table, where, key)
	return nil
}

// returning is what a write answers: the row as it is read, or its key.
func (s *Stream) returning() string {
	if s.write.returnsWhole {
		return s.list()
	}
	return s.keyNames()
}

// where finds the row of an ID, in the version that was seen.
func (s *Stream) where(st *statement, w pipeline.Write) (where, key string, err error) {
	if w.ID == "" {
		return "", "", errors.New("it has no ID")
	}
	parts, err := s.keyOf(w.ID)
	if err != nil {
		return "", "", err
	}
	conditions := make([]string, len(parts))
	for i, k := range s.key {
		c := s.columns[k]
		conditions[i] = c.name + " = " + c.target(st.add(&parts[i]))
	}
	key = strings.Join(conditions, " AND ")
	v := s.write.version
	if v == nil {
		return key, key, nil
	}
	if w.Version == nil {
		return "", "", fmt.Errorf("%w: its %s is not known", pipeline.ErrNeedsRead, v.field.Name)
	}
	text, err := v.input(strconv.FormatInt(*w.Version, 10))
	if err != nil {
		return "", "", err
	}
	return key + " AND " + v.name + " = " + v.target(st.add(&text)), key, nil
}
