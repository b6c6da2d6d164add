package lake

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// part is what one committer or person wants of a commit, until it is settled.
type part struct {
	step  Step
	name  string // of the committer
	fence func(head *Commit) error
	in    func(ctx context.Context, head *Snapshot) (bool, error) // has it landed?
	stamp func(c *Commit)                                         // what it writes of itself into the commit

	settled bool
	landed  *Snapshot // a snapshot that has it in
	err     error     // why it has not landed, or that nobody knows
}

func (p *part) fail(err error) {
	if !p.settled {
		p.settled, p.err = true, err
	}
}

func (p *part) land(s *Snapshot) { p.settled, p.landed = true, s }

// draft is the commit after a head while it is being made: the parts that stand
// on the head are applied to it, one after the other.
type draft struct {
	l      *Lake
	head   *Snapshot
	commit Commit
	drawn  map[string][]File // tables that changed: their files in order
	stages []string
	parts  []*part
}

func (l *Lake) draft(head *Snapshot) *draft {
	d := &draft{l: l, head: head, commit: *head.commit, drawn: map[string][]File{}}
	c := &d.commit
	c.Seq, c.Parent, c.Stage, c.Decision, c.Basis = head.commit.Seq+1, head.sum, "", "", nil
	c.Tables = maps.Clone(head.commit.Tables)
	if l.o.breaks(stepsNotCarried) {
		c.Steps = nil
	}
	return d
}

// snapshot is the draft as a part's own condition sees it.
func (d *draft) snapshot() *Snapshot {
	if len(d.parts) == 0 {
		return d.head
	}
	c := d.commit
	c.Tables = maps.Clone(c.Tables)
	return &Snapshot{r: d.l.Reader, commit: &c, drawn: maps.Clone(d.drawn)}
}

// apply adds a part to the draft if it stands; otherwise it says why not, and
// the draft is as before.
func (d *draft) apply(ctx context.Context, p *part) error {
	if len(d.parts) == 0 || !d.l.o.breaks(groupAsWhole) {
		if err := d.stands(ctx, p); err != nil {
			return err
		}
	}
	changed := map[string][]File{}
	var err error
	for _, w := range p.step.Rewrite {
		if changed[w.Table], err = d.rewritten(ctx, w); err != nil {
			return err
		}
	}
	for _, table := range sorted(p.step.Replace) {
		if changed[table], err = d.placed(ctx, table, nil, p.step.Replace[table]); err != nil {
			return err
		}
	}
	for _, table := range sorted(p.step.Add) {
		files := p.step.Add[table]
		if len(files) == 0 {
			continue
		}
		before, ok := changed[table]
		if !ok {
			if before, err = d.files(ctx, table); err != nil {
				return err
			}
		}
		if changed[table], err = d.placed(ctx, table, before, files); err != nil {
			return err
		}
	}
	d.take(p, changed)
	return nil
}

// take writes a part that stands into the draft.
func (d *draft) take(p *part, changed map[string][]File) {
	for table, files := range changed {
		ref := d.commit.Tables[table]
		if _, ok := p.step.Replace[table]; ok {
			ref.Changed, ref.Replaced = d.commit.Seq, d.commit.Seq
		}
		if len(p.step.Add[table]) > 0 {
			ref.Changed = d.commit.Seq
		}
		ref.Version = max(ref.Version, p.step.Versions[table], 1)
		ref.Files, ref.Rows, ref.Key = len(files), 0, ""
		for _, f := range files {
			ref.Rows += f.Rows
		}
		d.commit.Tables[table], d.drawn[table] = ref, files
	}
	for _, read := range []map[string]uint64{p.step.Basis, p.step.Watermarks} {
		for table, seq := range read {
			d.commit.Basis = with(d.commit.Basis, table, seq)
		}
	}
	if p.step.Stage != "" && !slices.Contains(d.stages, p.step.Stage) {
		d.stages = append(d.stages, p.step.Stage)
		d.commit.Stage = strings.Join(d.stages, ",")
	}
	p.stamp(&d.commit)
	d.parts = append(d.parts, p)
}

// files are a table's files with what the draft changed so far.
func (d *draft) files(ctx context.Context, table string) ([]File, error) {
	if files, ok := d.drawn[table]; ok {
		return files, nil
	}
	return d.head.files(ctx, table)
}

// placed puts new files behind those that are there: their place is this commit.
func (d *draft) placed(ctx context.Context, table string, before, files []File) ([]File, error) {
	after := slices.Clone(before)
	for _, f := range files {
		f.Seq = d.commit.Seq
		f, err := d.adopt(ctx, table, f)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(after, func(o File) bool { return o.Key == f.Key }) {
			return nil, refused(f.Key, "it is a live file of the table already")
		}
		after = append(after, f)
	}
	return after, nil
}

// rewritten swaps the inputs for the outputs, which take the place of the last
// input: the highest, so that no row of theirs moves before one it came after.
func (d *draft) rewritten(ctx context.Context, w Rewrite) ([]File, error) {
	files, err := d.files(ctx, w.Table)
	if err != nil {
		return nil, err
	}
	last, place := -1, d.commit.Seq
	for i, f := range files {
		if slices.Contains(w.Inputs, f.Key) {
			last, place = i, f.Seq
		}
	}
	if d.l.o.breaks(placeNotInherited) {
		place = d.commit.Seq
	}
	var outputs []File
	for _, f := range w.Outputs {
		f.Seq = place
		if f, err = d.adopt(ctx, w.Table, f); err != nil {
			return nil, err
		}
		outputs = append(outputs, f)
	}
	var after []File
	for i, f := range files {
		if !slices.Contains(w.Inputs, f.Key) {
			after = append(after, f)
		}
		if i == last {
			after = append(after, outputs...)
		}
	}
	if last < 0 {
		after = append(after, outputs...)
	}
	return after, nil
}

// sorted are the keys of m in order, so that a run does the same things in the
// same order whenever it is repeated.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
