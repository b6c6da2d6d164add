package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// process is one life of an actor: what it remembers dies with it.
type process struct {
	a     *actor
	ctx   context.Context
	life  int
	files map[string][]row
	lake  *Lake
}

func (p *process) model() *model         { return p.a.w.model }
func (p *process) roll(n int) int        { return p.a.w.rng.IntN(n) }
func (p *process) chance(f float64) bool { return p.a.w.rng.Float64() < f }

func (p *process) open() (err error) {
	p.lake, err = Open(p.ctx, handle{p}, p.options())
	return err
}

// begin opens the lake, and makes it where that is not done.
func begin(p *process) (err error) {
	p.lake, err = Init(p.ctx, handle{p}, p.options())
	return err
}

// head reads the head and holds it against the truth.
func (p *process) head() (*Snapshot, error) {
	before := p.model().seq()
	s, err := p.lake.Head(p.ctx)
	if err == nil {
		p.model().shown(s, before)
	}
	return s, err
}

// rows reads all rows of a table in their order.
func (p *process) rows(ctx context.Context, s *Snapshot, table string) ([]row, error) {
	files, err := s.Files(ctx, table)
	if err != nil {
		return nil, err
	}
	var all []row
	for _, f := range files {
		rows, ok := p.files[f.Key]
		if !ok {
			if rows, err = p.read(ctx, f.Key); err != nil {
				return nil, err
			}
			p.files[f.Key] = rows
		}
		all = append(all, rows...)
	}
	return all, nil
}

