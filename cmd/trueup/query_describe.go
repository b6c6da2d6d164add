package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/stages/review/story"
)

// nothing is a lake without files: enough to say what the views are.
type nothing struct{}

// Files gives none.
func (nothing) Files(context.Context, string) ([]lake.File, error) { return nil, nil }

// viewsOf are the views of a project. It needs neither its store nor its systems.
func (c *cli) viewsOf(ctx context.Context, project *config.Project) ([]story.View, error) {
	engine, err := duck.Open(duck.Options{TempDir: filepath.Join(projectDir(c.flags.project), ".trueup", "tmp")})
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	session, err := engine.Session(ctx, nothing{})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	sources := story.Sources(project)
	if err := story.Bind(ctx, session, sources); err != nil {
		return nil, err
	}
	return story.Describe(ctx, session, sources)
}

// describeViews prints what queries can ask: all views, or one with its columns.
func (c *cli) describeViews(ctx context.Context, args []string) error {
	project, err := c.loadProject()
	if err != nil {
		return err
	}
	views, err := c.viewsOf(ctx, project)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		v, err := viewNamed(views, args[0])
		if err != nil {
			return err
		}
		views = []story.View{v}
	}
	if c.json() {
		return c.printJSON(views)
	}
	if len(args) == 1 {
		c.printColumns(views[0])
		return nil
	}
	c.printViews(views, true)
	return nil
}

// viewNamed refuses a view that is not there.
func viewNamed(views []story.View, name string) (story.View, error) {
	var known []string
	for _, v := range views {
		if v.Name == name {
			return v, nil
		}
		known = append(known, v.Name)
	}
	e := &usageError{err: fmt.Errorf("there is no view %q", name), help: "trueup query --describe"}
	if near := config.Nearest(name, known); near != "" {
		e.err = fmt.Errorf("there is no view %q; perhaps %s was meant", name, near)
	}
	return story.View{}, e
}

// printViews lists the views with what they show, and if whole with their
// columns; then the tables that they are made of.
func (c *cli) printViews(views []story.View, whole bool) {
	var list, stored [][]string
	for _, v := range views {
		switch {
		case v.Stored:
			stored = append(stored, []string{v.Name, v.Shows})
		case whole:
			c.printColumns(v)
			c.say("")
		default:
			list = append(list, []string{v.Name, v.Shows})
		}
	}
	if !whole {
		grid(c.out, []string{"view", "shows"}, list)
		c.say("")
	}
	grid(c.out, []string{"table", "shows"}, stored)
}

// printColumns says what the columns of a view mean.
func (c *cli) printColumns(v story.View) {
	c.say("%s: %s", v.Name, v.Shows)
	name, kind := 0, 0
	for _, x := range v.Columns {
		name, kind = max(name, len(x.Name)), max(kind, len(x.Type))
	}
	for _, x := range v.Columns {
		if x.Means == "" {
			c.say("  %-*s  %s", name, x.Name, x.Type)
			continue
		}
		c.say("  %-*s  %-*s  %s", name, x.Name, kind, x.Type, x.Means)
	}
}
