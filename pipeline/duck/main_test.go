//go:build duckdb_arrow

package duck

import (
	"flag"
	"os"
	"testing"
)

// TestMain keeps the property tests short unless -rapid.checks says how long:
// each case writes files and asks DuckDB several times.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		if err := flag.Set("rapid.checks", "30"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
