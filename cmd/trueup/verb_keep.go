package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/lake"
)

func (c *cli) compactCommand() *cobra.Command {
	return &cobra.Command{Use: "compact", Short: "Fold small files into few; changes no row", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doCompact(cmd.Context()) }}
}

// doCompact folds every table that has collected more deltas than it should.
func (c *cli) doCompact(ctx context.Context) (err error) {
	a, err := c.openApp(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	done, err := a.job().Compact(ctx, lake.CompactionPolicy{MaxDeltas: 1})
	if err != nil {
		return err
	}
	if c.json() {
		return c.printJSON(done)
	}
	c.say("%s folded: %d files became %d", plural(int64(done.Tables), "table", "tables"), done.Inputs, done.Outputs)
	return nil
}

func (c *cli) collectCommand() *cobra.Command {
	var keep int
	cmd := &cobra.Command{Use: "collect", Short: "Delete files that no commit can name any more", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doCollect(cmd.Context(), keep) }}
	cmd.Flags().IntVar(&keep, "keep", 1000, "commits to keep, so that they can still be read")
	return cmd
}

func (c *cli) doCollect(ctx context.Context, keep int) (err error) {
	if keep < 1 {
		return &usageError{err: fmt.Errorf("--keep is %d; at least the newest commit stays", keep), help: "trueup collect --help"}
	}
	a, err := c.openApp(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	report, err := a.lake.Collect(ctx, lake.Collection{Keep: uint64(keep), WatchPins: true})
	if err != nil {
		return err
	}
	if c.json() {
		return c.printJSON(report)
	}
	c.say("deleted %s and %s; the oldest commit that can be read is %d", plural(int64(report.Files), "file", "files"),
		plural(int64(report.Commits), "commit", "commits"), report.Horizon)
	return nil
}
