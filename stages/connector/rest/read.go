package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/schemas"
)

// pass is the read of one partition. One goroutine uses it.
type pass struct {
	s     *Stream
	req   pipeline.ReadRequest
	since pipeline.Cursor
	yield func(pipeline.Batch) error
	dec   *schemas.Decoder

	began time.Time       // first request: a cursor beyond it is not believed
	most  pipeline.Cursor // the largest cursor stored
	last  int64           // order of the last record, where the listing is ordered
	rows  int64
}

// mark is a Checkpoint's Page: where a walk stands, and what it found so far.
type mark struct {
	Mode  pipeline.Mode   `json:"mode"`
	Run   pipeline.RunID  `json:"run,omitempty"` // of a sweep, the one that began it: what another one saw is not this one's
	At    position        `json:"at"`
	Since pipeline.Cursor `json:"since"`
	Most  pipeline.Cursor `json:"most"`
	Began time.Time       `json:"began"`
	Rows  int64           `json:"rows"`
}

// Read reads a partition page by page, as extract.Source says. A page is a point
// to resume from where the system gives tokens or offsets; the cursor itself
// moves only at the proven end, or over a listing that is declared and seen to
// be ordered.
func (s *Stream) Read(ctx context.Context, req pipeline.ReadRequest, yield func(pipeline.Batch) error) (pipeline.End, error) {
	p := &pass{s: s, req: req, yield: yield, since: req.Since, began: s.client.now(), most: req.From.Cursor, last: math.MinInt64}
	var err error
	if p.dec, err = schemas.NewDecoder(s.decode); err != nil {
		return pipeline.End{}, err
	}
	from := p.resume()
	end, err := p.walk(ctx, from)
	if from != nil && fault.Is(err, fault.Permanent) && p.rows == req.From.Rows {
		// Tokens do not live for ever. What was stored stays; the pass begins anew.
		s.log.Warn("the stored page token is refused; the pass begins anew", "stream", s.id.String(), "partition", req.Partition.Name, "error", err)
		p.since, p.began, p.most, p.rows, p.last = req.Since, s.client.now(), req.From.Cursor, 0, math.MinInt64
		end, err = p.walk(ctx, nil)
	}
	return end, err
}

// resume reads the mark of an unfinished pass of the same kind.
func (p *pass) resume() *position {
	var m mark
	if p.req.From.Page == "" || json.Unmarshal([]byte(p.req.From.Page), &m) != nil || m.Mode != p.req.Mode {
		return nil
	}
	if p.req.Mode == pipeline.Sweep && (m.Run != p.req.Run || !p.s.ordered) {
		return nil // without an order, what moved meanwhile could have left a page before this one unseen
	}
	p.since, p.most, p.began, p.rows = m.Since, m.Most, m.Began, m.Rows
	return &m.At
}

func (p *pass) walk(ctx context.Context, from *position) (pipeline.End, error) {
	vals, extra := p.places()
	return p.s.walk(ctx, walk{
		list: p.s.list, class: pace.Bulk, op: "read page", vals: vals, extra: extra,
		partition: p.req.Partition.Name, from: from, page: p.page,
	})
}

// places are the values of a listing's places. A partition's value that no place
// takes is a parameter of its own.
func (p *pass) places() (values, url.Values) {
	vals := values{placeRunAt: instant(p.req.RunAt.UnixMicro(), "")}
	if p.since.Set && p.s.cursor != nil {
		vals[placeCursor] = p.s.cursor.place(p.since)
	}
	extra := url.Values{}
	for name, v := range p.req.Partition.Params {
		vals[name] = text(v)
		if name == p.s.parts.param && !p.s.list.request.uses(name) {
			extra.Set(name, v)
		}
	}
	return vals, extra
}

// page stores one page.
func (p *pass) page(r pageRead) error {
	b := pipeline.Batch{}
	var literals []string
	loose := 0
	for i, raw := range r.records {
		refusal := p.dec.Append(raw, schemas.RowMeta{AskedAt: r.asked, ETag: p.s.etagOf(raw)})
		if refusal != nil {
			b.Dead = append(b.Dead, deadLetter(refusal, p.req.Partition.Name, r.asked))
			continue
		}
		if i < r.loose {
			loose++
		}
		if p.s.cursor != nil {
			literals = append(literals, p.s.cursor.literal(raw))
		}
	}
	b.Rows = flush(p.dec)
	if r.again {
		p.last = math.MinInt64
	}
	if err := p.advance(b.Rows, literals, loose); err != nil {
		if b.Rows != nil {
			b.Rows.Release()
		}
		return p.s.pageError(walk{op: "read page", list: p.s.list, partition: p.req.Partition.Name}, r.url, 0, fault.Permanent, err)
	}
	p.rows += int64(len(r.records))
	b.Checkpoint = p.checkpoint(r)
	return p.yield(b)
}

// flush takes what was decoded, nil for nothing.
func flush(d *schemas.Decoder) arrow.RecordBatch {
	if d.Len() == 0 {
		return nil
	}
	return d.Flush()
}

// maxPayload bounds what a dead letter keeps of a record.
const maxPayload = 64 << 10

func deadLetter(r *schemas.Refusal, partition string, asked time.Time) pipeline.DeadLetter {
	payload := string(r.Payload)
	return pipeline.DeadLetter{Partition: partition, ID: r.ID, Field: r.Field, Reason: r.Reason,
		Payload: payload[:min(len(payload), maxPayload)], AskedAt: asked}
}

