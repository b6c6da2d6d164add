package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/stages/review/story"
)

// withSession opens the project read-only at the head and calls do.
func (c *cli) withSession(ctx context.Context, do func(*app, *duck.Session, *lake.Snapshot) error) (err error) {
	a, err := c.openApp(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	head, err := a.lake.Head(ctx)
	if err != nil {
		return err
	}
	session, err := a.engine.Session(ctx, head)
	if err != nil {
		return err
	}
	defer session.Close()
	return do(a, session, head)
}

func (c *cli) planCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{Use: "plan", Short: "Show what would be sent, and what waits for a person", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doPlan(cmd.Context(), f) }}
	cmd.Flags().StringVar(&f.entity, "entity", "", "only this entity")
	f.bind(cmd)
	return cmd
}

// bind adds the flags that choose how much is shown.
func (f *planFlags) bind(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.full, "full", false, "a line for every change, and nothing cut")
	cmd.Flags().BoolVar(&f.diff, "diff", false, "show what changes of a record as a table")
}

func (c *cli) doPlan(ctx context.Context, f planFlags) error {
	return c.withSession(ctx, func(a *app, s *duck.Session, head *lake.Snapshot) error {
		if err := entityNamed(a.project, f.entity); err != nil {
			return err
		}
		if c.json() {
			changes, err := story.Planned(ctx, s, a.project, head.Clock(time.Now()), f.entity)
			if err != nil {
				return err
			}
			return c.printJSON(changes)
		}
		plan, err := story.ReadPlan(ctx, s, a.project, head.Clock(time.Now()), f.cut())
		if err == nil {
			c.printPlan(plan, f)
		}
		return err
	})
}

func (c *cli) changesCommand() *cobra.Command {
	var f story.Filter
	cmd := &cobra.Command{Use: "changes", Short: "List changes and where each stands", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.State != "" && !oneOf(f.State, changeStates()) {
				return unknownState(f.State)
			}
			return c.withChanges(cmd.Context(), &f, c.printChanges)
		}}
	cmd.Flags().StringVar(&f.Entity, "entity", "", "only this entity")
	cmd.Flags().StringVar(&f.System, "system", "", "only this system")
	cmd.Flags().StringVar(&f.State, "state", "", "only in this state: "+choice(changeStates()))
	cmd.Flags().StringVar(&f.Key, "key", "", "only this key")
	return cmd
}

// withChanges reads the changes that a filter lets through and prints them.
func (c *cli) withChanges(ctx context.Context, f *story.Filter, show func([]story.Change)) error {
	return c.withSession(ctx, func(a *app, s *duck.Session, _ *lake.Snapshot) error {
		if err := errors.Join(entityNamed(a.project, f.Entity), systemNamed(a.project, f.System)); err != nil {
			return err
		}
		changes, err := story.Changes(ctx, s, a.project, *f)
		if err != nil {
			return err
		}
		if c.json() {
			return c.printJSON(changes)
		}
		show(changes)
		return nil
	})
}
