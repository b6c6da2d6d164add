// Package connector lists the connectors that there are, with the keys that each
// adds to a project file. Adding a connector is one line here and one where the
// program is composed. It must never hold behaviour of a connector.
package connector

import (
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/stages/connector/postgres"
	"github.com/trueup-data/trueup/stages/connector/rest"
)

//go:generate go run ./schemagen ../../schemas/project.schema.json

// Known is every connector by its name in a project file, for config.Load and
// config.JSONSchema.
func Known() config.Known {
	return config.Known{
		"rest":     rest.Keys(),
		"postgres": postgres.Keys(),
	}
}
