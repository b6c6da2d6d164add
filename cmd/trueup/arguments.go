package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/config"
)

// usageError is a mistake on the command line.
type usageError struct {
	err  error
	help string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// knownVerb refuses a verb that does not exist, with the nearest one.
func knownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var verbs []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			verbs = append(verbs, c.Name())
		}
	}
	e := &usageError{err: fmt.Errorf("there is no verb %q", args[0]), help: "trueup --help"}
	if near := config.Nearest(args[0], verbs); near != "" {
		e.help = "trueup " + near + ", or trueup --help"
	}
	return e
}

// noArguments is for verbs that take flags only.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{err: fmt.Errorf("%s takes no argument, and got %q", cmd.CommandPath(), strings.Join(args, " ")), help: cmd.CommandPath() + " --help"}
	}
	return nil
}

// argumentsNamed is for verbs that need exactly these arguments.
func argumentsNamed(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return &usageError{err: fmt.Errorf("%s needs %s, and got %s", cmd.CommandPath(), strings.Join(names, " and "), plural(int64(len(args)), "argument", "arguments")),
				help: "trueup " + cmd.Use}
		}
		return nil
	}
}

// oneStatement is for query.
func oneStatement(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return &usageError{err: errors.New("the statement is one argument: put it into quotes"), help: `trueup query "select * from runs"`}
	}
	return nil
}

// entityNamed refuses an entity that the project does not have.
func entityNamed(project *config.Project, name string) error {
	if name == "" || slices.ContainsFunc(project.Entities, func(e config.Entity) bool { return e.Name == name }) {
		return nil
	}
	var known []string
	for _, e := range project.Entities {
		known = append(known, e.Name)
	}
	return unknownName("entity", name, known)
}

// systemNamed refuses a system that the project does not have.
func systemNamed(project *config.Project, name string) error {
	var known []string
	for _, s := range project.Systems {
		known = append(known, s.Name)
	}
	if name == "" || slices.Contains(known, name) {
		return nil
	}
	return unknownName("system", name, known)
}

func unknownName(what, name string, known []string) error {
	e := &usageError{err: fmt.Errorf("the project has no %s %q; it has %s", what, name, strings.Join(known, ", ")), help: "name one of them"}
	if near := config.Nearest(name, known); near != "" {
		e.help = "perhaps " + near + " was meant"
	}
	return e
}

// choice lists what a flag can be.
func choice(allowed []string) string {
	if len(allowed) < 2 {
		return strings.Join(allowed, "")
	}
	return strings.Join(allowed[:len(allowed)-1], ", ") + " or " + allowed[len(allowed)-1]
}
