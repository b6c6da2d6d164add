package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

// List walks the folders in the byte order of keys. Folders that hold nothing
// of what is asked for are not read.
func (s *Store) List(ctx context.Context, prefix, after string, yield func(store.Info) error) error {
	w := walk{ctx: ctx, store: s, prefix: prefix, after: after, yield: yield}
	start := ""
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		start = prefix[:i+1]
		if store.CheckKey(prefix[:i]) != nil {
			return store.Canceled(ctx, "list", s.URL(), prefix) // no key can begin like that
		}
	}
	return w.folder(start)
}

type walk struct {
	ctx           context.Context
	store         *Store
	prefix, after string
	yield         func(store.Info) error
}

// folder visits what is below base, "" or a path that ends in a slash.
func (w *walk) folder(base string) error {
	if err := store.Canceled(w.ctx, "list", w.store.URL(), w.prefix); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(w.store.root, filepath.FromSlash(base)))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || isFile(err) {
			return nil // deleted meanwhile, or never there
		}
		return w.store.failure(fault.Permanent, "list", w.prefix, err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		name := base + entry.Name()
		if entry.IsDir() {
			name += "/"
		}
		if entry.Name()[0] != '.' && w.wanted(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if err := w.visit(name); err != nil {
			return err
		}
	}
	return nil
}

// wanted reports whether name is, or may hold, a key that was asked for.
func (w *walk) wanted(name string) bool {
	if !strings.HasSuffix(name, "/") {
		return strings.HasPrefix(name, w.prefix) && name > w.after
	}
	inside := strings.HasPrefix(name, w.prefix) || strings.HasPrefix(w.prefix, name)
	return inside && (name > w.after || strings.HasPrefix(w.after, name))
}

func (w *walk) visit(name string) error {
	if strings.HasSuffix(name, "/") {
		return w.folder(name)
	}
	if store.CheckKey(name) != nil {
		return nil // a file that no writer of ours made
	}
	if err := store.Canceled(w.ctx, "list", w.store.URL(), w.prefix); err != nil {
		return err
	}
	info, err := os.Lstat(w.store.path(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return w.store.failure(fault.Permanent, "list", name, err)
	case !info.Mode().IsRegular():
		return nil
	}
	return w.yield(store.Info{Key: name, SizeBytes: info.Size()})
}
