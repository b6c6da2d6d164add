// Command schemagen writes the JSON Schema of a project file, for editors, to
// the path given. It is run by go generate.
package main

import (
	"fmt"
	"os"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/stages/connector"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schemagen PATH")
		os.Exit(2)
	}
	schema, err := config.JSONSchema(connector.Known())
	if err == nil {
		err = os.WriteFile(os.Args[1], schema, 0o644) //nolint:gosec // the schema is public: everybody may read it
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "schemagen: %v\n", err)
		os.Exit(1)
	}
}
