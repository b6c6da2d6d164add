package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/duck"
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
			return c.withSession(cmd.Context(), func(a *app, s *duck.Session, seq uint64) error {
				st, err := story.ReadStatus(cmd.Context(), s, a.project)
				if err != nil {
					return err
				}
				st.Commit = seq
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
			return c.withSession(cmd.Context(), func(a *app, s *duck.Session, _ uint64) error {
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
	return &cobra.Command{Use: "explain ENTITY KEY", Short: "Tell the story of one record", Args: argumentsNamed("an entity", "a key"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withSession(cmd.Context(), func(a *app, s *duck.Session, _ uint64) error {
				if err := entityNamed(a.project, args[0]); err != nil {
					return err
				}
				r, err := story.Explain(cmd.Context(), s, a.project, args[0], args[1])
				if err != nil {
					return err
				}
				if !r.Known && len(r.Events) == 0 {
					return &usageError{err: fmt.Errorf("nothing is known of %s %q", args[0], args[1]), help: fmt.Sprintf("trueup query 'select _key from golden_%s limit 20'", args[0])}
				}
				if c.json() {
					return c.printJSON(r)
				}
				c.printRecord(r)
				return nil
			})
		}}
}

func (c *cli) printRecord(r story.Record) {
	state := "live"
	switch {
	case !r.Known:
		state = "not resolved yet"
	case !r.Live:
		state = "deleted"
	}
	c.say("%s %s: %s", r.Entity, r.Key, state)
	var rows [][]string
	for _, f := range slices.Sorted(maps.Keys(r.Golden)) {
		rows = append(rows, []string{f, oneLine(r.Golden[f])})
	}
	grid(c.out, []string{"field", "golden"}, rows)
	for _, s := range slices.Sorted(maps.Keys(r.Shown)) {
		c.say("%s shows %s: %s", s, r.IDs[s], fields(r.Shown[s]))
	}
	c.say("")
	for _, e := range r.Events {
		c.say("%s  %-10s %-10s %s%s", stamp(e.At), e.What, e.System, e.Text, withFields(e.Values))
	}
}

func fields(values map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, k+"="+oneLine(values[k]))
	}
	return strings.Join(parts, " ")
}

// oneLine quotes a value whose beginning, end or line breaks would not show in a line.
func oneLine(v string) string {
	if v == "" || strings.ContainsAny(v, " \"\n\r\t") {
		return strconv.Quote(v)
	}
	return v
}

func withFields(values map[string]string) string {
	if len(values) == 0 {
		return ""
	}
	return "  " + fields(values)
}