func (s *Stream) etagOf(raw jsontext.Value) string {
	if s.etag == "" {
		return ""
	}
	return scalar(raw, s.etag)
}

// checkpoint is what is true once a page's rows are stored; nil if that is
// nothing to resume from.
func (p *pass) checkpoint(r pageRead) *pipeline.Checkpoint {
	c := &pipeline.Checkpoint{Cursor: p.req.From.Cursor, Rows: p.rows}
	if r.end != "" {
		if r.unproven {
			return nil
		}
		c.Cursor = p.most
		return c
	}
	if p.s.ordered {
		c.Cursor = p.most
	}
	if r.next == nil {
		if p.s.ordered {
			return c
		}
		return nil
	}
	m := mark{Mode: p.req.Mode, At: *r.next, Since: p.since, Most: p.most, Began: p.began, Rows: p.rows}
	if p.req.Mode == pipeline.Sweep {
		m.Run = p.req.Run
	}
	page, err := json.Marshal(m)
	if err != nil {
		return nil
	}
	c.Page = string(page)
	return c
}

// advance moves the cursor over the rows of a page, and checks their order where
// the file promises one, but for the first loose ones. A cursor beyond now is
// some clock's fault: it would hide what is edited until then.
func (p *pass) advance(rows arrow.RecordBatch, literals []string, loose int) error {
	f := p.s.cursor
	if f == nil || rows == nil {
		return nil
	}
	i := rows.Schema().FieldIndices(f.field.Name)
	column, ids := rows.Column(i[0]), rows.Column(rows.Schema().FieldIndices(schemas.ColID)[0]).(*array.String)
	for row := range column.Len() {
		order, ok := orderOf(column, row)
		if !ok {
			if f.nullFail {
				return fmt.Errorf("record %s has no %s, and null_cursor is fail", ids.Value(row), f.field.Name)
			}
			continue
		}
		if p.s.ordered && row >= loose && order < p.last {
			return fmt.Errorf("record %s comes after one with a later %s, and ordered promises that none does; remove ordered", ids.Value(row), f.field.Name)
		}
		if row >= loose {
			p.last = max(p.last, order)
		}
		if f.isTime() && order > p.believed() || p.s.ordered && row < loose {
			continue
		}
		if !p.most.Set || order > p.most.Order {
			p.most = pipeline.Cursor{Literal: literals[row], Order: order, Set: true}
		}
	}
	return nil
}

// maxSkew is how far a system's clock may run ahead of ours.
const maxSkew = 5 * time.Minute

// believed is the latest cursor that is taken for one.
func (p *pass) believed() int64 {
	at := p.began
	if p.req.RunAt.After(at) {
		at = p.req.RunAt
	}
	return at.Add(maxSkew).UnixMicro()
}

// orderOf is a cursor as a comparable number.
func orderOf(column arrow.Array, row int) (int64, bool) {
	if column.IsNull(row) {
		return 0, false
	}
	switch c := column.(type) {
	case *array.Timestamp:
		return int64(c.Value(row)), true
	case *array.Date32:
		return int64(c.Value(row)) * 86_400_000_000, true
	case *array.Int64:
		return c.Value(row), true
	}
	return 0, false
}

func (f *cursorField) isTime() bool { return f.field.Type.Kind != schemas.Int64 }

// literal is the cursor as the record has it.
func (f *cursorField) literal(raw jsontext.Value) string {
	return scalar(raw, pathOf(f.field))
}

// pathOf is where a field stands in a record.
func pathOf(f schemas.Field) string {
	if f.Path == "" {
		return strings.ReplaceAll(f.Name, ".", `\.`)
	}
	return f.Path
}

// place is a cursor as a request writes it: the system's own text, or where it
// was moved, the instant in the form of the field, rounded down to what that can
// hold.
func (f *cursorField) place(c pipeline.Cursor) value {
	if !f.isTime() {
		if c.Literal == "" {
			return text(strconv.FormatInt(c.Order, 10))
		}
		return text(c.Literal)
	}
	if c.Literal != "" {
		return instant(c.Order, c.Literal)
	}
	least := map[string]int64{schemas.FormatEpochS: 1_000_000, schemas.FormatEpochMS: 1000}[f.field.Format]
	for _, unit := range []int64{1, 1000, 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000} {
		if unit < least {
			continue // an API that counts whole units may not take parts of one
		}
		micros := floorDiv(c.Order, unit) * unit
		canonical := strconv.FormatInt(micros, 10)
		if f.field.Type.Kind == schemas.Date {
			canonical = time.UnixMicro(micros).UTC().Format(time.DateOnly)
		}
		if wire, err := schemas.EncodeJSON(f.field, &canonical); err == nil {
			return instant(micros, scalarText(wire))
		}
	}
	return instant(c.Order, "")
}

// uses reports whether a request has a place.
func (r request) uses(name string) bool {
	if r.path.uses(name) || r.body != nil && r.body.uses(name) {
		return true
	}
	for _, list := range [][]named{r.query, r.headers} {
		for _, n := range list {
			if n.uses(name) {
				return true
			}
		}
	}
	return false
}

func (b *bodyTemplate) uses(name string) bool {
	if b.text != nil && b.text.uses(name) {
		return true
	}
	for _, c := range b.list {
		if c.uses(name) {
			return true
		}
	}
	for _, c := range b.members {
		if c.uses(name) {
			return true
		}
	}
	return false
}
