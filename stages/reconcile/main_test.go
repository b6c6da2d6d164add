package reconcile

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain keeps the games few unless -rapid.checks says how many: one game
// judges several hundred situations, and 100 of them take some minutes.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		if err := flag.Set("rapid.checks", "4"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	os.Exit(m.Run())
}
