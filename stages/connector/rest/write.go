package rest

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/schemas"
)

// writing is how records get into the system.
type writing struct {
	ops          map[pipeline.WriteOp]*operation
	idempotency  string // header; "": none
	precondition *preconditionSettings
	answer       *answerSettings
}

// operation is one kind of write, compiled.
type operation struct {
	method  string
	path    template
	headers []named
	body    *bodyTemplate // nil: the fields themselves
}

// Places of a write beside key.<field> and field.<name>.
const (
	placeID      = "id"
	placeKey     = "key"
	placeChange  = "change"
	placeIdemKey = "idempotency_key"
	placeETag    = "etag"
	placeFields  = "fields" // the object of what is sent, with the format json
)

func (s *Stream) compileWrite(ent config.Entity, st config.Stream) error {
	if st.Write == nil {
		return nil
	}
	var x writeSettings
	if err := st.Write.Settings.Decode(&x); err != nil {
		return err
	}
	s.write = &writing{ops: map[pipeline.WriteOp]*operation{}, precondition: x.Precondition, answer: x.Answer}
	if x.Idempotency != nil {
		s.write.idempotency = x.Idempotency.Header
	}
	var problems []error
	for _, o := range []struct {
		op       pipeline.WriteOp
		settings operationSettings
		method   string
	}{
		{pipeline.OpCreate, x.Create, http.MethodPost},
		{pipeline.OpUpdate, x.Update, http.MethodPatch},
		{pipeline.OpDelete, x.Delete, http.MethodDelete},
	} {
		if !o.settings.on {
			continue
		}
		compiled, err := s.compileOperation(ent, o.op, o.settings, o.method)
		s.write.ops[o.op] = compiled
		problems = append(problems, err)
	}
	if p := x.Precondition; p != nil {
		problems = append(problems, s.checkPrecondition(p))
	}
	return joinProblems(problems)
}

func (s *Stream) compileOperation(ent config.Entity, op pipeline.WriteOp, x operationSettings, method string) (*operation, error) {
	names := append(keyPlaces(ent), placeKey, placeChange, placeIdemKey)
	if op != pipeline.OpCreate {
		names = append(names, placeID, placeETag)
	}
	if op != pipeline.OpDelete {
		names = append(names, placeFields)
		for _, f := range s.fields {
			names = append(names, "field."+f.Name)
		}
	}
	o := &operation{method: x.Method}
	if o.method == "" {
		o.method = method
	}
	problems := []error{checkPath(x.Path)}
	var err error
	o.path, err = parseTemplate(x.Path, names)
	problems = append(problems, err)
	o.headers, err = compileNamed(x.Headers, names)
	problems = append(problems, err)
	if x.Body.Kind() != config.KindNone {
		o.body, err = compileBody(x.Body, names)
		problems = append(problems, err)
	}
	if op == pipeline.OpDelete && o.method == http.MethodPut || op == pipeline.OpCreate && o.method == http.MethodDelete {
		problems = append(problems, config.Problem(x.at, fmt.Sprintf("%s cannot be a %s", op, o.method), "", ""))
	}
	return o, joinProblems(problems)
}

func (s *Stream) checkPrecondition(p *preconditionSettings) error {
	at := p.From.Field.At
	if (p.From.Header == "") == (p.From.Field.Text == "") {
		return config.Problem(at, "precondition.from needs header or field", "the version stands in one of them", "")
	}
	if p.From.Header != "" {
		return nil
	}
	for _, f := range s.fields {
		if f.Name == p.From.Field.Text {
			return nil
		}
	}
	return config.Problem(at, fmt.Sprintf("precondition.from.field %q is not declared", p.From.Field.Text), "", "add it to extract.fields")
}

// CanWrite reports whether the operation is declared.
func (s *Stream) CanWrite(op pipeline.WriteOp) bool { return s.write != nil && s.write.ops[op] != nil }

// Protocol is the strongest thing that makes the operation safe to repeat.
func (s *Stream) Protocol(op pipeline.WriteOp) pipeline.Protocol {
	switch {
	case s.write == nil:
		return pipeline.ByNothing
	case s.write.idempotency != "":
		return pipeline.ByIdempotencyKey
	case op != pipeline.OpCreate && s.write.precondition != nil:
		return pipeline.ByPrecondition
	case op == pipeline.OpCreate && s.search != nil && s.search.unique:
		return pipeline.ByUniqueKey
	case op == pipeline.OpCreate && s.search != nil:
		return pipeline.BySearchableKey
	}
	return pipeline.ByNothing
}

