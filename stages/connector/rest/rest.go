// Package rest reads and writes the records of a REST API as the project file
// describes it: requests with places, lists with pages, records by ID, writes
// with what makes them safe. It satisfies extract.Source and load.Target.
//
// It must never take a broken answer for an empty one, call a listing complete
// without a reason, send a write twice by itself, follow a redirect, or let a
// credential into a stored request, a log or an error.
package rest

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/schemas"
)

// Stream is one entity in one REST API. It is safe for concurrent use.
type Stream struct {
	id     pipeline.StreamID
	client *Client
	gate   *pace.Gate
	policy pace.Policy
	log    *slog.Logger
	deps   Deps

	fields  []schemas.Field
	decode  schemas.DecodeSpec
	cursor  *cursorField
	list    listing
	etag    string // path of a record's ETag in a listing
	ordered bool
	parts   partitions
	read    *reading
	search  *searching
	write   *writing
}

// listing is a request that gives records by pages.
type listing struct {
	request  request
	records  string
	pages    paginator
	size     *pageSizeSettings
	most     int64 // max_window; 0: none
	overlap  int64 // of offset pages
	verified bool  // page numbers whose pages are read twice
}

type reading struct {
	request request
	gone    []int
	record  string
}

type searching struct {
	list   listing
	unique bool
}

// New makes a stream from its part of the project file. Errors are
// config.Problems, with places.
func New(sys config.System, ent config.Entity, st config.Stream, deps Deps) (*Stream, error) {
	if deps.Gate == nil {
		return nil, errors.New("a REST stream needs the gate of its system")
	}
	s, err := compile(sys, ent, st)
	if err != nil {
		return nil, err
	}
	if s.client = deps.Client; s.client == nil {
		if s.client, err = NewClient(sys, deps); err != nil {
			return nil, err
		}
	}
	if s.parts.entity.Text != "" && deps.Lists == nil {
		return nil, config.Problem(s.parts.entity.At, "partition.from an entity is not built yet", "", "give it a request, or list the values")
	}
	s.gate, s.policy, s.log, s.deps = deps.Gate, deps.Policy, deps.Log, deps
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// Keys is what this connector adds to a project file.
func Keys() config.ConnectorKeys {
	return config.ConnectorKeys{
		System: systemSettings{}, Extract: extractSettings{}, Write: writeSettings{},
		Check: func(sys config.System, ent config.Entity, st config.Stream) error {
			_, client := NewClient(sys, Deps{})
			_, stream := compile(sys, ent, st)
			return errors.Join(client, stream)
		},
	}
}

// compile checks and prepares everything that needs no connection.
func compile(sys config.System, ent config.Entity, st config.Stream) (*Stream, error) {
	var x extractSettings
	if err := st.Extract.Settings.Decode(&x); err != nil {
		return nil, err
	}
	s := &Stream{
		id:     pipeline.StreamID{Entity: ent.Name, System: sys.Name},
		fields: st.Extract.Fields, etag: x.ETag, ordered: x.Ordered,
		decode: schemas.DecodeSpec{Fields: st.Extract.Fields, PrimaryKey: st.Extract.PrimaryKey, Version: st.Extract.Version},
	}
	// That the primary key is missing is told by the project file's own checks.
	if _, err := schemas.NewDecoder(s.decode); err != nil && len(st.Extract.PrimaryKey) > 0 {
		return nil, config.Problem(st.Extract.At, "the fields of "+s.id.String()+" cannot be decoded", err.Error(), "")
	}
	steps := []func() error{
		func() error { return s.compileCursor(st, x) },
		func() error { return s.compilePartitions(x.Partition) },
		func() error { return s.compileListing(x) },
		func() error { return s.compileRead(x.Read) },
		func() error { return s.compileSearch(ent, x) },
		func() error { return s.compileWrite(ent, st) },
	}
	var problems []error
	for _, step := range steps {
		problems = append(problems, step())
	}
	return s, joinProblems(problems)
}

// joinProblems makes one error of those that are not nil.
func joinProblems(errs []error) error {
	var all config.Problems
	for _, err := range errs {
		var many config.Problems
		var one *fault.Error
		switch {
		case err == nil:
		case errors.As(err, &many):
			all = append(all, many...)
		case errors.As(err, &one):
			all = append(all, one)
		default:
			all = append(all, config.Problem(config.Position{}, err.Error(), "", ""))
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func (s *Stream) compileListing(x extractSettings) error {
	names := s.parts.places()
	r, err := compileRequest(x.Request, names)
	if err != nil {
		return err
	}
	s.list, err = newListing(r, x.Records, x.Paginate)
	return err
}

func newListing(r request, records string, p *paginateSettings) (listing, error) {
	l := listing{request: r, records: records}
	var err error
	if l.pages, err = newPaginator(p); err != nil || p == nil {
		return l, err
	}
	l.size, l.most = p.PageSize, int64(p.MaxWindow)
	if p.Offset != nil {
		l.overlap = overlap(p)
	}
	l.verified = p.Page != nil && !p.Page.Stable
	if l.size != nil && l.size.Value <= 0 {
		return l, config.Problem(p.at, "paginate.page_size.value must be positive", "", "")
	}
	return l, nil
}

func (s *Stream) compileRead(x *readSettings) error {
	if x == nil {
		return nil
	}
	r, err := compileRequest(requestSettings{Path: x.Path, Query: x.Query}, []string{"id"})
	if err != nil {
		return err
	}
	s.read = &reading{request: r, gone: x.Gone, record: x.Record}
	if len(x.Gone) == 0 {
		s.read.gone = []int{http.StatusNotFound, http.StatusGone}
	}
	return nil
}

func (s *Stream) compileSearch(ent config.Entity, x extractSettings) error {
	if x.Search == nil {
		return nil
	}
	r, err := compileRequest(requestSettings{Path: x.Search.Path, Query: x.Search.Query}, keyPlaces(ent))
	if err != nil {
		return err
	}
	records := x.Search.Records
	if records == "" {
		records = x.Records
	}
	l, err := newListing(r, records, x.Paginate)
	s.search = &searching{list: l, unique: x.Search.Unique}
	return err
}

// keyPlaces are the places key.<field> of an entity.
func keyPlaces(ent config.Entity) []string {
	names := make([]string, len(ent.Key))
	for i, k := range ent.Key {
		names[i] = "key." + k
	}
	return names
}

// place says where something failed.
func (s *Stream) place() fault.Place {
	return fault.Place{System: s.id.System, Stream: s.id.String()}
}

// cursorField is the field by which a stream is read incrementally.
type cursorField struct {
	field    schemas.Field
	nullFail bool
}

func (s *Stream) compileCursor(st config.Stream, x extractSettings) error {
	inc := st.Extract.Incremental
	if inc == nil {
		if x.Ordered {
			return config.Problem(st.Extract.At, "ordered has no effect", "the stream has no cursor_field", "declare incremental, or remove ordered")
		}
		return nil
	}
	for _, f := range st.Extract.Fields {
		if f.Name != inc.CursorField {
			continue
		}
		switch f.Type.Kind {
		case schemas.Timestamp, schemas.Date, schemas.Int64:
			s.cursor = &cursorField{field: f, nullFail: inc.NullCursor == "fail"}
			return nil
		}
		return config.Problem(st.Extract.At, fmt.Sprintf("cursor_field %s is a %s", f.Name, f.Type),
			"a cursor is compared as a timestamp, date or int64", "declare the field with its type and format")
	}
	return config.Problem(st.Extract.At, fmt.Sprintf("cursor_field %s is not declared", inc.CursorField), "", "add it to fields")
}
