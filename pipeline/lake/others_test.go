package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/trueup-data/trueup/pipeline/store"
)

// person decides the same few things until each is answered, in all lives.
func person(done map[string]bool) func(p *process) error {
	return func(p *process) error {
		if err := p.open(); err != nil {
			return err
		}
		for n := range 3 {
			id := fmt.Sprintf("%s-%d", p.a.name, n)
			for try := 0; try < 4 && !done[id]; try++ {
				var err error
				if n == 1 {
					err = p.revert(id)
				} else {
					err = p.decide(id, nil)
				}
				done[id] = err == nil
				if p.a.crashed {
					return err
				}
			}
		}
		return nil
	}
}

// decide lands a decision that was shown the last golden row.
func (p *process) decide(id string, more func(head *Snapshot) Step) error {
	attempt := ""
	s, err := p.lake.Decide(p.ctx, Decision{
		ID: id,
		In: func(ctx context.Context, head *Snapshot) (bool, error) {
			rows, err := p.rows(ctx, head, tDecisions)
			return slices.ContainsFunc(rows, func(r row) bool { return r.P == id }), err
		},
		Build: func(ctx context.Context, head *Snapshot) (step Step, err error) {
			golden, err := p.rows(ctx, head, tGolden)
			if err != nil {
				return step, err
			}
			if attempt != "" {
				p.model().denied(attempt, ErrMoved)
			}
			if more != nil {
				step = more(head)
			}
			attempt = p.a.w.newID()
			f, err := p.write(tDecisions, head.Commit().Epoch, row{P: id, Prev: lastID(golden), ID: attempt})
			step.Add = Files{tDecisions: {f}}
			step.Basis = with(step.Basis, tGolden, head.Seq())
			return step, err
		},
	})
	if err != nil {
		return err
	}
	p.model().shown(s, 0)
	if !slices.ContainsFunc(p.model().head().rows[tDecisions], func(r row) bool { return r.P == id }) {
		p.model().fail("decision %s was told that it had landed", id)
	}
	return nil
}

// revert puts the shelf back to an older commit's, which it pins until it landed.
func (p *process) revert(id string) error {
	head, err := p.head()
	if err != nil {
		return err
	}
	pin, err := p.lake.Pin(p.ctx, head.Seq()-uint64(p.roll(min(3, int(head.Seq())))))
	if err != nil {
		return err
	}
	defer func() { _ = pin.Release(p.ctx) }()
	p.model().shown(pin.Snapshot(), 0)
	old, err := pin.Snapshot().Files(p.ctx, tNotes)
	if err != nil {
		return p.missing(pin, err)
	}
	return p.decide(id, func(head *Snapshot) Step {
		return Step{Replace: Files{tShelf: old}, Basis: map[string]uint64{tShelf: head.Seq()}}
	})
}

// missing: what a living pin holds is there.
func (p *process) missing(pin *Pin, err error) error {
	if errors.Is(err, store.ErrNotExist) && pin.Err() == nil {
		p.model().fail("a file of commit %d is missing while it is pinned: %v", pin.Snapshot().Seq(), err)
	}
	return err
}

// hold pins the head, or a commit that it saw some time ago.
func (p *process) hold() (*Pin, error) {
	if p.chance(0.5) {
		return p.lake.PinHead(p.ctx)
	}
	s, err := p.head()
	if err != nil {
		return nil, err
	}
	if err := p.sleep(p.ctx, time.Second); err != nil {
		return nil, err
	}
	return p.lake.Pin(p.ctx, s.Seq())
}

