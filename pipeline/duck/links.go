//go:build duckdb_arrow

package duck

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
)

// links are the files that the sessions of one engine read, each by a hard link
// in the engine's own folder: so the cache may evict a file while it is read,
// and the engine can be kept from reading anything beside that folder.
type links struct {
	dir   string // the engine's own; held by a lock on the file "lock" in it
	spill string
	lock  *os.File
	files Files

	mu   sync.Mutex
	held map[string]*link // by path
}

// link is a file that sessions read.
type link struct {
	readers int
	shape   string
}

// openLinks makes the engine's folder below dir, and removes the folders of
// engines whose process died.
func openLinks(dir string, files Files) (*links, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, folderFault(dir, err)
	}
	removeDead(dir)
	own, err := os.MkdirTemp(dir, folderPrefix)
	if err != nil {
		return nil, folderFault(dir, err)
	}
	if own, err = filepath.Abs(own); err != nil {
		return nil, folderFault(dir, err)
	}
	l := &links{dir: own, spill: filepath.Join(own, "spill"), files: files, held: map[string]*link{}}
	if l.lock, err = lockFolder(own); err != nil {
		return nil, errors.Join(folderFault(own, err), os.RemoveAll(own))
	}
	return l, nil
}

const folderPrefix = "duck-"

func folderFault(dir string, err error) error {
	return fault.New(fault.Permanent, "make DuckDB's folder", err).WithWhere(fault.Place{Object: dir}).
		WithHelp("free space, or let the process write there")
}

// lockFolder holds a folder for the life of the process.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// removeDead removes what killed processes left. A folder without its lock file
// is only being made. It is a service to the disk: what fails here fails nothing.
func removeDead(dir string) {
	locks, err := filepath.Glob(filepath.Join(dir, folderPrefix+"*", "lock"))
	if err != nil {
		return
	}
	for _, path := range locks {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(filepath.Dir(path))
		}
		f.Close()
	}
}

// close removes the folder. Closing twice is safe.
func (l *links) close() error {
	err := l.lock.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}

// acquire brings a file here and holds it until it is released.
func (l *links) acquire(ctx context.Context, f lake.File) (path, shape string, err error) {
	name := sha256.Sum256([]byte(f.Key)) // keys are never used twice
	at := filepath.Join(l.dir, hex.EncodeToString(name[:16])+".parquet")
	if shape, held := l.hold(at); held {
		return at, shape, nil
	}
	const tries = 5 // the cache may evict between its answer and the link
	for range tries {
		var cached string
		if cached, err = l.files.Path(ctx, f); err != nil {
			return "", "", err
		}
		if shape, err = l.enter(cached, at); err == nil || !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil && fault.HelpOf(err) != "" {
		return "", "", err
	}
	if err != nil {
		return "", "", fault.New(fault.Permanent, "hold a file of the cache", err).WithWhere(fault.Place{Object: f.Key}).
			WithHelp("give the cache more room than one run reads")
	}
	return at, shape, nil
}

// hold counts one more reader of a link that exists.
func (l *links) hold(at string) (shape string, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.held[at]
	if k == nil {
		return "", false
	}
	k.readers++
	return k.shape, true
}

// enter links a file unless another session just did.
func (l *links) enter(path, at string) (shape string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.held[at]
	if k == nil {
		if err := hardLink(path, at); err != nil {
			return "", err
		}
		if shape, err = shapeOf(at); err != nil {
			return "", errors.Join(err, os.Remove(at))
		}
		k = &link{shape: shape}
		l.held[at] = k
	}
	k.readers++
	return k.shape, nil
}

// hardLink links, or over the border of a file system points to the file.
func hardLink(path, link string) error {
	err := os.Link(path, link)
	if !errors.Is(err, syscall.EXDEV) && !errors.Is(err, syscall.EPERM) {
		return err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(absolute); err != nil {
		return err
	}
	return os.Symlink(absolute, link)
}

// release gives up one hold on each link.
func (l *links) release(held []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, at := range held {
		k := l.held[at]
		if k.readers--; k.readers > 0 {
			continue
		}
		delete(l.held, at)
		if err := os.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// halfOfMemory is half of the machine's memory in bytes, or 0 where it cannot be
// read: DuckDB then takes its own default.
func halfOfMemory() int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "MemTotal: %d kB", &kib); n == 1 {
			return kib * 1024 / 2
		}
	}
	return 0
}
