package extract

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/trueup-data/trueup/pipeline/tables"
)

// probe reads records by ID that a listing showed while it may still have lagged
// behind our own write, or behind the record's end. What such a page said is not
// believed, and a read since a cursor may never show it again. A record that does
// not answer is missing, not deleted: one read proves no absence.
func (p *pass) probe(ctx context.Context) error {
	if settle(p.req.Stream) == 0 || !p.req.Source.CanFetch() {
		return nil
	}
	ids, err := p.shaky(ctx)
	if err != nil {
		return err
	}
	committer := p.Tenure.Committer("extract/" + p.stream.ID.String() + "/probes")
	for chunk := range slices.Chunk(ids, proofBatch) {
		asked := p.Now()
		got, err := p.req.Source.Fetch(ctx, chunk)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil || len(got.Failed) > 0 {
			p.Log.Warn("records could not be read by ID; they are tried again in the next run", "stream", p.stream.ID.String(), "failed", len(got.Failed), "why", err)
		}
		if err != nil {
			return nil
		}
		found := proof{missing: got.Gone, why: fmt.Errorf("it does not answer by its ID, and nothing stands beside it as a control")}
		if got.Batch.Rows != nil {
			found.live = &got.Batch
		}
		if err := p.storeProof(ctx, committer, found, asked); err != nil {
			return err
		}
	}
	return nil
}

// unasked keeps what pages show of such records where nothing is read by ID, so that
// a page asked for after the listings have settled can tell it.
func (p *pass) unasked(ctx context.Context) error {
	if settle(p.req.Stream) == 0 || p.req.Source.CanFetch() {
		return nil
	}
	_, err := p.shaky(ctx)
	return err
}

// shaky are the IDs of the records to read. What is shown of them is kept even if it
// says nothing new: only its time tells that the listings have settled.
func (p *pass) shaky(ctx context.Context) ([]string, error) {
	head, err := p.Lake.Head(ctx)
	if err != nil {
		return nil, err
	}
	session, err := p.Engine.Session(ctx, head)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	id := p.stream.ID
	for view, t := range map[string]tables.Table{"current": p.stream.Table, "changes": tables.Changes(id.Entity), "crosswalk": tables.Crosswalk(id.Entity)} {
		if err := session.Current(ctx, t, view); err != nil {
			return nil, err
		}
	}
	keys, err := readPairs(ctx, session, "extract/probes.sql", id.System, settle(p.req.Stream).Microseconds(), p.Now().UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("records of %s to read by ID: %w", id, err)
	}
	for _, list := range keys {
		for _, key := range list {
			p.doubted[key] = true
		}
	}
	return slices.Sorted(maps.Keys(keys)), nil
}