func (p *process) read(ctx context.Context, key string) (rows []row, err error) {
	r, err := handle{p}.Open(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return rows, json.Unmarshal(data, &rows)
}

// write stores rows as a file under an epoch; a failed upload is followed by one
// under a new name.
func (p *process) write(table string, epoch uint64, rows ...row) (f File, err error) {
	data, _ := json.Marshal(rows)
	for range 4 {
		f = File{Key: p.lake.NewDataKey(table, epoch), Kind: Delta, Rows: int64(len(rows)), SizeBytes: int64(len(data)), SHA256: sum(data)}
		_, err = handle{p}.Upload(p.ctx, f.Key, strings.NewReader(string(data)))
		if err == nil || errors.Is(err, errCrashed) {
			break
		}
	}
	return f, err
}

// effort is a step with what the model must be told about it.
type effort struct {
	id    string
	table string // where its row is
	plain bool   // it asks for nothing, so nothing may refuse it
	step  Step
}

// settle holds an answer against the truth.
func (p *process) settle(e effort, s *Snapshot, err error) {
	m := p.model()
	switch {
	case err == nil:
		m.told(s, e.table, e.id)
	case errors.Is(err, ErrUnknown), errors.Is(err, ErrFenced), p.a.crashed:
		// it may have landed: the next life reads it
	default:
		m.denied(e.id, err)
		if e.plain && errors.Is(err, ErrMoved) {
			m.fail("an append was told that something moved: %v", err)
		}
	}
}

// extract reads more rows of a partition from where the checkpoint is.
func (p *process) extract(s *Snapshot, epoch uint64) (e effort, err error) {
	return p.extractNext(s, epoch, fmt.Sprintf("p%d", p.roll(2)), 1+p.roll(2))
}

func (p *process) extractNext(s *Snapshot, epoch uint64, part string, count int) (e effort, err error) {
	from, err := p.checkpoint(p.ctx, s, part)
	if err != nil {
		return e, err
	}
	id, to := p.a.w.newID(), from+count
	var rows []row
	for n := from + 1; n <= to; n++ {
		rows = append(rows, row{P: part, N: n, E: epoch, ID: id})
	}
	data, err := p.write(tReplica, epoch, rows...)
	if err != nil {
		return e, err
	}
	mark, err := p.write(tCheckpoints, epoch, row{P: part, N: to, E: epoch, ID: id})
	check := func(ctx context.Context, head *Snapshot) error {
		now, err := p.checkpoint(ctx, head, part)
		if err == nil && now != from {
			err = because(ErrMoved, "the checkpoint is at %d, not %d", now, from)
		}
		return err
	}
	return effort{id: id, table: tReplica, step: Step{Stage: "extract", Check: check,
		Add: Files{tReplica: {data}, tCheckpoints: {mark}}}}, err
}

func (p *process) checkpoint(ctx context.Context, s *Snapshot, part string) (int, error) {
	rows, err := p.rows(ctx, s, tCheckpoints)
	n := 0
	for _, r := range rows {
		if r.P == part {
			n = r.N
		}
	}
	return n, err
}

// reconcile decides golden from golden and the replica up to a watermark.
func (p *process) reconcile(s *Snapshot, epoch uint64) (e effort, err error) {
	golden, err := p.rows(p.ctx, s, tGolden)
	if err != nil {
		return e, err
	}
	replica, err := p.rows(p.ctx, s, tReplica)
	if err != nil {
		return e, err
	}
	id := p.a.w.newID()
	f, err := p.write(tGolden, epoch, row{N: len(replica), W: s.Seq(), Prev: lastID(golden), E: epoch, ID: id})
	return effort{id: id, table: tGolden, step: Step{Stage: "reconcile", Add: Files{tGolden: {f}},
		Basis: map[string]uint64{tGolden: s.Seq()}, Watermarks: map[string]uint64{tReplica: s.Seq()}}}, err
}

// count replaces the counter by the next one.
func (p *process) count(s *Snapshot, epoch uint64) (e effort, err error) {
	rows, err := p.rows(p.ctx, s, tCounter)
	if err != nil {
		return e, err
	}
	id := p.a.w.newID()
	f, err := p.write(tCounter, epoch, row{N: value(rows) + 1, E: epoch, ID: id})
	return effort{id: id, table: tCounter, step: Step{Stage: "count", Replace: Files{tCounter: {f}},
		Basis: map[string]uint64{tCounter: s.Seq()}}}, err
}

// note appends a row that depends on nothing.
func (p *process) note(epoch uint64) (e effort, err error) {
	id := p.a.w.newID()
	f, err := p.write(tNotes, epoch, row{E: epoch, ID: id})
	return effort{id: id, table: tNotes, plain: true, step: Step{Stage: "note", Add: Files{tNotes: {f}}}}, err
}

// send writes intents as the writer of a system, after the last one it can see.
func (p *process) send(c *Committer, s *Snapshot, epoch uint64, system string) (e effort, err error) {
	rows, err := p.rows(p.ctx, s, tJournal)
	if err != nil {
		return e, err
	}
	n := 1
	for _, r := range rows {
		if r.P == system {
			n = r.N + 1
		}
	}
	id := p.a.w.newID()
	f, err := p.write(tJournal, epoch, row{P: system, N: n, Prev: c.ID(), E: epoch, ID: id})
	return effort{id: id, table: tJournal, step: Step{Stage: "load", Add: Files{tJournal: {f}}, Writer: system}}, err
}

// make builds one of the steps that need nothing but a state.
func (p *process) make(s *Snapshot, epoch uint64) (effort, error) {
	switch p.roll(7) {
	case 0, 1, 2:
		return p.extract(s, epoch)
	case 3, 4:
		return p.reconcile(s, epoch)
	case 5:
		return p.count(s, epoch)
	}
	return p.note(epoch)
}

// run is a process of the pipeline: a tenure, and some steps in it.
func run(p *process) error {
	if err := begin(p); err != nil {
		return err
	}
	for range 2 {
		t, err := p.lake.Begin(p.ctx, Opening{Run: p.a.name})
		if err != nil {
			return err
		}
		p.model().opened(t)
		if err := p.work(t, 3+p.roll(8)); err != nil && !Fenced(err) {
			return err
		}
	}
	return nil
}

// attempt is a second attempt of a task, beside the first, in the same tenure.
func attempt(p *process) error {
	for range 3 {
		if err := p.open(); err != nil {
			continue
		}
		head, err := p.head()
		if err != nil {
			continue
		}
		t, err := p.lake.Join(p.ctx, head.Commit().Epoch)
		if err == nil && t.Epoch() > 0 {
			_ = p.work(t, 3+p.roll(5))
		}
	}
	return nil
}

// work does some steps in a tenure, by committers as tasks have them.
func (p *process) work(t *Tenure, steps int) error {
	c, s := t.Committer(p.a.name), t.Start()
	claimed := ""
	for range steps {
		var err error
		var next *Snapshot
		switch p.roll(8) {
		case 0:
			err = p.group(t, s)
		case 1, 2:
			if claimed == "" {
				claimed = fmt.Sprintf("s%d", p.roll(2))
				next, err = c.Claim(p.ctx, claimed)
				break
			}
			next, err = p.try(c, func() (effort, error) { return p.send(c, s, t.Epoch(), claimed) })
		default:
			next, err = p.try(c, func() (effort, error) { return p.make(s, t.Epoch()) })
		}
		switch {
		case errors.Is(err, ErrUnknown), p.a.crashed:
			return err
		case Fenced(err):
			if t.Check(p.ctx) != nil {
				return err
			}
			claimed = "" // only the system has another writer
		}
		if s = next; s == nil {
			if s, err = p.head(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *process) try(c *Committer, build func() (effort, error)) (*Snapshot, error) {
	e, err := build()
	if err != nil {
		return nil, err
	}
	s, err := c.Commit(p.ctx, e.step)
	p.settle(e, s, err)
	return s, err
}

// group commits the steps of several committers at once.
func (p *process) group(t *Tenure, s *Snapshot) error {
	var efforts []effort
	var parts []Part
	for i := range 2 + p.roll(2) {
		e, err := p.make(s, t.Epoch())
		if err != nil {
			return err
		}
		efforts = append(efforts, e)
		parts = append(parts, Part{Committer: t.Committer(fmt.Sprint(p.a.name, i)), Step: e.step})
	}
	var first error
	for i, r := range t.CommitGroup(p.ctx, parts) {
		p.settle(efforts[i], r.Snapshot, r.Err)
		if first == nil {
			first = r.Err
		}
	}
	return first
}
