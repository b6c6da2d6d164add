package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/stages/review/story"
)

// statusReport is what status gives to programs.
type statusReport struct {
	Project string `json:"project"`
	Holder  string `json:"running,omitempty"` // the run that holds the lease
	story.Status
	Schedules []scheduleReport `json:"schedules,omitempty"`
}

func (c *cli) statusCommand() *cobra.Command {
	return &cobra.Command{Use: "status", Short: "Where everything stands, in one look", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withSession(cmd.Context(), func(a *app, s *duck.Session, head *lake.Snapshot) error {
				st, err := story.ReadStatus(cmd.Context(), s, a.project)
				if err != nil {
					return err
				}
				st.Commit = head.Seq()
				r := statusReport{Project: a.project.Name, Status: st}
				if r.Holder, _, err = a.lake.Holder(cmd.Context()); err != nil {
					return err
				}
				if r.Schedules, err = scheduleReports(cmd.Context(), s, a.project, r.Holder, time.Now()); err != nil {
					return err
				}
				if c.json() {
					return c.printJSON(r)
				}
				c.printStatus(r)
				c.printSchedules(r.Schedules)
				return nil
			})
		}}
}

func (c *cli) runsCommand() *cobra.Command {
	var n int
	cmd := &cobra.Command{Use: "runs", Short: "List the last runs", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if n < 1 {
				return &usageError{err: fmt.Errorf("--last is %d; it is 1 or more", n), help: "trueup runs --help"}
			}
			return c.withSession(cmd.Context(), func(a *app, s *duck.Session, _ *lake.Snapshot) error {
				runs, err := story.Runs(cmd.Context(), s, n)
				if err != nil {
					return err
				}
				if c.json() {
					return c.printJSON(runs)
				}
				holder, _, err := a.lake.Holder(cmd.Context())
				c.printRuns(runs, holder)
				return err
			})
		}}
	cmd.Flags().IntVar(&n, "last", 20, "how many")
	return cmd
}

func (c *cli) explainCommand() *cobra.Command {
	return &cobra.Command{Use: "explain ENTITY KEY | CODE", Short: "Show where one record stands in every system, and tell its story; or say what an error code means", Args: recordOrCode,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return c.explainCode(args[0])
			}
			return c.withSession(cmd.Context(), func(a *app, s *duck.Session, _ *lake.Snapshot) error {
				if err := entityNamed(a.project, args[0]); err != nil {
					return err
				}
				r, err := story.Explain(cmd.Context(), s, a.project, args[0], args[1])
				if err != nil {
					return err
				}
				if !r.Known && len(r.Chapters) == 0 {
					return unknownKey(cmd.Context(), a, s, args[0], args[1])
				}
				if c.json() {
					return c.printJSON(r)
				}
				c.printRecord(r)
				return nil
			})
		}}
}

// recordOrCode is for explain.
func recordOrCode(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return argumentsNamed("an entity", "a key")(cmd, args)
	}
	if _, known := fault.CodeNamed(args[0]); known {
		return nil
	}
	var names []string
	for _, code := range fault.Codes() {
		names = append(names, code.Name)
	}
	e := &usageError{err: fmt.Errorf("%s needs an entity and a key, or a code; %q is no code", cmd.CommandPath(), args[0]), help: "trueup explain ENTITY KEY; docs/errors.md lists the codes"}
	if near := config.Nearest(args[0], names); near != "" {
		e.help = "trueup explain " + near + ", or trueup explain ENTITY KEY"
	}
	return e
}

// explainCode says what an error code means.
func (c *cli) explainCode(name string) error {
	code, _ := fault.CodeNamed(name) // the arguments were checked
	if c.json() {
		return c.printJSON(code)
	}
	c.say("%s: %s\n", c.paint(bold, code.Name), code.Title)
	c.say("%s\n", code.Meaning)
	c.say("note: %s\nhelp: %s", code.Safe, code.Do)
	return nil
}

// unknownKey says which keys look like one that is not there.
func unknownKey(ctx context.Context, a *app, s *duck.Session, entity, key string) error {
	near, err := story.Near(ctx, s, a.project, entity, key)
	if err != nil {
		return err
	}
	e := &usageError{err: fmt.Errorf("nothing is known of %s %q", entity, key), help: fmt.Sprintf(`trueup query "select key from golden where entity = '%s' limit 20"`, entity)}
	if len(near) > 0 {
		e.help = "perhaps " + choice(near) + " was meant"
	}
	return e
}
