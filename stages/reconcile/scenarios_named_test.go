package reconcile

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cell is the last one of a row of a table, where it lists names.
var cell = regexp.MustCompile(`(?m)^\|[^|]+\| ([a-z0-9-]+(?:, [a-z0-9-]+)*) \|$`)

// Each story is named by a rule in the README beside the folders, and each one that
// is named is there: a rule whose story is taken away does not go unnoticed.
func TestEveryScenarioIsNamedByItsRule(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(scenarioRoot, "README.md"))
	must(t, err)
	var named, there []string
	for _, row := range cell.FindAllStringSubmatch(string(text), -1) {
		if heading := row[1] == "stories" || row[1] == "meaning"; !heading {
			named = append(named, strings.Split(row[1], ", ")...)
		}
	}
	starts, err := filepath.Glob(filepath.Join(scenarioRoot, "*", "start.yaml"))
	must(t, err)
	for _, start := range starts {
		there = append(there, filepath.Base(filepath.Dir(start)))
	}
	slices.Sort(named)
	if diff := cmp.Diff(there, slices.Compact(named)); diff != "" {
		t.Errorf("stories that no rule names (-), and names without a story (+):\n%s", diff)
	}
}
