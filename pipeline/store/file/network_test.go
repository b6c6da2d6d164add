package file

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/trueup-data/trueup/pipeline/fault"
)

func TestNetworkFileSystemsAreRefused(t *testing.T) {
	folder := t.TempDir()
	var asked string
	_, err := Open(filepath.Join(folder, "not", "yet"), Options{NetworkOf: func(dir string) (string, error) {
		asked = dir
		return "nfs", nil
	}})
	if fault.CodeOf(err) != "store_refused" || fault.HelpOf(err) == "" {
		t.Errorf("got %v", err)
	}
	if asked != folder {
		t.Errorf("asked of %s, not of the nearest folder that exists, %s", asked, folder)
	}
	broken := errors.New("statfs failed")
	_, err = Open(folder, Options{NetworkOf: func(string) (string, error) { return "", broken }})
	if !errors.Is(err, broken) {
		t.Errorf("a file system of unknown kind is opened: %v", err)
	}
}

func TestAFullDiskSaysWhatToDo(t *testing.T) {
	seen := map[string]bool{}
	for _, err := range []error{syscall.ENOSPC, syscall.EFBIG, fs.ErrPermission, syscall.EXDEV, syscall.ENOTSUP, errors.New("other")} {
		seen[helpFor(err)] = true
	}
	if len(seen) != 6 || seen[""] {
		t.Errorf("helps: %v", seen)
	}
}
