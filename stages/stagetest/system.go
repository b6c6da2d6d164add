package stagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/schemas"
)

// System is a small system that keeps the truth of one stream. It satisfies
// extract.Source and load.Target. Fields: id, code, guest, price, updated_at.
// Everything may be set between calls; it is safe for concurrent use.
type System struct {
	mu      sync.Mutex
	Clock   *Clock
	Name    string
	records map[string]map[string]*string // by ID
	version map[string]int64              // by ID: updated_at
	nextID  int
	keys    map[string]pipeline.Answer // by idempotency key

	PageSize int
	By       pipeline.Protocol // of every write
	Hidden   map[string]bool   // records that listings leave out
	Unread   map[string]bool   // IDs whose read fails
	Denied   map[string]bool   // IDs of which a read says that there is no such record
	NoFetch  bool
	NoStatus bool                             // answers carry no status, as those of a database
	Plain    bool                             // records carry no version
	Lose     func(field, value string) string // what it makes of a value that it is sent; nil: it keeps it
	Whole    bool                             // updates replace the whole record
	OnFetch  func(n int)                      // what people do just before the nth read by ID (from 1)
	fetches  int
	Parts    []pipeline.Partition // nil: one, named ""
	PartOf   map[string]string    // ID -> partition

	FailPage  int // this page of a read (from 1) fails
	Unproven  string
	OnSend    func(n int) Fault // what happens to the nth write (from 1)
	late      []func()          // writes that were sent and are still executing
	Effects   []string          // every change of a record by a write, in order
	Sends     int
	Reads     int
	PageReads int
}

// Fault is what happens to a write.
type Fault string

// Faults of a write.
const (
	Fine       Fault = ""
	LostBefore Fault = "lost before" // the request never arrived, and nobody knows
	LostAfter  Fault = "lost after"  // done, and the answer is lost
	LandsLate  Fault = "lands late"  // no answer, and done only when Land is called
	Refuse     Fault = "refuse"
	Busy       Fault = "busy" // 429: nothing happened
)

// Fields are the stream's declared fields.
func Fields() []schemas.Field {
	text := schemas.Type{Kind: schemas.String}
	return []schemas.Field{{Name: "id", Path: "id", Type: text}, {Name: "code", Path: "code", Type: text},
		{Name: "guest", Path: "guest", Type: text},
		{Name: "price", Path: "price", Type: schemas.Type{Kind: schemas.Decimal, Precision: 12, Scale: 2}},
		{Name: "updated_at", Path: "updated_at", Type: schemas.Type{Kind: schemas.Timestamp}}}
}

// NewSystem makes an empty system.
func NewSystem(name string, clock *Clock) *System {
	return &System{Clock: clock, Name: name, records: map[string]map[string]*string{}, version: map[string]int64{},
		keys: map[string]pipeline.Answer{}, PageSize: 3, By: pipeline.ByNothing,
		Hidden: map[string]bool{}, Unread: map[string]bool{}, Denied: map[string]bool{}, PartOf: map[string]string{}}
}

// Put sets fields of a record as its people do; a record with a new ID is made.
func (s *System) Put(id string, fields map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	values := pipeline.Values{}
	for k, v := range fields {
		values[k] = &v
	}
	s.set(id, values)
}

func (s *System) set(id string, values pipeline.Values) {
	if s.records[id] == nil {
		s.records[id] = map[string]*string{}
	}
	for k, v := range values {
		s.records[id][k] = v
	}
	s.version[id] = s.Clock.Now().UnixMicro()
}

// Remove deletes a record as its people do.
func (s *System) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, id)
}

// Get gives a field, or "-".
func (s *System) Get(id, field string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.records[id][field]; v != nil {
		return *v
	}
	return "-"
}

// IDs lists the records.
func (s *System) IDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids()
}

