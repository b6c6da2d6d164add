// Package file keeps objects as files of a local folder, with the promises of
// an object store: what is put is durable before it is answered, a name is
// created at most once by link(2), and swaps happen one at a time under flock.
// It must never run on a network file system, where neither holds, nor show a
// file that is not complete.
package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

// Options of a store of files. The zero value is usable.
type Options struct {
	// NetworkOf names the network file system that an existing folder is on, or ""
	// for a local one. nil asks the operating system.
	NetworkOf func(dir string) (string, error)
}

// Store is a folder. Any number of processes of one machine may share it. ETags
// are hashes of the content; listings carry none, since that would read every
// file.
type Store struct {
	root string // absolute
	turn chan struct{}
}

var _ store.Store = (*Store)(nil)

// Names of the store's own, which no key can have.
const (
	tempFolder = ".tmp"
	lockFile   = ".lock"
)

// Open opens the store in dir, which need not exist yet: the first write makes
// it. A network file system is refused. What dead writers left is removed.
func Open(dir string, o Options) (*Store, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fault.New(fault.Permanent, "open store", err).WithWhere(fault.Place{File: dir})
	}
	s := &Store{root: root, turn: make(chan struct{}, 1)}
	if o.NetworkOf == nil {
		o.NetworkOf = networkOf
	}
	if err := refuseNetwork(root, o.NetworkOf); err != nil {
		return nil, err
	}
	if info, err := os.Stat(root); err == nil && !info.IsDir() {
		return nil, s.failure(fault.Permanent, "open store", "", errors.New("it is a file, not a folder"))
	}
	s.removeOrphans()
	return s, nil
}

// URL is "file://" and the absolute folder.
func (s *Store) URL() string { return "file://" + filepath.ToSlash(s.root) }

func (s *Store) path(key string) string { return filepath.Join(s.root, filepath.FromSlash(key)) }

func (s *Store) failure(kind fault.Kind, op, key string, err error) error {
	return store.Failure(kind, op, s.URL(), key, err)
}

// check is what every call asks before it does anything.
func (s *Store) check(ctx context.Context, op, key string) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	return store.Canceled(ctx, op, s.URL(), key)
}

// Get reads a whole object.
func (s *Store) Get(ctx context.Context, key string) ([]byte, store.Info, error) {
	if err := s.check(ctx, "get", key); err != nil {
		return nil, store.Info{}, err
	}
	data, err := s.read(key)
	if err != nil {
		return nil, store.Info{}, s.readFailure("get", key, err)
	}
	return data, infoOf(key, data), nil
}

// read gives the content that was there at one moment: a swap renames a new
// file over the old one, and an open file stays the one that was opened.
func (s *Store) read(key string) ([]byte, error) {
	f, _, err := s.open(key)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

func (s *Store) open(key string) (*os.File, int64, error) {
	f, err := os.Open(s.path(key))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // a folder is no object
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func (s *Store) readFailure(op, key string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		err = store.ErrNotExist
	}
	return s.failure(fault.Permanent, op, key, err)
}

func infoOf(key string, data []byte) store.Info {
	sum := sha256.Sum256(data)
	return store.Info{Key: key, SizeBytes: int64(len(data)), ETag: hex.EncodeToString(sum[:])}
}

// Open reads a range of an object.
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := store.CheckRange(offset, length); err != nil {
		return nil, err
	}
	if err := s.check(ctx, "open", key); err != nil {
		return nil, err
	}
	f, size, err := s.open(key)
	if err != nil {
		return nil, s.readFailure("open", key, err)
	}
	if err := store.CheckWithin(offset, length, size); err != nil {
		f.Close()
		return nil, s.failure(fault.Permanent, "open", key, err)
	}
	if length < 0 {
		length = size - offset
	}
	return &reader{ctx: ctx, store: s, key: key, file: f, section: io.NewSectionReader(f, offset, length), left: length}, nil
}

// reader reads a section of a file and takes a file that ends early, cut by
// somebody else, for torn.
type reader struct {
	ctx     context.Context
	store   *Store
	key     string
	file    *os.File
	section *io.SectionReader
	left    int64
}

func (r *reader) Read(p []byte) (int, error) {
	if err := store.Canceled(r.ctx, "read", r.store.URL(), r.key); err != nil {
		return 0, err
	}
	n, err := r.section.Read(p)
	r.left -= int64(n)
	switch {
	case err == nil || (errors.Is(err, io.EOF) && r.left == 0):
		return n, err
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("the file ends %d bytes early: %w", r.left, io.ErrUnexpectedEOF)
	}
	return n, r.store.failure(fault.Permanent, "read", r.key, err)
}

func (r *reader) Close() error { return r.file.Close() }
