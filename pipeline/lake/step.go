package lake

import (
	"context"
	"errors"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// Step is what one commit changes, and on which heads it still stands. Its
// files are in the store, complete, before it is committed. The lake never
// changes a Step; it may be committed again after ErrMoved if it is still true.
type Step struct {
	Stage string // "extract": for people who read the log

	// Add appends files to tables. Alone it stands on every head of its epoch.
	Add Files

	// Replace makes these files the whole table; none empties it. It needs a
	// Basis for the table.
	Replace Files

	// Rewrite swaps files for others with the same rows (a compaction). It
	// stands while all of its inputs are live.
	Rewrite []Rewrite

	// Versions is the version of the columns that the added files have, by
	// table; a table that is not named keeps its version.
	Versions map[string]int

	// Basis is table -> the seq of the snapshot in which it was read to decide
	// this step. Once a later commit changed a row of such a table the step does
	// not stand (ErrMoved). A compaction changes no row.
	Basis map[string]uint64

	// Watermarks is as Basis for tables that this step took in up to a seq that
	// it records itself: rows appended behind it wait for the next time and are
	// no move; any other change is.
	Watermarks map[string]uint64

	// Claim makes the committer the one that may write intents for a system.
	Claim string

	// Writer is the system that this step has intents for: it stands only while
	// the committer is the last that claimed the system (else ErrFenced).
	Writer string

	// Check is an extra condition, such as "the partition's checkpoint is still
	// where I started". It is asked about every head that the step is put on and
	// sees what the parts before it in a group add. Its error is returned as it
	// is; wrap ErrMoved or ErrFenced to say which it is. It may be called often.
	Check func(ctx context.Context, head *Snapshot) error
}

// Rewrite replaces files of a table by others that hold the same rows. Inputs
// are a run without gaps in the table's order (history files neither count as a
// gap nor as a part of the run of the others), so that the outputs can take the
// highest place of the inputs.
type Rewrite struct {
	Table   string
	Inputs  []string // keys of live files
	Outputs []File   // in the order of their rows
}

// valid refuses what can stand on no head.
func (s Step) valid() error {
	for table := range s.Replace {
		if _, ok := s.Basis[table]; !ok {
			return refused("table "+table, "it is replaced without a basis: name the commit in which it was read")
		}
		if len(s.Add[table]) > 0 {
			return refused("table "+table, "it is replaced and added to in one step")
		}
	}
	rewritten := map[string]bool{}
	for _, w := range s.Rewrite {
		_, replaced := s.Replace[w.Table]
		if len(w.Inputs) == 0 || rewritten[w.Table] || replaced {
			return refused("table "+w.Table, "a rewrite needs inputs, and a table has one change of its files in a step")
		}
		rewritten[w.Table] = true
	}
	return nil
}

// refused is the mistake of a caller: nothing happened and nothing else will.
func refused(what, why string) error {
	return fault.New(fault.Permanent, "commit", errors.New(why)).WithWhere(fault.Place{Object: what}).WithNote("nothing was committed")
}
