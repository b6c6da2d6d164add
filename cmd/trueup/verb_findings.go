package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/stages/monitor"
	"github.com/trueup-data/trueup/stages/review/story"
)

// findingsReport is what findings gives to programs.
type findingsReport struct {
	Incidents []story.Incident `json:"incidents"`
	Overdue   []monitor.Late   `json:"overdue"` // as of now, without a run that says so
}

func (c *cli) findingsCommand() *cobra.Command {
	var f story.FindingFilter
	cmd := &cobra.Command{Use: "findings [FINDING]", Short: "What a person should know: observed, expected, the evidence, and what to do", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.ID = args[0]
			}
			return c.withSession(cmd.Context(), func(a *app, s *duck.Session, _ *lake.Snapshot) error {
				if err := systemNamed(a.project, f.System); err != nil {
					return err
				}
				var r findingsReport
				var err error
				if r.Incidents, err = story.Incidents(cmd.Context(), s, f); err != nil {
					return err
				}
				if f.ID != "" && len(r.Incidents) == 0 {
					return &usageError{err: fmt.Errorf("no finding begins with %q; eight characters or more are needed", f.ID), help: "trueup findings --all"}
				}
				if r.Overdue, err = monitor.Overdue(cmd.Context(), s, a.project, time.Now()); err != nil {
					return err
				}
				if len(r.Incidents) == 0 && f.Kind != "" {
					kinds, err := monitor.Kinds(cmd.Context(), s)
					if err != nil {
						return err
					}
					if near := config.Nearest(f.Kind, kinds); near != "" && near != f.Kind {
						return &usageError{err: fmt.Errorf("there is no finding of kind %q", f.Kind), help: "perhaps " + near + " was meant"}
					}
				}
				if c.json() {
					return c.printJSON(r)
				}
				c.printFindings(r, f)
				return nil
			})
		}}
	cmd.Flags().BoolVar(&f.All, "all", false, "resolved ones as well")
	cmd.Flags().StringVar(&f.Kind, "kind", "", "only this kind, such as volume_drop")
	cmd.Flags().StringVar(&f.System, "system", "", "only this system")
	return cmd
}

// printFindings writes each incident, what names it first and the rest below it.
func (c *cli) printFindings(r findingsReport, f story.FindingFilter) {
	for _, i := range r.Incidents {
		c.printFinding("", i.Finding)
		for _, m := range i.Members {
			c.printFinding("  ", m)
		}
		c.printEvidence(i, f.ID != "")
	}
	if f.ID == "" {
		for _, l := range r.Overdue {
			c.say("overdue: %s@%s was %s now; expected: %s\nhelp: trueup runs, then trueup run", l.Entity, l.System, l.Observed, l.Expected)
		}
	}
	if len(r.Incidents) == 0 && len(r.Overdue) == 0 {
		c.say("no finding is open%s", map[bool]string{true: "", false: " of that kind"}[f.Kind == "" && f.System == ""])
	}
}

// printFinding is one finding in two lines.
func (c *cli) printFinding(indent string, f story.Finding) {
	state := f.Severity
	if f.State != "open" {
		state = f.State
	}
	c.say("%s%-8s  %s  %s %s, since %s", indent, shortID(f.Finding), state, f.Kind, about(f), stamp(f.FirstSeen))
	c.say("%s          %s; expected: %s", indent, c.secrets.Text(f.Observed), f.Expected)
}

// printEvidence says what to do about an incident. In full it has the query of
// each of its findings.
func (c *cli) printEvidence(i story.Incident, full bool) {
	if !full {
		if i.State == "open" {
			c.say("          help: %s", i.Help)
		}
		c.say("          next: trueup findings %s", shortID(i.Finding.Finding))
		return
	}
	for _, f := range append([]story.Finding{i.Finding}, i.Members...) {
		c.say("\n%s was seen from %s to %s, first in run %s, last in run %s", f.Kind, stamp(f.FirstSeen), stamp(f.LastSeen), f.FirstRun, f.Run)
		c.say("evidence: trueup query \"%s\"", strings.ReplaceAll(f.Evidence, `"`, `\"`))
		c.say("help: %s", f.Help)
	}
	if i.Incident != i.Finding.Finding {
		c.say("\nit belongs to an incident: trueup findings %s", shortID(i.Incident))
	}
}

// about is what a finding concerns: bookings@pms, a system, a field, a key.
func about(f story.Finding) string {
	name := f.Entity + "@" + f.System
	switch {
	case f.Entity == "":
		name = f.System
	case f.System == "":
		name = f.Entity
	}
	parts := slices.DeleteFunc([]string{name, f.Field, f.Key}, func(s string) bool { return s == "" })
	return strings.Join(parts, " ")
}

// shortID is enough of an ID to tell findings apart.
func shortID(id string) string { return id[:min(8, len(id))] }
