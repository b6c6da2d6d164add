package lake

import (
	"context"
	"fmt"
	"slices"
)

// stands decides whether a part may be put on the draft's head: on the first
// head as on every later one that it is rebased on.
func (d *draft) stands(ctx context.Context, p *part) error {
	if p.fence != nil {
		if err := p.fence(&d.commit); err != nil {
			return err
		}
	}
	if err := d.writes(p); err != nil {
		return err
	}
	if err := d.unmoved(p.step); err != nil {
		return err
	}
	for _, w := range p.step.Rewrite {
		if err := d.whole(ctx, w); err != nil {
			return err
		}
	}
	if p.step.Check != nil && !d.l.o.breaks(checkDropped) {
		return p.step.Check(ctx, d.snapshot())
	}
	return nil
}

// writes: intents for a system land only from the committer that claimed it last.
func (d *draft) writes(p *part) error {
	system := p.step.Writer
	if system == "" || p.step.Claim == system || d.l.o.breaks(writerFenceDropped) {
		return nil
	}
	if writer := d.commit.Writers[system]; writer != p.name {
		return failure("commit intents", system, because(ErrFenced, "its writer is %q, this is %q", writer, p.name))
	}
	return nil
}

// unmoved: a row of a table that was replaced or decided from has not changed
// since it was read, and one that was taken in up to a watermark has only grown.
func (d *draft) unmoved(s Step) error {
	if d.l.o.breaks(decisionRebased) {
		return nil
	}
	for table, read := range s.Basis {
		if ref := d.commit.Tables[table]; ref.Changed > read {
			return failure("commit", table, because(ErrMoved, "it was read at %d and changed at %d", read, ref.Changed))
		}
	}
	for table, read := range s.Watermarks {
		if ref := d.commit.Tables[table]; ref.Replaced > read {
			return failure("commit", table, because(ErrMoved, "it was taken in up to %d and replaced at %d", read, ref.Replaced))
		}
	}
	return nil
}

// whole: all inputs of a rewrite are live, no row gets lost or comes new, and nothing lies between them that
// its outputs would overtake. History files stand apart: no current row is in
// them, so they neither fill nor make a gap among the others.
func (d *draft) whole(ctx context.Context, w Rewrite) error {
	files, err := d.files(ctx, w.Table)
	if err != nil {
		return err
	}
	live, rows := 0, int64(0)
	for _, f := range files {
		if slices.Contains(w.Inputs, f.Key) {
			live++
			rows += f.Rows
		}
	}
	if live < len(w.Inputs) && !d.l.o.breaks(deadInputs) {
		return failure("compact", w.Table, because(ErrMoved, "%d of %d inputs are not live any more", len(w.Inputs)-live, len(w.Inputs)))
	}
	for _, f := range w.Outputs {
		rows -= f.Rows
	}
	if rows != 0 && live == len(w.Inputs) {
		return refused(w.Table, fmt.Sprintf("a rewrite changes no row, and its outputs have %d rows less than its inputs", rows))
	}
	for _, history := range []bool{true, false} {
		if gap := firstGap(files, w.Inputs, history); gap != "" && !d.l.o.breaks(gapsAllowed) {
			return refused(w.Table, "the inputs of a rewrite leave out "+gap+", which lies between them")
		}
	}
	return nil
}

// firstGap is a file between the inputs of one class that is no input, or "".
func firstGap(files []File, inputs []string, history bool) string {
	between, began := "", false
	for _, f := range files {
		if (f.Kind == History) != history {
			continue
		}
		switch {
		case !slices.Contains(inputs, f.Key):
			if began && between == "" {
				between = f.Key
			}
		case between != "":
			return between
		default:
			began = true
		}
	}
	return ""
}
