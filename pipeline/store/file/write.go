package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

// PutIfAbsent creates key.
func (s *Store) PutIfAbsent(ctx context.Context, key string, data []byte) (store.Info, error) {
	if err := s.check(ctx, "put", key); err != nil {
		return store.Info{}, err
	}
	return s.create("put", key, func(w io.Writer) (store.Info, error) {
		_, err := w.Write(data)
		return infoOf(key, data), err
	})
}

// Upload streams r into a new name; a name that is taken is refused.
func (s *Store) Upload(ctx context.Context, key string, r io.Reader) (store.Info, error) {
	if err := s.check(ctx, "upload", key); err != nil {
		return store.Info{}, err
	}
	return s.create("upload", key, func(w io.Writer) (store.Info, error) {
		sum := sha256.New()
		n, err := io.Copy(io.MultiWriter(w, sum), untilDone{ctx, r})
		return store.Info{Key: key, SizeBytes: n, ETag: hex.EncodeToString(sum.Sum(nil))}, err
	})
}

// untilDone reads until its context ends.
type untilDone struct {
	ctx    context.Context
	source io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.source.Read(p)
}

// create writes a file aside and links it to the key's name, which fails when
// the name is taken: of any number of writers one wins.
func (s *Store) create(op, key string, fill func(io.Writer) (store.Info, error)) (store.Info, error) {
	temp, info, err := s.prepare(fill)
	if err != nil {
		return store.Info{}, s.writeFailure(op, key, err)
	}
	defer temp.remove()
	if err := s.link(temp.path, s.path(key)); err != nil {
		return store.Info{}, s.writeFailure(op, key, err)
	}
	if err := s.syncFolders(filepath.Dir(s.path(key))); err != nil {
		return store.Info{}, s.failure(fault.Unknown, op, key, err) // visible, but perhaps not for long
	}
	return info, nil
}

// link makes the folders of target and links. Deletes remove empty folders, so
// that a folder may vanish in between; then it is made again.
func (s *Store) link(from, target string) error {
	for {
		if err := makeFolders(filepath.Dir(target)); err != nil {
			return err
		}
		err := os.Link(from, target)
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if _, gone := os.Lstat(from); gone != nil {
			return err
		}
	}
}

// Swap replaces key if its content is the one that etag names.
func (s *Store) Swap(ctx context.Context, key string, data []byte, etag string) (store.Info, error) {
	if etag == "" {
		return s.PutIfAbsent(ctx, key, data)
	}
	if err := s.check(ctx, "swap", key); err != nil {
		return store.Info{}, err
	}
	temp, info, err := s.prepare(func(w io.Writer) (store.Info, error) {
		_, err := w.Write(data)
		return infoOf(key, data), err
	})
	if err != nil {
		return store.Info{}, s.writeFailure("swap", key, err)
	}
	defer temp.remove()
	unlock, err := s.lock(ctx)
	if err != nil {
		return store.Info{}, s.failure(fault.KindOf(err), "swap", key, err)
	}
	defer unlock()
	if err := s.replace(key, etag, temp.path); err != nil {
		return store.Info{}, err
	}
	return info, nil
}

// replace renames temp over key if its content is the one that etag names. The
// caller holds the lock.
func (s *Store) replace(key, etag, temp string) error {
	old, err := s.read(key)
	if err != nil {
		return s.readFailure("swap", key, err)
	}
	if infoOf(key, old).ETag != etag {
		return s.failure(fault.LostRace, "swap", key, store.ErrPrecondition)
	}
	if err := os.Rename(temp, s.path(key)); err != nil {
		return s.writeFailure("swap", key, err)
	}
	if err := s.syncFolders(filepath.Dir(s.path(key))); err != nil {
		return s.failure(fault.Unknown, "swap", key, err)
	}
	return nil
}

// Delete removes key, and its folders when they are empty then.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.check(ctx, "delete", key); err != nil {
		return err
	}
	path := s.path(key)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), isFile(err), err == nil && !info.Mode().IsRegular():
		return nil
	case err != nil:
		return s.writeFailure("delete", key, err)
	}
	unlock, err := s.lock(ctx) // a swap must not bring back what was deleted meanwhile
	if err != nil {
		return s.failure(fault.KindOf(err), "delete", key, err)
	}
	defer unlock()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.writeFailure("delete", key, err)
	}
	for dir := filepath.Dir(path); dir != s.root; dir = filepath.Dir(dir) {
		if os.Remove(dir) != nil {
			return s.syncAfterDelete(key, dir)
		}
	}
	return s.syncAfterDelete(key, s.root)
}

func (s *Store) syncAfterDelete(key, dir string) error {
	if err := syncFolder(dir); err != nil {
		return s.failure(fault.Unknown, "delete", key, err)
	}
	return nil
}

// writeFailure is the error of a write that did not become visible.
func (s *Store) writeFailure(op, key string, err error) error {
	var classified *fault.Error
	switch {
	case errors.Is(err, fs.ErrExist):
		return s.failure(fault.LostRace, op, key, store.ErrPrecondition)
	case errors.As(err, &classified):
		return s.failure(classified.Kind, op, key, err)
	}
	failed := s.failure(fault.KindOf(err), op, key, err)
	if errors.As(failed, &classified) {
		return classified.WithHelp(helpFor(err)).WithNote("Nothing was written.")
	}
	return failed
}
