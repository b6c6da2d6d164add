package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/stages/review"
	"github.com/trueup-data/trueup/stages/review/story"
)

// decideFlags choose what a decision covers.
type decideFlags struct {
	where  string
	expect int
	reason string
	by     string
}

func (c *cli) approveCommand() *cobra.Command {
	return c.decideCommand(review.Approve, "approve [PLAN|CHANGE|FINDING ...]",
		"Let planned or held changes be sent, or what a quarantined stream said be judged; for 24 hours")
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

// doDecide stores what a person says of everything that args and flags name.
func (c *cli) doDecide(ctx context.Context, kind string, args []string, f decideFlags) error {
	return c.withSession(ctx, func(a *app, s *duck.Session, _ *lake.Snapshot) error {
		lifted, err := story.Quarantines(ctx, s, args)
		if err != nil {
			return err
		}
		if len(lifted) > 0 {
			return c.lift(ctx, a, kind, args, f, lifted)
		}
		chosen, err := story.Choose(ctx, s, a.project, args, f.where)
		if err != nil {
			return chooseError(err)
		}
		chosen, kept := withoutRejected(kind, args, f, chosen)
		if f.expect >= 0 && len(chosen) != f.expect {
			return fault.New(fault.Permanent, kind, fmt.Errorf("it covers %s, and --expect says %d", plural(int64(len(chosen)), "change", "changes"), f.expect)).
				WithHelp("trueup plan").WithNote("nothing was decided")
		}
		if len(chosen) == 0 {
			return &usageError{err: errors.New("no open change matches; nothing was decided"), help: "trueup plan"}
		}
		person, err := personOf(f.by)
		if err != nil {
			return err
		}
		deps := review.Deps{Lake: a.lake, Engine: a.engine, Writer: a.writerAt}
		for _, d := range decisions(kind, args, f, chosen) {
			d.Person = person
			if err := review.Decide(ctx, deps, d); err != nil {
				return err
			}
		}
		return c.sayDecided(kind, person, chosen, kept)
	})
}

// withoutRejected leaves out what a person rejected when its plan is approved as
// a whole: only naming such a change itself, or a condition, takes that back.
func withoutRejected(kind string, args []string, f decideFlags, chosen []story.Change) (rest []story.Change, kept int) {
	if kind != review.Approve || f.where != "" {
		return chosen, 0
	}
	for _, x := range chosen {
		named := slices.ContainsFunc(args, func(n string) bool { return n != x.Plan && strings.HasPrefix(x.ID, n) })
		if x.Word != nil && x.Word.Kind == review.Reject && !named {
			kept++
			continue
		}
		rest = append(rest, x)
	}
	return rest, kept
}

// chooseError tells a mistake in --where from a failure.
func chooseError(err error) error {
	if fault.CodeOf(err) == duck.CodeStatement || fault.CodeOf(err) == duck.CodeValue {
		return &usageError{err: errors.New("--where: " + explained(err)), help: "trueup query --describe lists the columns of changes"}
	}
	return err
}

// decisions are one for every plan, since a system joins by the approval of its
// plan, and one for the rest.
func decisions(kind string, args []string, f decideFlags, chosen []story.Change) []review.Decision {
	at := time.Now()
	var out []review.Decision
	rest, others := chosen, args
	for _, name := range slices.Compact(slices.Sorted(slices.Values(args))) {
		of := func(x story.Change) bool { return x.Plan == name }
		if !slices.ContainsFunc(chosen, of) {
			continue
		}
		covered := slices.DeleteFunc(slices.Clone(chosen), func(x story.Change) bool { return !of(x) })
		out = append(out, decision(kind, name, f.reason, at, covered))
		rest = slices.DeleteFunc(slices.Clone(rest), of)
		others = slices.DeleteFunc(slices.Clone(others), func(n string) bool { return n == name })
	}
	if len(rest) == 0 {
		return out
	}
	if f.where != "" {
		others = append(slices.Clone(others), "where "+f.where)
	}
	return append(out, decision(kind, strings.Join(others, " "), f.reason, at, rest))
}

func decision(kind, target, reason string, at time.Time, covered []story.Change) review.Decision {
	d := review.Decision{ID: newID(), Kind: kind, Target: target, Reason: reason, At: at}
	for _, x := range covered {
		d.Effects = append(d.Effects, x.Effect)
	}
	if shown, err := json.Marshal(covered); err == nil { // they were read from JSON
		d.Shown = string(shown)
	}
	return d
}

func (c *cli) sayDecided(kind, person string, chosen []story.Change, kept int) error {
	if c.json() {
		return c.printJSON(map[string]any{"decision": kind, "by": person, "changes": chosen})
	}
	if kind == review.Approve {
		c.say("approved %s, by %s; counts from the next load on, for %.0f hours", plural(int64(len(chosen)), "change", "changes"), person, review.Lifetime.Hours())
		if kept > 0 {
			c.say("note: %s of the plan stay rejected; name them to approve them too", plural(int64(kept), "change", "changes"))
		}
		c.say("next: trueup load")
		return nil
	}
	c.say("rejected %s, by %s; the next run withdraws them, and they come back only if either side changes", plural(int64(len(chosen)), "change", "changes"), person)
	c.say("next: trueup run")
	return nil
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
