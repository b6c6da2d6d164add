package delta

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/store"
)

// CacheOptions bound a cache. The zero value is usable.
type CacheOptions struct {
	MaxBytes int64 // above it the files that were asked for longest ago go; 0 means 20 GiB
}

const defaultCacheBytes = 20 << 30

// Cache keeps files of one store in a local folder, each checked by its sha256
// when it enters. Several processes may share the folder. It is safe for
// concurrent use. A file may be evicted at any time after Path gave it out:
// whoever reads it for longer holds it by a hard link.
type Cache struct {
	dir   string
	store store.Store
	max   int64

	mu      sync.Mutex
	entries map[string]*entry // by file name
	flights map[string]chan struct{}
	total   int64
	clock   int64 // counts uses
	stats   CacheStats
}

type entry struct{ size, used int64 }

// CacheStats counts what a cache did since it was opened.
type CacheStats struct {
	Hits         int64 // files that were here
	Fetches      int64 // files that were not
	FetchedBytes int64
	Entered      int64 // files that were written here
	Evicted      int64
}

// NewCache opens a cache of a store in dir, which is made if it is missing. Files
// of earlier processes are used again.
func NewCache(dir string, st store.Store, o CacheOptions) (*Cache, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultCacheBytes
	}
	c := &Cache{dir: dir, store: st, max: o.MaxBytes, entries: map[string]*entry{}, flights: map[string]chan struct{}{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, c.failed("open the cache", err)
	}
	removeDead(dir)
	if err := c.scan(); err != nil {
		return nil, c.failed("open the cache", err)
	}
	return c, nil
}

const cacheSuffix = ".parquet"

// scan enters what is in the folder, the oldest as used longest ago.
func (c *Cache) scan() error {
	found, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	var infos []fs.FileInfo
	for _, f := range found {
		info, err := f.Info()
		if err == nil && strings.HasSuffix(f.Name(), cacheSuffix) && info.Mode().IsRegular() {
			infos = append(infos, info)
		}
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return cmp.Compare(a.ModTime().UnixNano(), b.ModTime().UnixNano()) })
	for _, info := range infos {
		c.enter(info.Name(), info.Size())
	}
	return nil
}

// Dir is the folder.
func (c *Cache) Dir() string { return c.dir }

// Stats gives the counts so far.
func (c *Cache) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// name is a file's in the folder. It tells the bytes, so that folders which serve
// several stores cannot mix them up.
func name(f lake.File) string {
	key := sha256.Sum256([]byte(f.Key))
	return hex.EncodeToString(key[:8]) + "-" + f.SHA256 + cacheSuffix
}

