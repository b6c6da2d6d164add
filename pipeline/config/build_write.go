package config

import (
	"fmt"
	"time"
)

// write decodes the common part of a write. The operations, idempotency and
// precondition belong to the connector; here counts only that they are declared.
func (b *builder) write(sys System, w writePart) *Write {
	out := &Write{Scope: w.Scope, Settings: w.Settings, At: w.Settings.At()}
	for _, f := range w.Fields {
		out.Fields = append(out.Fields, Mapping{Name: f.Key, Expr: f.Value})
	}
	out.Create, out.Update, out.Delete = declared(w.Settings, "create"), declared(w.Settings, "update"), declared(w.Settings, "delete")
	if !w.Settings.Has("create") && !w.Settings.Has("update") && !w.Settings.Has("delete") && b.writesByDefault(sys) {
		out.Create, out.Update = true, true
	}
	if w.Settle != nil {
		out.Settle = *w.Settle
	}
	out.Idempotency = b.retention(w.Settings.Get("idempotency"))
	out.Precondition = declared(w.Settings, "precondition")
	if out.Leave = w.Leave; out.Leave == "" {
		out.Leave = "keep"
	}
	out.TakesLossy = w.LossyNews == "take"
	out.Verify = w.Verify
	if out.Verify == "" {
		out.Verify = "read"
		if out.Precondition {
			out.Verify = "none"
		}
	}
	return out
}

func (b *builder) writesByDefault(sys System) bool {
	return b.known[sys.Connector].WritesByDefault || (b.known == nil && sys.Connector != "rest")
}

// declared: the key is there, and not false.
func declared(n Node, key string) bool {
	v := n.Get(key)
	return v.Kind() != KindNone && v.Text() != "false"
}

// retention is how long an API keeps an idempotency key. Nobody can guess it.
func (b *builder) retention(n Node) time.Duration {
	if n.Kind() == KindNone {
		return 0
	}
	var out struct {
		Retention time.Duration `yaml:"retention"`
		Settings  Node          `yaml:",rest"`
	}
	err := n.Decode(&out)
	b.problems.take(n.At(), err)
	if err == nil && out.Retention <= 0 {
		b.problems.add(n.At(), fmt.Sprintf("%q is missing", join(n.Path(), "retention")),
			"a key is repeated only while the system surely remembers it", "add retention as the API's documentation states it, such as 24h")
	}
	return out.Retention
}
