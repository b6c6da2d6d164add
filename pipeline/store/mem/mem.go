// Package mem keeps objects in memory, with the answers of a real store. It is
// for tests and for trials that leave nothing behind; it must never be more
// forgiving than a real store.
package mem

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

const url = "mem://"

// Store is a store in memory, safe for concurrent use. Equal content has equal
// ETags, as on stores that hash.
type Store struct {
	mu      sync.Mutex
	objects map[string]object
}

// object is immutable: writers replace it as a whole.
type object struct {
	data []byte
	etag string
}

var _ store.Store = (*Store)(nil)

// New makes an empty store.
func New() *Store { return &Store{objects: map[string]object{}} }

// Clone is a store of its own with the same objects: what a process would find
// that starts now.
func (s *Store) Clone() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := New()
	for k, o := range s.objects {
		c.objects[k] = o
	}
	return c
}

// URL is "mem://".
func (s *Store) URL() string { return url }

// Get reads a whole object; the caller owns the bytes.
func (s *Store) Get(ctx context.Context, key string) ([]byte, store.Info, error) {
	o, err := s.find(ctx, "get", key)
	if err != nil {
		return nil, store.Info{}, err
	}
	return bytes.Clone(o.data), o.info(key), nil
}

// Open reads a range of an object.
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := store.CheckRange(offset, length); err != nil {
		return nil, err
	}
	o, err := s.find(ctx, "open", key)
	if err != nil {
		return nil, err
	}
	if err := store.CheckWithin(offset, length, int64(len(o.data))); err != nil {
		return nil, store.Failure(fault.Permanent, "open", url, key, err)
	}
	data := o.data[offset:]
	if length > 0 {
		data = data[:length]
	}
	return &reader{ctx: ctx, key: key, data: data}, nil
}

// PutIfAbsent creates key.
func (s *Store) PutIfAbsent(ctx context.Context, key string, data []byte) (store.Info, error) {
	return s.Swap(ctx, key, data, "")
}

// Swap replaces key if its ETag is etag; "" creates it.
func (s *Store) Swap(ctx context.Context, key string, data []byte, etag string) (store.Info, error) {
	return s.write(ctx, "put", key, data, etag)
}

// Upload stores all of r under a new name; a name that is taken is refused.
func (s *Store) Upload(ctx context.Context, key string, r io.Reader) (store.Info, error) {
	if err := store.Canceled(ctx, "upload", url, key); err != nil {
		return store.Info{}, err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return store.Info{}, store.Failure(fault.KindOf(err), "upload", url, key, err)
	}
	return s.write(ctx, "upload", key, data, "")
}

func (s *Store) write(ctx context.Context, op, key string, data []byte, etag string) (store.Info, error) {
	if err := store.CheckKey(key); err != nil {
		return store.Info{}, err
	}
	if err := store.Canceled(ctx, op, url, key); err != nil {
		return store.Info{}, err
	}
	sum := sha256.Sum256(data)
	o := object{data: bytes.Clone(data), etag: hex.EncodeToString(sum[:])}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, exists := s.objects[key]
	switch {
	case etag == "" && exists, exists && old.etag != etag:
		return store.Info{}, store.Failure(fault.LostRace, op, url, key, store.ErrPrecondition)
	case etag != "" && !exists:
		return store.Info{}, store.Failure(fault.Permanent, op, url, key, store.ErrNotExist)
	}
	s.objects[key] = o
	return o.info(key), nil
}

// List visits a consistent listing, taken when it is called, in byte order.
func (s *Store) List(ctx context.Context, prefix, after string, yield func(store.Info) error) error {
	for _, info := range s.listing(prefix, after) {
		if err := store.Canceled(ctx, "list", url, prefix); err != nil {
			return err
		}
		if err := yield(info); err != nil {
			return err
		}
	}
	return store.Canceled(ctx, "list", url, prefix)
}

func (s *Store) listing(prefix, after string) []store.Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	var infos []store.Info
	for key, o := range s.objects {
		if strings.HasPrefix(key, prefix) && key > after {
			infos = append(infos, o.info(key))
		}
	}
	slices.SortFunc(infos, func(a, b store.Info) int { return strings.Compare(a.Key, b.Key) })
	return infos
}

// Delete removes key if it is there.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	if err := store.Canceled(ctx, "delete", url, key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return nil
}

func (s *Store) find(ctx context.Context, op, key string) (object, error) {
	if err := store.CheckKey(key); err != nil {
		return object{}, err
	}
	if err := store.Canceled(ctx, op, url, key); err != nil {
		return object{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	if !ok {
		return object{}, store.Failure(fault.Permanent, op, url, key, store.ErrNotExist)
	}
	return o, nil
}

func (o object) info(key string) store.Info {
	return store.Info{Key: key, SizeBytes: int64(len(o.data)), ETag: o.etag}
}

// reader reads a range and stops when its context ends, as a connection would.
type reader struct {
	ctx    context.Context
	key    string
	data   []byte
	closed bool
}

func (r *reader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, store.Failure(fault.Permanent, "read", url, r.key, fmt.Errorf("the reader is closed"))
	}
	if err := store.Canceled(r.ctx, "read", url, r.key); err != nil {
		return 0, err
	}
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

func (r *reader) Close() error {
	r.closed = true
	return nil
}
