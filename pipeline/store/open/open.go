// Package open makes the store that a project's URL names, with the wrappers
// that every store gets, in the one place that composes them. It must never
// write, nor read the environment beyond what the S3 client's own credential
// chain does.
package open

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/file"
	"github.com/trueup-data/trueup/pipeline/store/mem"
	"github.com/trueup-data/trueup/pipeline/store/s3"
)

// Options of a store. The zero value is usable.
type Options struct {
	Dir         string       // what a relative file:// URL is relative to; "" is the working folder
	Log         *slog.Logger // nil: nothing is logged
	Concurrency int          // calls at work at once; 0 means 32
	Retry       store.Policy // of what is safe to repeat
	S3          s3.Options   // its Retry is replaced by the one above
}

// Open opens the store at url:
//
//	file:///absolute/folder, file://relative/folder
//	s3://bucket/prefix?endpoint=...&path_style=true&region=...&profile=...
//	mem://  (empty, and gone with the process)
//
// It does not try the store: store.Probe does.
func Open(ctx context.Context, url string, o Options) (store.Store, error) {
	base, err := byScheme(ctx, url, o)
	if err != nil {
		return nil, err
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 32
	}
	return wrapped(base, o), nil
}

// wrapped puts the log outside the retries: a call that ends well after all is no
// warning, and one that does not is one.
func wrapped(base store.Store, o Options) store.Store {
	s := store.Limit(base, o.Concurrency)
	if o.Log == nil {
		return store.Retry(s, o.Retry)
	}
	return store.Log(store.Retry(s, store.Told(o.Retry, o.Log)), o.Log)
}

func byScheme(ctx context.Context, text string, o Options) (store.Store, error) {
	scheme, rest, found := strings.Cut(text, "://")
	switch {
	case !found:
		return nil, badURL(errors.New("it has no scheme"))
	case scheme == "s3":
		o.S3.Retry = o.Retry
		return s3.Open(ctx, text, o.S3)
	case scheme == "mem" && rest == "":
		return mem.New(), nil
	case scheme == "file":
		dir, err := folder(rest, o.Dir)
		if err != nil {
			return nil, badURL(err)
		}
		return file.Open(dir, file.Options{})
	}
	return nil, badURL(fmt.Errorf("there is no kind of store %q", scheme))
}

// folder is the path of a file:// URL. "file://.trueup/store" is relative.
func folder(rest, base string) (string, error) {
	if strings.ContainsAny(rest, "?#") {
		return "", errors.New("a file:// URL has no parameters")
	}
	path, err := url.PathUnescape(rest)
	if err != nil {
		return "", errors.New("its path is not escaped correctly")
	}
	if path == "" {
		return "", errors.New("it names no folder")
	}
	path = filepath.FromSlash(path)
	if filepath.IsAbs(path) {
		return path, nil
	}
	return filepath.Join(base, path), nil
}

func badURL(err error) error {
	return &fault.Error{
		Kind: fault.Permanent, Op: "read the URL of the store", Err: err, Code: fault.CodeBadStoreURL,
		Help: "write file://folder, file:///absolute/folder or s3://bucket/prefix",
	}
}