// reader reads everything of a pinned commit, slowly.
func reader(p *process) error {
	if err := p.open(); err != nil {
		return err
	}
	for range 4 {
		pin, err := p.hold()
		if err != nil {
			continue
		}
		p.model().shown(pin.Snapshot(), 0)
		tables := pin.Snapshot().Tables()
		for _, table := range slices.Concat(tables, tables, tables) {
			p.files, p.lake.cache = map[string][]row{}, manifestCache{}
			if _, err := p.rows(p.ctx, pin.Snapshot(), table); err != nil {
				_ = p.missing(pin, err)
				break
			}
			_ = p.a.do(&operation{name: "pause", until: p.a.w.now + time.Duration(p.roll(250))*time.Millisecond})
			if pin.Snapshot().Seq() < p.model().lowest && pin.Err() == nil {
				p.model().counts["reads of a pinned commit below the horizon"]++
			}
			if p.chance(0.7) {
				_ = pin.Renew(p.ctx)
			}
		}
		if p.chance(0.7) {
			_ = pin.Release(p.ctx)
		}
	}
	return nil
}

// compactor lays files of a table together.
func compactor(p *process) error {
	if err := p.open(); err != nil {
		return err
	}
	grows := []string{tReplica, tReplica, tCheckpoints, tNotes, tJournal, tGolden}
	for range 8 {
		s, err := p.head()
		if err != nil {
			continue
		}
		if err := p.compact(s, grows[p.roll(len(grows))]); err != nil && p.a.crashed {
			return err
		}
	}
	return nil
}

func (p *process) compact(s *Snapshot, table string) error {
	files, err := s.Files(p.ctx, table)
	if err != nil {
		return err
	}
	if table == tReplica { // never across the watermark
		golden, err := p.rows(p.ctx, s, tGolden)
		if err != nil || len(golden) == 0 {
			return err
		}
		w := golden[len(golden)-1].W
		files = slices.DeleteFunc(files, func(f File) bool { return f.Seq > w })
	}
	if len(files) < 2 {
		return nil
	}
	from := p.roll(len(files) - 1)
	inputs := slices.Clone(files[from : from+2+p.roll(len(files)-from-1)])
	if len(inputs) > 2 && p.chance(0.2) {
		inputs = slices.Delete(inputs, 1, 2) // a mistake, which the lake must refuse
	}
	_, err = p.lake.Compact(p.ctx, Compaction{Table: table, Inputs: inputs}, func(ctx context.Context, epoch uint64) ([]File, error) {
		var all []row
		for _, f := range inputs {
			rows, ok := p.files[f.Key]
			if !ok {
				var err error
				if rows, err = p.read(ctx, f.Key); err != nil {
					return nil, err
				}
			}
			all = append(all, rows...)
		}
		f, err := p.write(table, epoch, all...)
		return []File{f}, err
	})
	return err
}

// collector collects, with little mercy.
func collector(p *process) error {
	if err := p.open(); err != nil {
		return err
	}
	for range 5 {
		_, err := p.lake.Collect(p.ctx, Collection{Keep: uint64(1 + p.roll(3)), WatchPins: p.chance(0.3)})
		if err != nil && p.a.crashed {
			return err
		}
	}
	return nil
}

// survivor comes when all others are dead: whatever happened, it can go on.
func survivor(p *process) error {
	err := begin(p)
	var t *Tenure
	if err == nil {
		t, err = p.lake.Begin(p.ctx, Opening{Run: "survivor"})
	}
	if err == nil {
		c := t.Committer("survivor")
		for range 3 {
			_, err = p.try(c, func() (effort, error) { return p.extract(p.lake.known(), t.Epoch()) })
		}
		if err == nil {
			_, err = p.try(c, func() (effort, error) { return p.reconcile(p.lake.known(), t.Epoch()) })
		}
	}
	if err == nil {
		_, err = p.lake.Collect(p.ctx, Collection{Keep: 1, WatchPins: true})
	}
	for _, table := range []string{tReplica, tCheckpoints, tGolden, tJournal, tDecisions, tNotes, tCounter, tShelf} {
		p.files, p.lake.cache = map[string][]row{}, manifestCache{}
		if err == nil {
			_, err = p.rows(p.ctx, p.lake.known(), table)
		}
	}
	if err != nil {
		p.model().fail("a run after all others died cannot go on: %v", err)
	}
	return err
}
