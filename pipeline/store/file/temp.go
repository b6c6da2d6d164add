package file

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/trueup-data/trueup/pipeline/store"
)

// temp is a file that is not an object yet. Its writer holds a flock on it for
// as long as it lives, so that another process can tell it from an orphan
// without looking at a clock.
type temp struct {
	file *os.File
	path string
}

// prepare writes a durable temporary file. On an error nothing is left.
func (s *Store) prepare(fill func(io.Writer) (store.Info, error)) (*temp, store.Info, error) {
	t, err := s.newTemp()
	if err != nil {
		return nil, store.Info{}, err
	}
	info, err := fill(t.file)
	if err == nil {
		err = t.file.Sync()
	}
	if err != nil {
		t.remove()
		return nil, store.Info{}, err
	}
	return t, info, nil
}

// newTemp makes a temporary file and locks it. Between the two, somebody who
// removes orphans may take it for one; then another one is made.
func (s *Store) newTemp() (*temp, error) {
	folder := filepath.Join(s.root, tempFolder)
	for {
		if err := makeFolders(folder); err != nil {
			return nil, err
		}
		path := filepath.Join(folder, rand.Text())
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // objects are as readable as the umask lets them be
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); err == nil && sameFile(f, path) {
			return &temp{file: f, path: path}, nil
		}
		f.Close()
	}
}

func sameFile(f *os.File, path string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(mine, there)
}

// remove takes the temporary name away; a linked object stays.
func (t *temp) remove() {
	os.Remove(t.path)
	t.file.Close()
}

// removeOrphans removes temporary files whose writers are dead. It is tidying
// up: what fails stays for the next time.
func (s *Store) removeOrphans() {
	folder := filepath.Join(s.root, tempFolder)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			continue
		}
		if flock(f, syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.Remove(path)
		}
		f.Close()
	}
}
