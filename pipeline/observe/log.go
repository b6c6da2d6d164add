package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
)

// Handler masks secrets in messages and attributes before next sees them. It is
// safe for concurrent use if next is.
type Handler struct {
	next slog.Handler
	r    *Redactor
}

// NewHandler wraps next.
func NewHandler(next slog.Handler, r *Redactor) *Handler { return &Handler{next: next, r: r} }

// Enabled asks next.
func (h *Handler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle passes on the record without secrets.
func (h *Handler) Handle(ctx context.Context, rec slog.Record) error {
	clean := slog.NewRecord(rec.Time, rec.Level, h.r.Text(rec.Message), rec.PC)
	rec.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.r.Attr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

// WithAttrs masks the attributes once.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.r.Attr(a)
	}
	return &Handler{next: h.next.WithAttrs(clean), r: h.r}
}

// WithGroup passes on the group.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{next: h.next.WithGroup(name), r: h.r}
}

// Attr masks an attribute: whole if its key names credentials, else inside.
func (r *Redactor) Attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch {
	case v.Kind() == slog.KindGroup:
		group := make([]slog.Attr, len(v.Group()))
		for i, member := range v.Group() {
			group[i] = r.Attr(member)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(group...)}
	case SecretKey(a.Key):
		return slog.String(a.Key, Mask)
	case v.Kind() == slog.KindString:
		return slog.String(a.Key, r.Text(v.String()))
	case v.Kind() == slog.KindAny:
		return r.anyAttr(a.Key, v.Any())
	}
	return slog.Attr{Key: a.Key, Value: v}
}

// anyAttr turns a value into text without secrets. Handlers would render it by
// rules of their own (JSON, %+v), each of which could show what is inside.
func (r *Redactor) anyAttr(key string, v any) slog.Attr {
	switch v := v.(type) {
	case nil:
		return slog.Any(key, nil)
	case error:
		return slog.String(key, r.Text(v.Error()))
	case http.Header:
		return slog.Attr{Key: key, Value: slog.GroupValue(r.headers(v)...)}
	case url.Values:
		return slog.Attr{Key: key, Value: slog.GroupValue(r.headers(v)...)}
	case fmt.Stringer:
		return slog.String(key, r.Text(v.String()))
	case []byte:
		return slog.String(key, r.Text(string(v)))
	}
	if b, err := json.Marshal(v); err == nil {
		return slog.String(key, r.Text(string(b)))
	}
	return slog.String(key, r.Text(fmt.Sprintf("%v", v)))
}

func (r *Redactor) headers(h map[string][]string) []slog.Attr {
	attrs := make([]slog.Attr, 0, len(h))
	for name, values := range h {
		for _, v := range values {
			attrs = append(attrs, r.Attr(slog.String(name, v)))
		}
	}
	return attrs
}
