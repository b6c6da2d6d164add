package story

import (
	_ "embed" // the project file is part of the program
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

//go:embed trueup.yaml
var projectFile []byte

// Project is the demo's project file. It reads the addresses and credentials that
// Servers.Env of the world gives, and TRUEUP_STORE, from the environment.
func Project() []byte { return append([]byte(nil), projectFile...) }

//go:embed bookings.yaml
var bookingsFile []byte

// Bookings is the project file of the small world: bookings in the PMS and at staybnb.
func Bookings() []byte { return append([]byte(nil), bookingsFile...) }

// A dead run keeps others out for its lease and its longest request: in a demo
// that takes seconds, and is still more than a busy machine stands still for.
const (
	demoLease   = 6 * time.Second
	demoTimeout = 2 * time.Second
)

// projectFor is the project file with the addresses of running systems as
// defaults, so that it works without any environment, and with short waits.
func projectFor(env []string) []byte {
	replace := []string{"${TRUEUP_STORE:-file://.trueup/store}", "file://.trueup/store", "timeout: 10s", "timeout: " + demoTimeout.String(),
		"\nsystems:\n", "\nlease: " + demoLease.String() + "\n\nsystems:\n"}
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		replace = append(replace, "${"+name+"}", "${"+name+":-"+value+"}")
	}
	return []byte(strings.NewReplacer(replace...).Replace(string(projectFile)))
}

// markFile tells a folder that a demo made from any other.
const markFile = ".trueup-demo"

// prepare makes the folder of a demo, and empties one that an earlier demo made.
// It refuses any other folder that holds something.
func prepare(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look into the demo's folder: %w", err)
	}
	mark := filepath.Join(dir, markFile)
	if len(entries) > 0 {
		if _, err := os.Stat(mark); err != nil {
			return fmt.Errorf("%s holds something that no demo made: nothing was changed; choose another folder with --dir", dir)
		}
	}
	for _, e := range entries {
		if e.Name() == markFile {
			continue // last of all: a folder that is half emptied is still a demo's
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("empty the demo's folder: %w", err)
		}
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make the demo's folder: %w", err)
	}
	if err := os.WriteFile(mark, []byte("A demo of Trueup made this folder. The next one empties it.\n"), 0o600); err != nil {
		return fmt.Errorf("mark the demo's folder: %w", err)
	}
	return nil
}
