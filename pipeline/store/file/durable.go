package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// makeFolders makes dir and what is missing above it, each one durable in its
// parent before anything is put into it.
func makeFolders(dir string) error { return makeFoldersIn(dir, folderTries) }

// folderTries is how often a parent that a delete removed meanwhile is made
// again. Some file systems answer "not found" to every mkdir.
const folderTries = 100

func makeFoldersIn(dir string, tries int) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeFoldersIn(parent, tries); err != nil {
			return err
		}
	}
	err := os.Mkdir(dir, 0o755) //nolint:gosec // objects are as readable as the umask lets them be
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist) && tries > 0:
		return makeFoldersIn(dir, tries-1) // a delete removed the empty parent
	case err != nil:
		return err
	}
	return ignoreGone(syncFolder(parent))
}

// syncFolders makes what changed in dir durable, and dir itself up to the root:
// another process may have made these folders and not have come to sync them.
func (s *Store) syncFolders(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		if err := ignoreGone(syncFolder(dir)); err != nil {
			return err
		}
		if dir == s.root || dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// ignoreGone passes over folders that somebody removed meanwhile: they were
// empty, so what was put into them was deleted again.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// lock takes the store's lock, against the goroutines of this process and then
// against other processes. It polls, since waiting inside flock could not be
// ended by ctx when the holder is stopped.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f, err := s.lockAcrossProcesses(ctx)
	if err != nil {
		<-s.turn
		return nil, err
	}
	return func() {
		f.Close() // releases the flock
		<-s.turn
	}, nil
}

func (s *Store) lockAcrossProcesses(ctx context.Context) (*os.File, error) {
	if err := makeFolders(s.root); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.root, lockFile), os.O_CREATE|os.O_RDWR, 0o644) //nolint:gosec // it is empty
	if err != nil {
		return nil, err
	}
	for {
		err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, err
		}
		timer := time.NewTimer(2 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			f.Close()
			return nil, fault.New(fault.Canceled, "wait for the lock of the folder", ctx.Err())
		}
	}
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// helpFor is what a person can do about a write that the file system refused.
func helpFor(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "make room on the disk, then run the same command again"
	case errors.Is(err, syscall.EFBIG):
		return "let this process write larger files (ulimit -f), then run the same command again"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "let this user write to the folder of the store; the file system must support hard links"
	case errors.Is(err, syscall.EXDEV):
		return "keep the whole store on one file system"
	case errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.EMLINK):
		return "use a file system with hard links (ext4, xfs, btrfs, apfs), or s3://"
	}
	return "give store: a folder on a local disk that exists, or can be made"
}
