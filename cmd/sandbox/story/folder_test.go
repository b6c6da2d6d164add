package story

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/stages/connector/rest"
)

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyAFolderOfADemoIsEmptied(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "demo")
	for range 2 { // made, then emptied
		if err := prepare(dir); err != nil {
			t.Fatal(err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Fatalf("%v is left", entries)
		}
		if err := os.MkdirAll(filepath.Join(dir, ".trueup", "store"), 0o750); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, ".trueup", "store", "head"))
	}

	precious := filepath.Join(t.TempDir(), "precious")
	write(t, precious)
	err := prepare(filepath.Dir(precious))
	if err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(precious)); len(entries) != 1 {
		t.Fatalf("%v", entries)
	}
}

func serve(t *testing.T) *world.Servers {
	t.Helper()
	w, err := world.New(world.Options{Whole: true})
	if err != nil {
		t.Fatal(err)
	}
	servers, err := w.Serve(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = servers.Close() })
	return servers
}

func TestTheDemosFileNeedsNoEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trueup.yaml")
	servers := serve(t)
	if err := os.WriteFile(path, projectFor(servers.Env()), 0o600); err != nil {
		t.Fatal(err)
	}
	project, err := config.Load(path, func(string) (string, bool) { return "", false }, config.Known{"rest": rest.Keys()})
	if err != nil {
		t.Fatal(err)
	}
	if project.Lease != demoLease || project.Systems[0].Limits.Timeout != demoTimeout || strings.Contains(project.Store, "$") {
		t.Fatalf("lease %s, timeout %s, store %s", project.Lease, project.Systems[0].Limits.Timeout, project.Store)
	}
}
