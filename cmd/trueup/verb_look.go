package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/stages/review/story"
)

func (c *cli) statusCommand() *cobra.Command {
	return &cobra.Command{Use: "status", Short: "Where everything stands, in one look", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withSession(cmd.Context(), func(a *app, s *duck.Session, seq uint64) error {
				st, err := story.ReadStatus(cmd.Context(), s, a.project)
				if err != nil {
					return err
				}
				st.Commit = seq
				if c.json() {
					return c.printJSON(st)
				}
				c.printStatus(a.project, st)
				return nil
			})
		}}
}

func (c *cli) printStatus(project *config.Project, st story.Status) {
	c.say("project %s at commit %d", project.Name, st.Commit)
	for _, r := range st.Runs {
		c.say("last run %s: %s, %s, at %s", r.Run, r.Mode, r.State, r.RunAt.UTC().Format(time.RFC3339))
	}
	if len(st.Runs) == 0 {
		c.say("no run yet\nnext: trueup run --mode sweep")
		return
	}
	c.say("")
	var rows [][]string
	for _, p := range st.Streams {
		proof := "unproven"
		if p.Proven {
			proof = "proven"
		}
		rows = append(rows, []string{p.Stream, p.Partition, p.Mode, p.State, proof, count(p.Rows), p.Reason})
	}
	grid(c.out, []string{"stream", "partition", "mode", "state", "completeness", "rows", "reason"}, rows)
	c.say("")
	for _, state := range slices.Sorted(maps.Keys(st.Changes)) {
		c.say("changes %s: %s", state, count(st.Changes[state]))
	}
	if len(st.Changes) == 0 {
		c.say("no change waits")
	}
	for _, f := range st.Findings {
		c.say("finding %-4s %s %s@%s %s  %s", f.Severity, f.Kind, f.Entity, f.System, f.Key, f.Observed)
		if f.Help != "" {
			c.say("help: %s", f.Help)
		}
	}
}

func (c *cli) runsCommand() *cobra.Command {
	var n int
	cmd := &cobra.Command{Use: "runs", Short: "List the last runs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withSession(cmd.Context(), func(_ *app, s *duck.Session, _ uint64) error {
				runs, err := story.Runs(cmd.Context(), s, n)
				if err != nil {
					return err
				}
				if c.json() {
					return c.printJSON(runs)
				}
				var rows [][]string
				for _, r := range runs {
					took := ""
					if r.Ended != nil {
						took = r.Ended.Sub(r.Started).Round(time.Millisecond).String()
					}
					rows = append(rows, []string{r.Run, r.Mode, r.State, r.RunAt.UTC().Format(time.RFC3339), took})
				}
				grid(c.out, []string{"run", "mode", "state", "run_at", "took"}, rows)
				return nil
			})
		}}
	cmd.Flags().IntVar(&n, "last", 20, "how many")
	return cmd
}

func (c *cli) explainCommand() *cobra.Command {
	return &cobra.Command{Use: "explain ENTITY KEY", Short: "Tell the story of one record", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withSession(cmd.Context(), func(a *app, s *duck.Session, _ uint64) error {
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
		rows = append(rows, []string{f, r.Golden[f]})
	}
	grid(c.out, []string{"field", "golden"}, rows)
	for _, s := range slices.Sorted(maps.Keys(r.Shown)) {
		c.say("%s shows %s: %s", s, r.IDs[s], fields(r.Shown[s]))
	}
	c.say("")
	for _, e := range r.Events {
		c.say("%s  %-10s %-10s %s%s", e.At.UTC().Format(time.RFC3339), e.What, e.System, e.Text, withFields(e.Values))
	}
}

func fields(values map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, k+"="+values[k])
	}
	return strings.Join(parts, " ")
}

func withFields(values map[string]string) string {
	if len(values) == 0 {
		return ""
	}
	return "  " + fields(values)
}
