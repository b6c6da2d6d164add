package reconcile

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain keeps the games few, and the same ones, unless -rapid.checks says how
// many: one game judges several hundred situations, and 100 of them take some
// minutes. Whoever looks for more than a change may have broken asks for many.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	for name, value := range map[string]string{"rapid.checks": "4", "rapid.seed": "1"} {
		if asked {
			break
		}
		if err := flag.Set(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	os.Exit(m.Run())
}