// Path gives the local path of a file, fetching it if it is not here. Callers that
// want the same file wait for one fetch. A file that is missing from the store, or
// holds other bytes than were committed, is an error and never an empty result.
func (c *Cache) Path(ctx context.Context, f lake.File) (string, error) {
	for {
		path, landed, err := c.lookup(f)
		if err != nil || path != "" {
			return path, err
		}
		if landed == nil { // ours to fetch
			return c.lead(ctx, f)
		}
		select {
		case <-landed: // by whoever led; if that failed, we lead
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// lookup finds a file, or who is fetching it, or makes the caller the one.
func (c *Cache) lookup(f lake.File) (path string, landed <-chan struct{}, err error) {
	n := name(f)
	path = filepath.Join(c.dir, n)
	c.mu.Lock()
	defer c.mu.Unlock()
	if flight, ok := c.flights[n]; ok {
		return "", flight, nil
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Size() == f.SizeBytes:
		c.enter(n, info.Size())
		c.stats.Hits++
		return path, nil, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", nil, c.failed("look into the cache", err)
	}
	c.forget(n) // evicted by another process, or torn
	c.flights[n] = make(chan struct{})
	return "", nil, nil
}

// lead fetches a file for everybody who waits.
func (c *Cache) lead(ctx context.Context, f lake.File) (string, error) {
	n := name(f)
	path, err := c.fetch(ctx, f)
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.flights[n])
	delete(c.flights, n)
	if err != nil {
		return "", err
	}
	c.stats.Fetches++
	c.stats.FetchedBytes += f.SizeBytes
	c.enter(n, f.SizeBytes)
	c.evict(n)
	return path, nil
}

func (c *Cache) fetch(ctx context.Context, f lake.File) (string, error) {
	temp, err := newTemp(c.dir)
	if err != nil {
		return "", c.failed("fetch into the cache", err)
	}
	defer temp.Close()
	defer os.Remove(temp.Name()) // gone already when all is well
	if err := c.download(ctx, f, temp); err != nil {
		return "", err
	}
	got := newSummedReader(temp)
	if _, err := io.Copy(io.Discard, got); err != nil {
		return "", c.failed("read what was fetched", err)
	}
	if got.hex() != f.SHA256 || got.size != f.SizeBytes {
		return "", fault.New(fault.Permanent, "check a fetched file", fmt.Errorf("its sha256 is %s over %d bytes, committed were %s over %d",
			got.hex(), got.size, f.SHA256, f.SizeBytes)).WithWhere(fault.Place{Object: f.Key}).
			WithHelp("trueup verify tells which files are damaged").WithNote("nothing was read from it")
	}
	path := filepath.Join(c.dir, name(f))
	if err := keep(temp, path); err != nil {
		return "", c.failed("keep a fetched file", err)
	}
	return path, nil
}

// download tries again when a stream tears: the store's own retries end where a
// stream has begun.
func (c *Cache) download(ctx context.Context, f lake.File, to io.WriterAt) error {
	const tries = 3
	var err error
	for range tries {
		err = store.Download(ctx, c.store, f.Key, f.SizeBytes, to, store.Ranges{})
		if err == nil || !fault.Is(err, fault.Transient) || ctx.Err() != nil {
			break
		}
	}
	if errors.Is(err, store.ErrNotExist) {
		return fault.New(fault.Permanent, "fetch a file of the lake", err).WithWhere(fault.Place{Object: f.Key}).
			WithHelp("open the lake again: a collector may have taken a commit that nobody had pinned")
	}
	return err
}

// keep makes a temporary file durable under its name.
func keep(temp *os.File, path string) error {
	if err := temp.Sync(); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// Put takes up a file that was written here, whose bytes the caller has checked;
// path is moved into the cache.
func (c *Cache) Put(path string, f lake.File) error {
	n := name(f)
	if err := errors.Join(syncFile(path), move(path, filepath.Join(c.dir, n))); err != nil {
		return c.failed("take up a written file", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Entered++
	c.enter(n, f.SizeBytes)
	c.evict(n)
	return nil
}

// syncFile makes bytes durable before a name says that they are there.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// move renames, and over the border of a file system copies.
func move(from, to string) error {
	if os.Rename(from, to) == nil {
		return nil
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	temp, err := newTemp(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer temp.Close()
	defer os.Remove(temp.Name())
	if _, err := io.Copy(temp, source); err != nil {
		return err
	}
	return errors.Join(keep(temp, to), os.Remove(from))
}

// enter notes that a file is here and was just used. The caller holds mu, but for
// NewCache.
func (c *Cache) enter(n string, size int64) {
	c.forget(n)
	c.clock++
	c.entries[n] = &entry{size: size, used: c.clock}
	c.total += size
}

func (c *Cache) forget(n string) {
	if e := c.entries[n]; e != nil {
		c.total -= e.size
		delete(c.entries, n)
	}
}

// evict makes room, and never takes the file that just came.
func (c *Cache) evict(newest string) {
	for c.total > c.max {
		oldest := ""
		for n, e := range c.entries {
			if n != newest && (oldest == "" || e.used < c.entries[oldest].used) {
				oldest = n
			}
		}
		if oldest == "" {
			return
		}
		os.Remove(filepath.Join(c.dir, oldest))
		c.forget(oldest)
		c.stats.Evicted++
	}
}

func (c *Cache) failed(op string, err error) error {
	return fault.New(fault.Permanent, op, err).WithWhere(fault.Place{Object: c.dir}).
		WithHelp("free space in the cache's folder, or let the process write there")
}