// Prepare renders the exact request: the same write gives the same bytes. A
// PATCH carries the changed fields only, a PUT the newest raw record with the
// changes laid over it. pipeline.ErrNeedsRead: the raw record or the version
// that the request is conditioned on is not known.
func (s *Stream) Prepare(w pipeline.Write) (pipeline.Request, error) {
	if !s.CanWrite(w.Op) {
		return pipeline.Request{}, s.prepareError(w, fmt.Errorf("%s is not declared", w.Op))
	}
	o := s.write.ops[w.Op]
	fields, err := s.fieldsOf(w, o)
	if err != nil {
		return pipeline.Request{}, s.prepareError(w, err)
	}
	vals, err := s.writeValues(w, fields)
	if err != nil {
		return pipeline.Request{}, s.prepareError(w, err)
	}
	req := pipeline.Request{Method: o.method, Header: map[string]string{}, Whole: o.method == http.MethodPut && w.Op == pipeline.OpUpdate}
	if req.Path, err = o.path.path(vals); err != nil {
		return pipeline.Request{}, s.prepareError(w, err)
	}
	switch {
	case o.body != nil:
		req.Body, err = o.body.render(vals)
	case w.Op != pipeline.OpDelete:
		req.Body = fields
	}
	if err == nil {
		err = s.writeHeaders(&req, w, o, vals)
	}
	if err != nil {
		return pipeline.Request{}, s.prepareError(w, err)
	}
	return req, nil
}

func (s *Stream) prepareError(w pipeline.Write, err error) error {
	place := s.place()
	place.Record = w.Key
	return fault.New(fault.Permanent, "prepare "+string(w.Op), err).WithWhere(place).WithNote("nothing was sent")
}

// writeHeaders adds what makes the write safe, and the file's own headers.
func (s *Stream) writeHeaders(req *pipeline.Request, w pipeline.Write, o *operation, vals values) error {
	if req.Body != "" {
		req.Header["Content-Type"] = "application/json"
	}
	if s.write.idempotency != "" {
		if w.IdempotencyKey == "" {
			return fmt.Errorf("the write has no idempotency key")
		}
		req.Header[s.write.idempotency] = w.IdempotencyKey
	}
	if p := s.write.precondition; p != nil && w.Op != pipeline.OpCreate {
		v, err := s.version(p, w)
		if err != nil {
			return err
		}
		req.Header[p.Header] = v
	}
	own, err := renderHeaders(o.headers, vals)
	for name, v := range own {
		req.Header[http.CanonicalHeaderKey(name)] = v
	}
	if len(req.Header) == 0 {
		req.Header = nil
	}
	return err
}

// version is what a precondition compares.
func (s *Stream) version(p *preconditionSettings, w pipeline.Write) (string, error) {
	if p.From.Header != "" {
		if w.ETag == "" {
			return "", fmt.Errorf("%w: no %s of it is known", pipeline.ErrNeedsRead, p.From.Header)
		}
		return w.ETag, nil
	}
	name := p.From.Field.Text
	for _, f := range s.fields {
		if f.Name != name {
			continue
		}
		if c, ok := columnValue(w.Base, f); ok && c != nil {
			wire, err := schemas.EncodeJSON(f, c)
			return scalarText(wire), err
		}
		if name == s.decode.Version && w.Version != nil && f.Type.Kind != schemas.Date {
			c := strconv.FormatInt(*w.Version, 10)
			wire, err := schemas.EncodeJSON(f, &c)
			return scalarText(wire), err
		}
	}
	return "", fmt.Errorf("%w: its %s is not known", pipeline.ErrNeedsRead, name)
}

// columnValue is a field of a one-row batch in canonical text; ok: it is known,
// as a value or as null.
func columnValue(b *pipeline.Batch, f schemas.Field) (text *string, ok bool) {
	if b == nil || b.Rows == nil || b.Rows.NumRows() != 1 {
		return nil, false
	}
	c := column(b.Rows, f.Name)
	if c == nil {
		return nil, false
	}
	if t, set := f.Type.Canonical(c, 0); set {
		return &t, true
	}
	return nil, pipeline.FieldSet(cell(b.Rows, pipeline.ColNulls)).Has(f.Name)
}

func column(rows arrow.RecordBatch, name string) arrow.Array {
	if i := rows.Schema().FieldIndices(name); len(i) > 0 {
		return rows.Column(i[0])
	}
	return nil
}

// writeValues fills the places of a write.
func (s *Stream) writeValues(w pipeline.Write, fields string) (values, error) {
	vals := values{
		placeID: text(w.ID), placeKey: text(w.Key), placeChange: text(w.Change),
		placeIdemKey: text(w.IdempotencyKey), placeETag: text(w.ETag),
	}
	if fields != "" {
		vals[placeFields] = value{raw: []byte(fields)}
	}
	for name, v := range w.KeyFields {
		vals["key."+name] = text(v)
	}
	for name, v := range w.After {
		f, err := s.field(name)
		if err != nil {
			return nil, err
		}
		wire, err := schemas.EncodeJSON(f, v)
		if err != nil {
			return nil, err
		}
		vals["field."+f.Name] = value{raw: wire, text: scalarText(wire)}
	}
	return vals, nil
}
