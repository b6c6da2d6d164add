package connector

import (
	"bytes"
	"os"
	"testing"

	"github.com/trueup-data/trueup/pipeline/config"
)

func TestTheSchemaOfTheProjectFileIsCurrent(t *testing.T) {
	want, err := config.JSONSchema(Known())
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../schemas/project.schema.json")
	if err != nil {
		t.Fatalf("%v: run 'make generate' and commit what it writes", err)
	}
	if !bytes.Equal(got, want) {
		t.Error("schemas/project.schema.json is not what the types and tags of the project file say: run 'make generate' and commit it")
	}
}

func TestTheExamplesLoadWithTheRealConnectors(t *testing.T) {
	env := func(name string) (string, bool) {
		switch name {
		case "TRUEUP_STORE":
			return "s3://bucket/prefix", true
		case "PMS_DSN":
			return "postgres://trueup@db.example/pms", true
		}
		return "https://system.example/v1", true
	}
	for _, path := range []string{"../../testdata/projects/rentals/trueup.yaml", "../../testdata/integration/trueup.yaml", "../../cmd/sandbox/story/trueup.yaml", "../../cmd/sandbox/story/bookings.yaml"} {
		if _, err := config.Load(path, env, Known()); err != nil {
			t.Errorf("%s:\n%v", path, err)
		}
	}
}