func (s *System) ids() []string {
	out := make([]string, 0, len(s.records))
	for id := range s.records {
		out = append(out, id)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := s.version[out[i]], s.version[out[j]]
		return a < b || a == b && out[i] < out[j]
	})
	return out
}

// Partitions lists the parts.
func (s *System) Partitions(context.Context) ([]pipeline.Partition, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Parts == nil {
		return []pipeline.Partition{{}}, nil
	}
	return slices.Clone(s.Parts), nil
}

// CanFetch reports whether records are read by ID.
func (s *System) CanFetch() bool { return !s.NoFetch }

// Read yields pages in the order of updated_at and ID, with a checkpoint after each.
func (s *System) Read(ctx context.Context, req pipeline.ReadRequest, yield func(pipeline.Batch) error) (pipeline.End, error) {
	s.mu.Lock()
	s.Reads++
	var ids []string
	for _, id := range s.ids() {
		if !s.Hidden[id] && s.PartOf[id] == req.Partition.Name && (!req.Since.Set || s.version[id] >= req.Since.Order) {
			ids = append(ids, id)
		}
	}
	s.mu.Unlock()
	page := 0
	for chunk := range slices.Chunk(ids, s.PageSize) {
		page++
		if page == s.FailPage {
			return pipeline.End{}, &fault.Error{Kind: fault.Transient, Op: "read a page", Err: errors.New("503 after retries")}
		}
		s.mu.Lock()
		s.PageReads++
		rows, last := s.batch(chunk)
		s.mu.Unlock()
		mark := &pipeline.Checkpoint{LastID: chunk[len(chunk)-1], Cursor: pipeline.Cursor{Literal: fmt.Sprint(last), Order: last, Set: true}}
		if err := yield(pipeline.Batch{Rows: rows, Checkpoint: mark}); err != nil {
			return pipeline.End{}, err
		}
	}
	if s.Unproven != "" {
		return pipeline.End{Reason: s.Unproven}, ctx.Err()
	}
	return pipeline.End{Proven: true, Reason: "no next page"}, ctx.Err()
}

// batch makes observations of records that exist, and gives the greatest version.
func (s *System) batch(ids []string) (arrow.RecordBatch, int64) {
	spec := schemas.DecodeSpec{Fields: Fields(), PrimaryKey: []string{"id"}, Version: "updated_at"}
	if s.Plain {
		spec.Version = ""
	}
	b, err := schemas.NewRowBuilder(spec)
	if err != nil {
		panic(err)
	}
	var last int64
	now := s.Clock.Now()
	for _, id := range ids {
		r := s.records[id]
		if r == nil {
			continue
		}
		for i, f := range Fields() {
			switch v := r[f.Name]; {
			case f.Name == "id":
				b.SetCanonical(i, id)
			case f.Name == "updated_at":
				b.SetCanonical(i, fmt.Sprint(s.version[id]))
			case v == nil:
				b.SetNull(i)
			default:
				b.SetCanonical(i, *v)
			}
		}
		if refused := b.Finish(schemas.RowMeta{AskedAt: now}, nil); refused != nil {
			panic(refused.Reason)
		}
		last = max(last, s.version[id])
	}
	return b.Flush(), last
}

// Fetch reads records by ID.
func (s *System) Fetch(_ context.Context, ids []string) (pipeline.FetchResult, error) {
	if s.fetches++; s.OnFetch != nil {
		s.OnFetch(s.fetches)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := pipeline.FetchResult{Failed: map[string]error{}}
	var live []string
	for _, id := range ids {
		switch {
		case s.Unread[id]:
			out.Failed[id] = errors.New("403")
		case s.records[id] == nil || s.Denied[id]:
			out.Gone = append(out.Gone, id)
		default:
			live = append(live, id)
		}
	}
	if len(live) > 0 {
		out.Batch.Rows, _ = s.batch(live)
	}
	return out, nil
}

// Fetches counts the reads by ID so far.
func (s *System) Fetches() int { return s.fetches }
