package store

import (
	"context"
	"io"
)

// call is one finished call of the port, as Log and Count see it.
type call struct {
	op      string // "get", "open", "put", "swap", "upload", "list", "delete"
	key     string // the key, or the prefix of a listing
	read    int64  // bytes that came
	written int64  // bytes that went
	objects int64  // objects listed
	err     error
}

// observed passes calls through and tells about each when it has ended: for
// Open when the reader is closed.
type observed struct {
	Store
	tell func(context.Context, call)
}

func (o *observed) Get(ctx context.Context, key string) ([]byte, Info, error) {
	data, info, err := o.Store.Get(ctx, key)
	o.tell(ctx, call{op: "get", key: key, read: int64(len(data)), err: err})
	return data, info, err
}

func (o *observed) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	body, err := o.Store.Open(ctx, key, offset, length)
	if err != nil {
		o.tell(ctx, call{op: "open", key: key, err: err})
		return nil, err
	}
	return &observedReader{ReadCloser: body, ctx: ctx, tell: o.tell, call: call{op: "open", key: key}}, nil
}

type observedReader struct {
	io.ReadCloser
	ctx  context.Context
	tell func(context.Context, call)
	call call
	told bool
}

func (r *observedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.call.read += int64(n)
	if err != nil && err != io.EOF { //nolint:errorlint // the reader's own end
		r.call.err = err
	}
	return n, err
}

func (r *observedReader) Close() error {
	if !r.told {
		r.told = true
		r.tell(r.ctx, r.call)
	}
	return r.ReadCloser.Close()
}

func (o *observed) PutIfAbsent(ctx context.Context, key string, data []byte) (Info, error) {
	info, err := o.Store.PutIfAbsent(ctx, key, data)
	o.tell(ctx, call{op: "put", key: key, written: int64(len(data)), err: err})
	return info, err
}

func (o *observed) Swap(ctx context.Context, key string, data []byte, etag string) (Info, error) {
	info, err := o.Store.Swap(ctx, key, data, etag)
	o.tell(ctx, call{op: "swap", key: key, written: int64(len(data)), err: err})
	return info, err
}

func (o *observed) Upload(ctx context.Context, key string, r io.Reader) (Info, error) {
	source := &meter{source: r}
	info, err := o.Store.Upload(ctx, key, source)
	o.tell(ctx, call{op: "upload", key: key, written: source.read, err: err})
	return info, err
}

type meter struct {
	source io.Reader
	read   int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.source.Read(p)
	m.read += int64(n)
	return n, err
}

func (o *observed) List(ctx context.Context, prefix, after string, yield func(Info) error) error {
	var objects int64
	err := o.Store.List(ctx, prefix, after, func(info Info) error {
		objects++
		return yield(info)
	})
	o.tell(ctx, call{op: "list", key: prefix, objects: objects, err: err})
	return err
}

func (o *observed) Delete(ctx context.Context, key string) error {
	err := o.Store.Delete(ctx, key)
	o.tell(ctx, call{op: "delete", key: key, err: err})
	return err
}
