package load

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/load/protocol"
)

// fresh is a record as it is right now.
type fresh struct {
	record  *pipeline.Batch
	gone    bool
	etag    string
	version *int64
}

// look reads the record of a change by its ID. One that shows an older state than
// was judged comes from a copy that lags: it tells nothing of what is there now.
func (l *loader) look(ctx context.Context, c *change, id string) (fresh, error) {
	got, err := l.req.Target.Fetch(ctx, []string{id})
	if err != nil {
		return fresh{}, err
	}
	for _, why := range got.Failed {
		return fresh{}, why
	}
	if len(got.Gone) > 0 {
		return fresh{gone: true}, nil
	}
	if got.Batch.Rows == nil || got.Batch.Rows.NumRows() != 1 || replica.IDs(got.Batch.Rows)[0] != id {
		return fresh{}, fmt.Errorf("%s answered the read of %q with another record, or none", l.id, id)
	}
	f := fresh{record: &got.Batch}
	f.etag, f.version = guards(got.Batch.Rows)
	if c.id.String == id && f.version != nil && c.observedVersion != nil && *f.version < *c.observedVersion {
		return fresh{}, fault.New(fault.Transient, "read", fmt.Errorf("%s shows %q in an older state than it showed before", l.id, id))
	}
	return f, nil
}

// unanswered ends a change whose record did not answer by its ID. It may be gone, or
// out of our sight for now, and a complete listing tells. A delete of ours without a
// known outcome stays in doubt until then: taken for done, a record that was only
// denied would be a new life when it shows up, and be made again where it had been
// deleted; taken for somebody else's, it would be news. Where no listing can prove an
// absence, the look is all there will be, and it was ours.
func (l *loader) unanswered(s *sent, at time.Time) {
	id := s.change.id.String
	tell := func(o pipeline.Outcome, is sight, what string) {
		s.sights = append(s.sights, is)
		s.end(o, strings.TrimPrefix(s.evidence+"; the record "+what, "; "))
	}
	switch {
	case s.change.op != pipeline.OpDelete || !s.change.doubted:
		tell(pipeline.Stale, silent(id, at), "does not answer: it is gone, or cannot be seen for now")
	case l.req.Stream.Extract.Absence:
		s.change.sends = sendsPerRun // asked again now, it would say the same
		tell(pipeline.InDoubt, silent(id, at), "does not answer after a delete of ours without an answer: the next complete listing tells whether it is gone")
	default:
		tell(pipeline.Applied, ended(id, at), "is gone after a delete of ours without an answer")
	}
}

// guards reads what a precondition can be made of.
func guards(row arrow.RecordBatch) (etag string, version *int64) {
	if c, ok := columnOf(row, pipeline.ColETag).(*array.String); ok && c.IsValid(0) {
		etag = c.Value(0)
	}
	if c, ok := columnOf(row, pipeline.ColVersion).(*array.Int64); ok && c.IsValid(0) {
		v := c.Value(0)
		version = &v
	}
	return etag, version
}

func columnOf(row arrow.RecordBatch, name string) arrow.Array {
	if i := row.Schema().FieldIndices(name); len(i) == 1 {
		return row.Column(i[0])
	}
	return nil
}

// verify reads a record and compares it with what the change corrects, and with
// what a whole body was made from. If it is not that any more, or carries another
// key by now, the change ends as stale, or as already true.
func (l *loader) verify(ctx context.Context, s *sent) (fresh, error) {
	asked := l.Now()
	f, err := l.look(ctx, s.change, s.change.id.String)
	if err != nil {
		return f, err
	}
	if f.gone && s.change.doubted && s.change.op == pipeline.OpDelete && l.readsRightBefore(s.change) {
		// It may be gone by the delete that is repeated here, or be out of our sight and not
		// deleted at all: the answer to the same key tells, and a look does not.
		return f, nil
	}
	if f.gone {
		l.unanswered(s, asked)
		return f, nil
	}
	ids, err := l.matching(ctx, *f.record, s.change.key)
	if err != nil {
		return f, err
	}
	if len(ids) == 0 {
		s.sights = append(s.sights, sight{record: f.record, at: asked})
		s.end(pipeline.Stale, "the record carries another key by now")
		return f, nil
	}
	seen := l.compare(s.change, f.record.Rows)
	corrects := seen.Before == len(s.change.before)
	if corrects && (s.base == nil || l.alike(s.base.Rows, f.record.Rows)) {
		return f, nil
	}
	s.sights = append(s.sights, sight{record: f.record, at: asked})
	switch {
	case corrects:
		s.end(pipeline.Stale, "somebody changed another field, which the whole record that was to be sent would set back")
	case s.change.op == pipeline.OpUpdate && seen.After == seen.Fields:
		s.end(pipeline.AlreadyTrue, "holds what was to be sent")
	default:
		s.end(pipeline.Stale, "the record is not what the change corrects any more")
	}
	return f, nil
}

