// Package store keeps named, immutable objects: the port, and the wrappers that
// add one concern each (retry, limit, log, fault). Implementations are in
// file, s3 and mem; storetest holds what all of them must do.
//
// A store must never make a partly written object visible, answer "done" before
// the object is durable, or turn an unknown outcome into a failure.
package store

import (
	"context"
	"errors"
	"io"
)

// The answers of a store beside "done". Test with errors.Is; every other error
// has a kind of its own in pipeline/fault: Transient (nothing happened),
// Permanent, or Unknown (a write that may have taken effect).
var (
	ErrNotExist     = errors.New("object does not exist")
	ErrPrecondition = errors.New("precondition failed: the name is taken or the object was swapped") // 412
	ErrConflict     = errors.New("conflict: nothing landed and nobody won; send the same again")     // 409
)

// Info describes an object. ETag is opaque: it changes when content changes and
// is equal for equal content on some stores, so it is never an identity.
type Info struct {
	Key       string
	SizeBytes int64
	ETag      string
}

// Store is a flat namespace of objects with strong reads. All methods are safe
// for concurrent use and honour ctx. Keys are slash-separated, relative and
// clean ("log/00000000000000000001.json").
type Store interface {
	// Get reads a whole object. It is for small ones: commits, manifests, leases.
	Get(ctx context.Context, key string) ([]byte, Info, error)

	// Open reads length bytes from offset; length < 0 reads to the end. The
	// caller closes the reader. A torn stream is an error of Read, never io.EOF.
	Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)

	// PutIfAbsent creates key with data. ErrPrecondition: the name is taken,
	// perhaps by an earlier try of the caller. ErrConflict: send the same again.
	// Kind Unknown: it may have landed, or may still land.
	PutIfAbsent(ctx context.Context, key string, data []byte) (Info, error)

	// Swap replaces the object whose ETag is etag; etag "" means PutIfAbsent.
	// Errors as PutIfAbsent. ErrNotExist: there is nothing to swap.
	Swap(ctx context.Context, key string, data []byte, etag string) (Info, error)

	// Upload streams an object of unknown size under a name that was never used.
	// Nothing is visible until it returns without error; after an error the name
	// must not be used again.
	Upload(ctx context.Context, key string, r io.Reader) (Info, error)

	// List calls yield for every object whose key begins with prefix and is
	// greater than after, in ascending byte order. An error of yield ends it and
	// is returned as it is.
	List(ctx context.Context, prefix, after string, yield func(Info) error) error

	// Delete removes an object. One that does not exist is not an error.
	Delete(ctx context.Context, key string) error

	// URL names the store without credentials, for messages.
	URL() string
}
