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

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

//go:embed trueup.yaml
var projectFile []byte

// Project is the demo's project file. It reads PMS_URL, PMS_TOKEN, STAYBNB_URL,
// STAYBNB_KEY and TRUEUP_STORE from the environment.
func Project() []byte { return append([]byte(nil), projectFile...) }

// The credentials of the demo's systems; both listen on loopback only.
const (
	pmsToken   = "pms-token"
	staybnbKey = "staybnb-key"
)

// A dead run keeps others out for its lease and its longest request: in a demo
// that takes seconds, and is still more than a busy machine stands still for.
const (
	demoLease   = 6 * time.Second
	demoTimeout = 2 * time.Second
)

// projectFor is the project file with the addresses of running systems as
// defaults, so that it works without any environment, and with short waits.
func projectFor(s *world.Servers) []byte {
	return []byte(strings.NewReplacer(
		"${PMS_URL}", "${PMS_URL:-"+s.PMSURL+"}",
		"${STAYBNB_URL}", "${STAYBNB_URL:-"+s.StaybnbURL+"}",
		"${PMS_TOKEN}", "${PMS_TOKEN:-"+pmsToken+"}",
		"${STAYBNB_KEY}", "${STAYBNB_KEY:-"+staybnbKey+"}",
		"${TRUEUP_STORE:-file://.trueup/store}", "file://.trueup/store",
		"timeout: 10s", "timeout: "+demoTimeout.String(),
		"\nsystems:\n", "\nlease: "+demoLease.String()+"\n\nsystems:\n",
	).Replace(string(projectFile)))
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