// alike reports whether two reads of a record by its ID show the same, but for
// fields that the project file ignores.
func (l *loader) alike(a, b arrow.RecordBatch) bool {
	if x, y := columnOf(a, pipeline.ColExtra), columnOf(b, pipeline.ColExtra); x.ValueStr(0) != y.ValueStr(0) {
		return false
	}
	for _, f := range l.req.Stream.Extract.Fields {
		was, had := l.value(a, f.Name)
		is, has := l.value(b, f.Name)
		if !f.Ignore && (had != has || !same(was, is)) {
			return false
		}
	}
	return true
}

// compare counts the fields of a record that are as sent and as before.
func (l *loader) compare(c *change, record arrow.RecordBatch) protocol.Sight {
	s := protocol.Sight{Fields: len(c.after)}
	for name, want := range c.after {
		if got, known := l.value(record, name); known && l.shows(name, got, want) {
			s.After++
		}
	}
	for name, was := range c.before {
		if got, known := l.value(record, name); known && same(got, was) {
			s.Before++
		}
	}
	return s
}

// touched reports whether a record was written to since a change was judged, and
// shows in every field what it showed then: its version is newer, and nothing
// explains that.
func (l *loader) touched(c *change, known *pipeline.Batch, f fresh) bool {
	if known == nil || f.version == nil || c.observedVersion == nil || *f.version <= *c.observedVersion || c.observedHash == nil {
		return false
	}
	hash, ok := columnOf(known.Rows, pipeline.ColHash).(*array.Int64)
	if !ok || hash.Value(0) != *c.observedHash {
		return false
	}
	for _, field := range l.req.Stream.Extract.Fields {
		if field.Name == l.req.Stream.Extract.Version {
			continue
		}
		now, carried := l.value(f.record.Rows, field.Name)
		if was, set := field.Type.Canonical(columnOf(known.Rows, field.Name), 0); carried && !same(now, pointer(was, set)) {
			return false
		}
	}
	return true
}

func pointer(text string, set bool) *string {
	if !set {
		return nil
	}
	return &text
}

// value is a field of a one-row record in canonical text. Not known: the record
// did not carry it.
func (l *loader) value(record arrow.RecordBatch, name string) (text *string, known bool) {
	present, ok := columnOf(record, pipeline.ColPresent).(*array.String)
	if !ok || !pipeline.FieldSet(present.Value(0)).Has(name) {
		return nil, false
	}
	for _, f := range l.req.Stream.Extract.Fields {
		if f.Name != name {
			continue
		}
		if t, set := f.Type.Canonical(columnOf(record, name), 0); set {
			return &t, true
		}
		return nil, true
	}
	return nil, false
}

// shows reports whether a field shows what was sent, after what the system is
// declared to lose of it.
func (l *loader) shows(name string, got, sent *string) bool {
	loss, ok := l.req.Stream.Write.Lossy[name]
	if !ok || got == nil || sent == nil {
		return same(got, sent)
	}
	for _, f := range l.req.Stream.Extract.Fields {
		if f.Name == name {
			return loss.Fold(f.Type, *got) == loss.Fold(f.Type, *sent)
		}
	}
	return same(got, sent)
}

func same(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// baseID finds the raw record of a change.
type baseID struct{ key, id string }

// bases reads the newest raw records of a batch, for requests that need a whole body.
func (l *loader) bases(ctx context.Context, batch []*change) (map[baseID]*pipeline.Batch, error) {
	hashes := make([]int64, len(batch))
	for i, c := range batch {
		hashes[i] = c.khash
	}
	session, err := l.Engine.Session(ctx, l.head)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	if err := session.Current(ctx, l.stream.Table, "current"); err != nil {
		return nil, err
	}
	records, err := replica.Read(ctx, session, "load/bases.sql", hashes)
	if err != nil {
		return nil, fmt.Errorf("raw records of %s: %w", l.id, err)
	}
	out := map[baseID]*pipeline.Batch{}
	for _, r := range records {
		keys, ids := columnOf(r, pipeline.ColKey).(*array.String), columnOf(r, pipeline.ColID).(*array.String)
		for i := range int(r.NumRows()) {
			out[baseID{keys.Value(i), ids.Value(i)}] = &pipeline.Batch{Rows: r.NewSlice(int64(i), int64(i)+1)}
		}
	}
	return out, nil
}

// closed reports whether a state needs nothing more from load.
func closed(o pipeline.Outcome) string {
	switch o {
	case pipeline.Applied, pipeline.AlreadyTrue, pipeline.AppliedPartly:
		return tables.ChangeApplied
	case pipeline.InDoubt:
		return tables.ChangeInDoubt
	case pipeline.HeldBack:
		return tables.ChangeHeld
	case pipeline.Retryable:
		return tables.ChangeReady
	case pipeline.Superseded:
		return tables.ChangeSuperseded
	default:
		return tables.ChangeFailed
	}
}
