package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/trueup-data/trueup/pipeline/store"
)

// Snapshot is one commit as readers see it. It never changes; it is safe for
// concurrent use. Unless it is pinned, or the head, its files may be collected
// while it is read: a missing file is then an error, never an empty table.
type Snapshot struct {
	r      *Reader
	commit *Commit
	sum    string            // of the commit's bytes: what the next commit names as its parent
	drawn  map[string][]File // tables of a commit that is only being made
}

// Commit is the entry of the log. It must not be changed.
func (s *Snapshot) Commit() *Commit { return s.commit }

// Seq is the number of the commit.
func (s *Snapshot) Seq() uint64 { return s.commit.Seq }

// Clock is the project's time at now: that of the runs, which never goes back, or
// the machine's where that is later. Whatever expires does so by this clock.
func (s *Snapshot) Clock(now time.Time) time.Time {
	if at := s.commit.RunAt; now.Before(at) {
		return at
	}
	return now
}

// Tables are the names of the tables that ever had a file, sorted.
func (s *Snapshot) Tables() []string {
	return sorted(s.commit.Tables)
}

// Table is what the commit says of a table without reading its manifest; the
// zero value for a table that has nothing.
func (s *Snapshot) Table(table string) ManifestRef { return s.commit.Tables[table] }

// SchemaVersion is the version of the columns of a table; 0 for a table that
// never had a file.
func (s *Snapshot) SchemaVersion(table string) int { return s.commit.Tables[table].Version }

// Files are the live files of a table in the order of their places: a row's
// place is its file's Seq, then the file's index here, then its position. A
// table that has nothing gives nil. The slice is the caller's own.
func (s *Snapshot) Files(ctx context.Context, table string) ([]File, error) {
	files, err := s.files(ctx, table)
	return slices.Clone(files), err
}

// files is Files, shared with the cache.
func (s *Snapshot) files(ctx context.Context, table string) ([]File, error) {
	if drawn, ok := s.drawn[table]; ok {
		return drawn, nil
	}
	ref, ok := s.commit.Tables[table]
	if !ok {
		return nil, nil
	}
	return s.r.manifest(ctx, table, ref)
}

// manifest reads and checks a manifest, or takes it from the cache.
func (r *Reader) manifest(ctx context.Context, table string, ref ManifestRef) ([]File, error) {
	if files, ok := r.cache.get(ref.Key); ok {
		return files, nil
	}
	data, _, err := r.st.Get(ctx, ref.Key)
	if errors.Is(err, store.ErrNotExist) {
		return nil, failure("read manifest", ref.Key, fmt.Errorf("%w: a commit names it; if that is not the head, it may have been collected: %w", ErrDamaged, err))
	}
	if err != nil {
		return nil, failure("read manifest", ref.Key, err)
	}
	if got := sum(data); got != ref.SHA256 {
		return nil, failure("read manifest", ref.Key, because(ErrDamaged, "sha256 is %s, the commit says %s", got, ref.SHA256))
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, failure("read manifest", ref.Key, because(ErrDamaged, "%v", err))
	}
	if m.Table != table {
		return nil, failure("read manifest", ref.Key, because(ErrDamaged, "it is of table %s, not %s", m.Table, table))
	}
	r.cache.put(ref.Key, m.Files)
	return m.Files, nil
}

// manifestCache keeps the manifests used last. They are immutable and their
// names are never used twice, so an entry is never wrong.
type manifestCache struct {
	mu    sync.Mutex
	files map[string][]File
	order []string
}

const manifestsCached = 256

func (c *manifestCache) get(key string) ([]File, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	files, ok := c.files[key]
	return files, ok
}

func (c *manifestCache) put(key string, files []File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files == nil {
		c.files = make(map[string][]File)
	}
	if _, ok := c.files[key]; ok {
		return
	}
	if len(c.order) >= manifestsCached {
		delete(c.files, c.order[0])
		c.order = c.order[1:]
	}
	c.files[key] = files
	c.order = append(c.order, key)
}
