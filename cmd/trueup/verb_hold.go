package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/review"
	"github.com/trueup-data/trueup/stages/review/story"
)

// holdFlags say what a person decides of a hold.
type holdFlags struct {
	take   string
	values []string
	leave  bool
	reason string
	by     string
}

func (c *cli) decideHoldCommand() *cobra.Command {
	var f holdFlags
	cmd := &cobra.Command{Use: "decide [HOLD]", Short: "List what waits for a person, or settle one: take a side, give a value, or leave the difference",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen := f.chosen()
			switch {
			case len(args) == 0 && chosen == 0:
				return c.listHolds(cmd.Context())
			case len(args) == 0:
				return &usageError{err: errors.New("decide needs a hold"), help: "trueup decide lists them"}
			case chosen != 1:
				return &usageError{err: errors.New("decide needs exactly one of --take, --value and --leave"), help: "trueup decide lists what each hold is about"}
			}
			return c.decideHold(cmd.Context(), args[0], f)
		}}
	cmd.Flags().StringVar(&f.take, "take", "", "a system of the hold, golden, or base (what the sides had before); of a presence keep, delete or golden")
	cmd.Flags().StringArrayVar(&f.values, "value", nil, "FIELD=VALUE, for each field of the hold; FIELD= clears it")
	cmd.Flags().BoolVar(&f.leave, "leave", false, "leave the difference as it is, until either side changes")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, for the record")
	cmd.Flags().StringVar(&f.by, "by", "", "who decides; default: the user of this process")
	return cmd
}

// chosen counts the ways of deciding that were given.
func (f holdFlags) chosen() int {
	n := 0
	for _, given := range []bool{f.take != "", len(f.values) > 0, f.leave} {
		if given {
			n++
		}
	}
	return n
}

func (c *cli) listHolds(ctx context.Context) error {
	return c.withSession(ctx, func(_ *app, s *duck.Session, _ *lake.Snapshot) error {
		holds, err := story.Holds(ctx, s, "")
		if err != nil {
			return err
		}
		if c.json() {
			return c.printJSON(map[string]any{"holds": holds})
		}
		if len(holds) == 0 {
			c.say("nothing waits for a decision")
			return nil
		}
		for _, h := range holds {
			c.sayHold(h)
		}
		c.say("next: trueup decide HOLD --take SYSTEM, golden or base | --value FIELD=VALUE | --leave")
		return nil
	})
}

func (c *cli) sayHold(h review.Hold) {
	c.say("%s  %s %s: %s (%s)", h.Short(), h.Entity, h.Key, h.About(), h.Reason)
	if h.Field == "" {
		return
	}
	golden := map[string]string{}
	for f, v := range h.Golden {
		golden[f] = shownText(v.State, v.Value)
	}
	c.say("    golden: %s", fieldTexts(golden))
	for _, system := range slices.Sorted(maps.Keys(h.Sides)) {
		now, before := map[string]string{}, map[string]string{}
		for f, v := range h.Sides[system].Fields {
			now[f], before[f] = shownText(v.State, v.Value.Value), shownText(v.BaseState, v.Base)
		}
		c.say("    %s: %s (before: %s)", system, fieldTexts(now), fieldTexts(before))
	}
}

// shownText is a value for people.
func shownText(state string, value *string) string {
	switch {
	case value != nil:
		return *value
	case state == "null":
		return "cleared"
	}
	return "never set"
}

func fieldTexts(values map[string]string) string {
	var out []string
	for _, f := range slices.Sorted(maps.Keys(values)) {
		out = append(out, f+" "+values[f])
	}
	return strings.Join(out, ", ")
}

// decideHold stores what a person says of one hold.
func (c *cli) decideHold(ctx context.Context, name string, f holdFlags) error {
	return c.withSession(ctx, func(a *app, s *duck.Session, _ *lake.Snapshot) error {
		holds, err := story.Holds(ctx, s, name)
		if err != nil {
			return err
		}
		if len(holds) != 1 {
			return fault.New(fault.Permanent, "decide", fmt.Errorf("%s open match %q", plural(int64(len(holds)), "hold is", "holds are"), name)).
				WithHelp("trueup decide lists the open ones").WithNote("nothing was decided")
		}
		choice, err := chooseOf(ctx, s, a.project, holds[0], f)
		if err != nil {
			return err
		}
		person, err := personOf(f.by)
		if err != nil {
			return err
		}
		text, err := choice.JSON()
		if err != nil {
			return err
		}
		d := review.Decision{ID: newID(), Kind: review.Settle, Target: holds[0].ID, Shown: holds[0].Shown, Choice: text, Person: person, Reason: f.reason, At: time.Now()}
		if err := review.Decide(ctx, review.Deps{Lake: a.lake, Engine: a.engine, Writer: a.writerAt}, d); err != nil {
			return err
		}
		return c.sayHoldDecided(holds[0], choice, person)
	})
}

func (c *cli) sayHoldDecided(h review.Hold, choice review.Choice, person string) error {
	if c.json() {
		return c.printJSON(map[string]any{"decision": review.Settle, "by": person, "hold": h, "choice": choice})
	}
	c.say("decided hold %s on %s of %s %s, by %s; counts from the next reconcile on", h.Short(), h.About(), h.Entity, h.Key, person)
	c.say("next: trueup run")
	return nil
}

// chooseOf makes the choice that the flags ask for.
func chooseOf(ctx context.Context, s *duck.Session, project *config.Project, h review.Hold, f holdFlags) (review.Choice, error) {
	switch {
	case f.leave:
		return review.Choice{Leave: true}, nil
	case f.take != "":
		return h.Take(f.take)
	}
	entity, _ := project.Entity(h.Entity)
	values := map[string]*string{}
	for _, given := range f.values {
		name, text, ok := strings.Cut(given, "=")
		if !ok {
			return review.Choice{}, &usageError{err: fmt.Errorf("--value %s is not FIELD=VALUE", given), help: "trueup decide --help"}
		}
		values[name] = nil
		field, known := entity.Field(name)
		if text == "" || !known {
			continue // Values names a field that the hold is not about
		}
		canonical, err := canonicalOf(ctx, s, field, text)
		if err != nil {
			return review.Choice{}, err
		}
		values[name] = &canonical
	}
	return h.Values(values)
}

// canonicalOf is the one text of a value that a person wrote.
func canonicalOf(ctx context.Context, s *duck.Session, field config.EntityField, text string) (string, error) {
	value := schemas.NormalizeSQL("TRY_CAST($1 AS "+field.Type.DuckDB()+")", field.Normalize)
	exact := "true"
	if field.Type.Kind == schemas.Decimal {
		exact = "TRY_CAST($1 AS DECIMAL(38, 18)) = " + value
	}
	rows, err := s.Query(ctx, "SELECT "+schemas.CanonicalSQL(field.Type, value)+" WHERE "+value+" IS NOT NULL AND "+exact, text)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var out string
	if !rows.Next() {
		return "", &usageError{err: fmt.Errorf("%q is no %s, which %s is", text, field.Type, field.Name), help: "trueup decide --help"}
	}
	if err := rows.Scan(&out); err != nil {
		return "", err
	}
	if field.Type.Kind == schemas.Enum && !slices.Contains(field.Type.Values, out) {
		return "", &usageError{err: fmt.Errorf("%q is none of the values of %s", text, field.Name), help: "it can be " + strings.Join(field.Type.Values, ", ")}
	}
	return out, rows.Err()
}
