package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/review"
	"github.com/trueup-data/trueup/stages/review/story"
)

// withSession opens the project read-only at the head and calls do.
func (c *cli) withSession(ctx context.Context, do func(*app, *duck.Session, uint64) error) (err error) {
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
	return do(a, session, head.Commit().Seq)
}

func (c *cli) planCommand() *cobra.Command {
	var f story.Filter
	cmd := &cobra.Command{Use: "plan", Short: "Show what would be sent, and what waits for a person", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withSession(cmd.Context(), func(a *app, s *duck.Session, _ uint64) error {
				f.Open = true
				changes, err := story.Changes(cmd.Context(), s, a.project, f)
				if err != nil {
					return err
				}
				if c.json() {
					return c.printJSON(changes)
				}
				c.printPlan(changes)
				return nil
			})
		}}
	cmd.Flags().StringVar(&f.Entity, "entity", "", "only this entity")
	return cmd
}

// printPlan writes one line per change, and the counts last.
func (c *cli) printPlan(changes []story.Change) {
	counts := map[string]int64{}
	waiting := map[string]bool{}
	for _, x := range changes {
		c.say("%-8s %-8s %s@%s %s  %s%s", x.State, x.Op, x.Entity, x.System, x.Key, story.Difference(x.Before, x.After), because(x.Reason))
		counts[fmt.Sprintf("%s@%s: %s %s", x.Entity, x.System, x.State, x.Op)]++
		if (x.State == tables.ChangePlanned || x.State == tables.ChangeHeld) && x.Plan != "" {
			waiting[x.Plan] = true
		}
	}
	if len(changes) == 0 {
		c.say("nothing to send: every record agrees, or is a listed difference")
		return
	}
	c.say("")
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		c.say("%s  %s", k, count(counts[k]))
	}
	c.say("%s in all", plural(int64(len(changes)), "change", "changes"))
	for _, plan := range slices.Sorted(maps.Keys(waiting)) {
		c.say("help: trueup approve %s   or   trueup reject %s", plan, plan)
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return "  (" + reason + ")"
}

func (c *cli) changesCommand() *cobra.Command {
	var f story.Filter
	cmd := &cobra.Command{Use: "changes", Short: "List changes and where each stands", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withSession(cmd.Context(), func(a *app, s *duck.Session, _ uint64) error {
				changes, err := story.Changes(cmd.Context(), s, a.project, f)
				if err != nil {
					return err
				}
				if c.json() {
					return c.printJSON(changes)
				}
				rows := make([][]string, len(changes))
				for i, x := range changes {
					rows[i] = []string{x.ID[:min(12, len(x.ID))], x.Entity, x.System, x.Op, x.Key, x.State, story.Difference(x.Before, x.After), x.Reason}
				}
				grid(c.out, []string{"change", "entity", "system", "op", "key", "state", "fields", "reason"}, rows)
				return nil
			})
		}}
	cmd.Flags().StringVar(&f.Entity, "entity", "", "only this entity")
	cmd.Flags().StringVar(&f.System, "system", "", "only this system")
	cmd.Flags().StringVar(&f.State, "state", "", "planned, ready, held, sent, in_doubt, applied, failed, superseded, rejected")
	cmd.Flags().StringVar(&f.Key, "key", "", "only this key")
	return cmd
}

// decideFlags choose what a decision covers.
type decideFlags struct {
	where  string
	expect int
	reason string
	by     string
}

func (c *cli) approveCommand() *cobra.Command {
	return c.decideCommand(review.Approve, "approve [PLAN|CHANGE ...]", "Let planned or held changes be sent; counts from the next load on, for 24 hours")
}

func (c *cli) rejectCommand() *cobra.Command {
	return c.decideCommand(review.Reject, "reject [PLAN|CHANGE ...]", "Keep planned or held changes from being sent until either side changes")
}

func (c *cli) decideCommand(kind, use, short string) *cobra.Command {
	var f decideFlags
	cmd := &cobra.Command{Use: use, Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && f.where == "" {
				return &usageError{err: fmt.Errorf("%s needs a plan, a change, or --where", kind), help: "trueup plan"}
			}
			return c.doDecide(cmd.Context(), kind, args, f)
		}}
	cmd.Flags().StringVar(&f.where, "where", "", "SQL over the columns of changes, such as \"system = 'airbnb' and op = 'delete'\"")
	cmd.Flags().IntVar(&f.expect, "expect", -1, "fail unless exactly so many changes are covered")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, for the record")
	cmd.Flags().StringVar(&f.by, "by", "", "who decides; default: the user of this process")
	return cmd
}

// doDecide stores one decision over everything that args and flags name.
func (c *cli) doDecide(ctx context.Context, kind string, args []string, f decideFlags) error {
	return c.withSession(ctx, func(a *app, s *duck.Session, _ uint64) error {
		chosen, err := story.Choose(ctx, s, a.project, args, f.where)
		if err != nil {
			return err
		}
		if f.expect >= 0 && len(chosen) != f.expect {
			return fmt.Errorf("%s covers %d changes and --expect says %d: nothing was decided", kind, len(chosen), f.expect)
		}
		if len(chosen) == 0 {
			return &usageError{err: fmt.Errorf("no open change matches; nothing was decided"), help: "trueup plan"}
		}
		person, err := personOf(f.by)
		if err != nil {
			return err
		}
		shown, err := json.Marshal(chosen)
		if err != nil {
			return err
		}
		d := review.Decision{ID: newID(), Kind: kind, Target: target(args, f.where), Shown: string(shown), Person: person, Reason: f.reason, At: time.Now()}
		for _, x := range chosen {
			d.Effects = append(d.Effects, x.Effect)
		}
		deps := review.Deps{Lake: a.lake, Engine: a.engine, Writer: a.writerAt}
		if err := review.Decide(ctx, deps, d); err != nil {
			return err
		}
		c.say("%s %s of %s; counts from the next load on", kind, plural(int64(len(chosen)), "change", "changes"), person)
		if kind == review.Approve {
			c.say("next: trueup load")
		}
		return nil
	})
}

func target(args []string, where string) string {
	if where != "" {
		args = append(args, "where "+where)
	}
	return strings.Join(args, " ")
}

func personOf(by string) (string, error) {
	if by != "" {
		return by, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", &usageError{err: fmt.Errorf("who decides is not known: %w", err), help: "add --by NAME"}
	}
	return u.Username, nil
}
