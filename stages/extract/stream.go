package extract

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// Deps are what a pass works with. All are safe for concurrent use.
type Deps struct {
	Lake   *lake.Lake
	Tenure *lake.Tenure
	Engine *duck.Engine
	Writer func(t tables.Table) *delta.Writer // makes files under the tenure's epoch
	Now    func() time.Time
	Log    *slog.Logger
}

// Request is one pass over one stream.
type Request struct {
	Run         pipeline.RunID
	RunAt       time.Time
	Mode        pipeline.Mode
	Entity      config.Entity
	Stream      config.Stream
	Fingerprint string // of the scope: filter, account, fields, key mapping
	Every       config.CheckpointEvery
	Concurrency int // partitions read side by side
	Source      Source
	Progress    func(replica.Counts) // called after each commit; may be nil
}

// pass is the state of one pass over one stream.
type pass struct {
	Deps
	req     Request
	stream  *replica.Stream
	mode    pipeline.Mode
	began   time.Time
	marks   marks
	sweep   sweep       // with Mode Sweep
	marked  atomic.Bool // this run left marks of it
	doubted map[string]bool
	letters map[string]bool
	result  Result
}

// Run reads a stream once and stores what it told. What the outside did wrong is
// in the Result; an error is our own storage's, or a cancelled context's.
func Run(ctx context.Context, deps Deps, req Request) (Result, error) {
	stream, err := replica.NewStream(req.Entity, req.Stream)
	if err != nil {
		return Result{}, err
	}
	p := &pass{Deps: deps, req: req, stream: stream, mode: req.Mode, began: deps.Now()}
	if req.Stream.Extract.Incremental == nil {
		p.mode = pipeline.Sweep // without a cursor there is no other way to see a change
	}
	p.result = Result{Stream: stream.ID, Mode: p.mode, Fields: replica.NewFieldFigures()}
	if err := p.open(ctx); err != nil {
		return p.result, err
	}
	err = p.read(ctx)
	p.result.Took = deps.Now().Sub(p.began)
	return p.result, err
}

// open reads where the stream stands.
func (p *pass) open(ctx context.Context) error {
	head, err := p.Lake.Head(ctx)
	if err != nil {
		return err
	}
	session, err := p.Engine.Session(ctx, head)
	if err != nil {
		return err
	}
	defer session.Close()
	if p.marks, err = readMarks(ctx, session, p.stream.ID); err != nil {
		return err
	}
	settled := p.Now().Add(-settle(p.req.Stream))
	if p.doubted, err = readDoubted(ctx, session, p.stream.ID, settled); err != nil {
		return err
	}
	if p.letters, err = readLetters(ctx, session, p.stream.ID); err != nil {
		return err
	}
	return p.unasked(ctx)
}

func settle(s config.Stream) time.Duration {
	if s.Write == nil {
		return 0
	}
	return s.Write.Settle
}

// read goes over all partitions, reads by ID what a page could not tell, and in a
// sweep looks at what was not shown.
func (p *pass) read(ctx context.Context) error {
	before, err := p.req.Source.Partitions(ctx)
	if err != nil {
		p.result.State, p.result.Err = Failed, fmt.Errorf("list the partitions of %s: %w", p.stream.ID, err)
		return ctx.Err()
	}
	p.beginSweep(before)
	if err := p.readAll(ctx, before); err != nil {
		return err
	}
	p.result.judge()
	if err := p.probe(ctx); err != nil {
		return err
	}
	if p.mode != pipeline.Sweep {
		return nil
	}
	if err := p.finishSweep(ctx, before); err != nil {
		return err
	}
	return p.endSweep(ctx)
}

// readAll reads the partitions side by side. One that fails does not stop the others.
func (p *pass) readAll(ctx context.Context, partitions []pipeline.Partition) error {
	p.result.Partitions = make([]PartitionResult, len(partitions))
	readers := make([]*reader, len(partitions))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(max(1, p.req.Concurrency))
	for i, part := range partitions {
		known, done := p.sweep.done[part.Name]
		if done && p.req.Stream.Extract.Incremental == nil {
			p.result.Partitions[i] = known
			continue
		}
		group.Go(func() error {
			readers[i] = p.newReader(part, len(partitions) == 1)
			result, err := readers[i].run(inner)
			p.result.Partitions[i] = result
			return err
		})
	}
	err := group.Wait()
	for _, r := range readers {
		if r != nil {
			p.result.take(r, p.Now())
		}
	}
	return err
}

// finishSweep compares the partitions at the end with those at the start, and
// looks for absent records in what is proven.
func (p *pass) finishSweep(ctx context.Context, before []pipeline.Partition) error {
	after, err := p.req.Source.Partitions(ctx)
	if err != nil || !samePlaces(before, after) {
		if err == nil {
			err = fmt.Errorf("the partitions of %s changed while they were read: %d before, %d after", p.stream.ID, len(before), len(after))
		}
		p.result.State, p.result.Err = Partial, err
		for i := range p.result.Partitions {
			p.result.Partitions[i].Proven = false
			p.result.Partitions[i].Reason = "the list of partitions is not the same at the end"
		}
		return ctx.Err()
	}
	return p.absence(ctx)
}

func samePartition(a, b pipeline.Partition) bool {
	return a.Name == b.Name && maps.Equal(a.Params, b.Params)
}
