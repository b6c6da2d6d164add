package rest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/schemas"
)

// maxFetching bounds the goroutines of one Fetch; the gate bounds the requests.
const maxFetching = 8

// CanFetch reports whether records can be read by ID.
func (s *Stream) CanFetch() bool { return s.read != nil }

// Fetch reads records by ID, each with an answer of its own: live, gone by a
// status that the file declares for that, or failed. A record that answers under
// another ID is a failure. Its error is a cancelled context's.
func (s *Stream) Fetch(ctx context.Context, ids []string) (pipeline.FetchResult, error) {
	out := pipeline.FetchResult{Failed: map[string]error{}}
	if s.read == nil {
		return out, fault.New(fault.Permanent, "read records by ID", errors.New("the stream declares no read")).
			WithWhere(s.place()).WithHelp("declare extract.read with a path")
	}
	replies := make([]reply, len(ids))
	var mu sync.Mutex
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(maxFetching)
	for i, id := range ids {
		group.Go(func() error {
			r, err := s.fetchOne(inner, id)
			if inner.Err() != nil {
				return inner.Err()
			}
			replies[i] = r
			if err != nil {
				mu.Lock()
				out.Failed[id] = err
				mu.Unlock()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return pipeline.FetchResult{}, err
	}
	dec, err := schemas.NewDecoder(s.decode)
	if err != nil {
		return out, err
	}
	for i, id := range ids {
		switch {
		case out.Failed[id] != nil:
		case replies[i].gone:
			out.Gone = append(out.Gone, id)
		default:
			if err := s.take(dec, id, replies[i]); err != nil {
				out.Failed[id] = err
			}
		}
	}
	out.Batch.Rows = flush(dec)
	return out, nil
}

func (s *Stream) fetchOne(ctx context.Context, id string) (reply, error) {
	c, err := s.call(s.read.request, values{"id": text(id)}, "read record")
	if err != nil {
		return reply{}, err
	}
	c.gone, c.where.Record = s.read.gone, id
	return s.ask(ctx, pace.Urgent, c)
}

// take decodes the record of a reply. What does not fit, or is another record,
// is not added.
func (s *Stream) take(dec *schemas.Decoder, id string, r reply) error {
	fail := func(err error) error {
		place := s.place()
		place.Record = id
		return fault.New(fault.Permanent, "read record", err).WithWhere(place)
	}
	raw, ok := find(r.body, s.read.record)
	if !ok || raw.Kind() != '{' {
		return fail(fmt.Errorf("the answer has no record at %q", s.read.record))
	}
	// The ID is looked at in a decoder of its own: a record that is another one
	// must leave no row behind.
	probe, err := schemas.NewDecoder(s.decode)
	if err != nil {
		return err
	}
	meta := schemas.RowMeta{AskedAt: r.asked, ETag: s.etagFrom(r, raw)}
	if refusal := probe.Append(raw, meta); refusal != nil {
		return fail(fmt.Errorf("the record does not fit: field %s: %s", refusal.Field, refusal.Reason))
	}
	row := probe.Flush()
	defer row.Release()
	if got := idOf(row, 0); got != id {
		return fail(fmt.Errorf("the system answered with record %q", got))
	}
	if refusal := dec.Append(raw, meta); refusal != nil {
		return fail(errors.New(refusal.Reason))
	}
	return nil
}

// etagFrom prefers the header of the answer: it is of the record alone.
func (s *Stream) etagFrom(r reply, raw []byte) string {
	name := "ETag"
	if s.write != nil && s.write.precondition != nil && s.write.precondition.From.Header != "" {
		name = s.write.precondition.From.Header
	}
	if v := r.header.Get(name); v != "" {
		return v
	}
	return s.etagOf(raw)
}

// Search finds the records that carry our key, over all pages. It gives what the
// system gives: whether a record really has the key is the caller's to check.
func (s *Stream) Search(ctx context.Context, keyFields map[string]string) (pipeline.Batch, error) {
	var out pipeline.Batch
	if s.search == nil {
		return out, fault.New(fault.Permanent, "search records", errors.New("the stream declares no search")).
			WithWhere(s.place()).WithHelp("declare extract.search")
	}
	vals := values{}
	for name, v := range keyFields {
		vals["key."+name] = text(v)
	}
	dec, err := schemas.NewDecoder(s.decode)
	if err != nil {
		return out, err
	}
	end, err := s.walk(ctx, walk{list: s.search.list, class: pace.Urgent, op: "search records", vals: vals, page: func(p pageRead) error {
		for _, raw := range p.records {
			if refusal := dec.Append(raw, schemas.RowMeta{AskedAt: p.asked, ETag: s.etagOf(raw)}); refusal != nil {
				out.Dead = append(out.Dead, deadLetter(refusal, "", p.asked))
			}
		}
		return nil
	}})
	out.Rows = flush(dec)
	if err == nil && !end.Proven {
		err = fault.New(fault.Transient, "search records", errors.New("the list may be incomplete: "+end.Reason)).WithWhere(s.place())
	}
	if err != nil && out.Rows != nil {
		out.Rows.Release()
		out.Rows = nil
	}
	return out, err
}
