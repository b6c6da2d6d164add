package extract

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// proofBatch bounds how many absent records one pair of controls can condemn.
const proofBatch = 50

// prove reads absent records of one partition by ID. A record is deleted only if
// the system says that it does not exist while a record that this sweep showed
// answers with its own ID, before and after. Everything else is missing.
func (p *pass) prove(ctx context.Context, partition string, ids, controls []string) error {
	committer := p.Tenure.Committer("extract/" + p.stream.ID.String() + "/absence/" + partition)
	for chunk := range slices.Chunk(ids, proofBatch) {
		asked := p.Now()
		found := p.lookUp(ctx, chunk, controls)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.result.Missing += int64(len(found.missing))
		if err := p.storeProof(ctx, committer, found, asked); err != nil {
			return err
		}
	}
	return nil
}

// proof is what reading a chunk by ID showed.
type proof struct {
	live    *pipeline.Batch
	gone    []string
	missing []string
	why     error // why something is missing
}

func (p *pass) lookUp(ctx context.Context, ids, controls []string) proof {
	if !p.req.Source.CanFetch() {
		return proof{missing: ids, why: fmt.Errorf("%s declares no read by ID, so absence proves nothing", p.stream.ID)}
	}
	control, err := p.liveControl(ctx, controls)
	if err != nil {
		return proof{missing: ids, why: err}
	}
	got, err := p.req.Source.Fetch(ctx, ids)
	if err != nil {
		return proof{missing: ids, why: err}
	}
	out := proof{gone: got.Gone}
	if got.Batch.Rows != nil {
		out.live = &got.Batch
	}
	for id, why := range got.Failed {
		out.missing = append(out.missing, id)
		out.why = why
	}
	if _, err := p.liveControl(ctx, []string{control}); err != nil && len(out.gone) > 0 {
		out.missing, out.gone, out.why = append(out.missing, out.gone...), nil, err
	}
	slices.Sort(out.missing)
	return out
}

// liveControl finds a record that answers with its own ID.
func (p *pass) liveControl(ctx context.Context, controls []string) (string, error) {
	for _, id := range controls {
		got, err := p.req.Source.Fetch(ctx, []string{id})
		if err != nil {
			continue
		}
		rows := got.Batch.Rows
		if rows == nil {
			continue
		}
		same := rows.NumRows() == 1 && replica.IDs(rows)[0] == id
		rows.Release()
		if same {
			return id, nil
		}
	}
	return "", fmt.Errorf("no record that this sweep of %s showed answers by its ID, so no absence can be proven", p.stream.ID)
}

// storeProof commits what was found as observations.
func (p *pass) storeProof(ctx context.Context, committer *lake.Committer, found proof, asked time.Time) error {
	var batches []arrow.RecordBatch
	if found.live != nil {
		batches = append(batches, found.live.Rows)
	}
	if len(found.gone) > 0 {
		batches = append(batches, p.stream.Verdicts(found.gone, pipeline.Delete, asked))
	}
	if len(found.missing) > 0 {
		batches = append(batches, p.stream.Verdicts(found.missing, pipeline.Missing, asked))
		p.Log.Warn("absent records could not be proven deleted", "stream", p.stream.ID.String(), "count", len(found.missing), "why", found.why)
	}
	defer func() {
		for _, b := range batches {
			b.Release()
		}
	}()
	folded, err := p.foldAtHead(ctx, batches)
	if err != nil || folded.Rows == nil {
		return err
	}
	defer folded.Rows.Release()
	p.result.Counts.Add(folded.Counts)
	files := map[string][]lake.File{}
	if err := store(ctx, p.Deps, files, p.stream.Table, folded.Rows, ""); err != nil {
		return err
	}
	_, err = committer.Commit(ctx, lake.Step{Stage: "extract", Add: files})
	return err
}

func (p *pass) foldAtHead(ctx context.Context, batches []arrow.RecordBatch) (replica.Folded, error) {
	head, err := p.Lake.Head(ctx)
	if err != nil {
		return replica.Folded{}, err
	}
	session, err := p.Engine.Session(ctx, head)
	if err != nil {
		return replica.Folded{}, err
	}
	defer session.Close()
	return p.stream.Fold(ctx, session, replica.Context{Doubted: p.doubted, Letters: p.letters}, batches, nil, p.req.Run, p.Tenure.Epoch())
}

// adoptScope records what this complete sweep read as the scope from now on.
func (p *pass) adoptScope(ctx context.Context) error {
	if p.result.State != Complete {
		return nil
	}
	id := p.stream.ID
	b := delta.NewRows(tables.Checkpoints())
	b.Text(tables.CheckpointScope).Text(id.Entity).Text(id.System).Text("").Null().Null().Null().Null().
		Text(string(p.mode)).Text("done").Flag(true).Text("a new scope: the next sweep can show deletions").Null().Null().
		Text(p.req.Fingerprint).Null().Text(string(p.req.Run)).Time(p.Now())
	rows := b.Batch()
	defer rows.Release()
	files := map[string][]lake.File{}
	if err := store(ctx, p.Deps, files, tables.Checkpoints(), rows, id.String()+"/scope"); err != nil {
		return err
	}
	_, err := p.Tenure.Committer("extract/"+id.String()+"/scope").Commit(ctx, lake.Step{Stage: "extract", Add: files})
	return err
}
