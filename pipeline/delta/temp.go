package delta

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// tempPrefix marks the files that are being made. A live process holds a lock on
// each of its own; one without a lock was left by a process that died.
const tempPrefix = "part-"

// newTemp makes a locked temporary file in dir, and removes what the dead left
// there. The lock ends with the file or the process.
func newTemp(dir string) (*os.File, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	removeDead(dir)
	for range 100 {
		f, err := os.CreateTemp(dir, tempPrefix)
		if err != nil {
			return nil, err
		}
		if lock(f) == nil && stillNamed(f) {
			return f, nil
		}
		f.Close() // another process took it for a dead one's before it was locked
	}
	return nil, errors.New("every new temporary file was removed by somebody")
}

func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

func stillNamed(f *os.File) bool {
	named, err := os.Stat(f.Name())
	if err != nil {
		return false
	}
	open, err := f.Stat()
	return err == nil && os.SameFile(named, open)
}

// removeDead removes temporary files that nobody holds. It is a service to the
// disk: what fails here fails nothing.
func removeDead(dir string) {
	paths, err := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
	if err != nil {
		return
	}
	for _, path := range paths {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if lock(f) == nil {
			os.Remove(path)
		}
		f.Close()
	}
}
