package world

import "net/http"

// effect is the only way in which a request changes a record: r, or a new one
// where r is nil. It returns the effect's number and the record.
func (w *World) effect(c *call, r *Record, k stored, st State) (int64, *Record) {
	e := Effect{Seq: int64(len(w.truth.effects)) + 1, Request: c.n, At: w.now, System: c.system, Entity: c.entity(), Key: c.shelf.ent.keyOf(k.values),
		Op: Update, Method: c.method, Path: c.path, Headers: headersThatMatter(c.header), Body: string(c.body)}
	switch {
	case r == nil:
		e.Op, e.After = Create, k.values
	case st != Live:
		e.Op, e.Before = Delete, r.Now().Values
	default:
		e.Before, e.After = r.Now().Values, k.values
	}
	r = w.put(c.shelf, r, Version{State: st, Values: k.values, Asked: k.asked, Cause: Cause{ByEffect, e.Seq}})
	e.ID, e.Version = r.ID, r.Now().Number
	w.truth.effects = append(w.truth.effects, e)
	w.journal.write(entry{Effect: &e})
	return e.Seq, r
}

// headersThatMatter are those that make a write safe, or name its sender. No
// header with a credential is among them.
func headersThatMatter(h http.Header) map[string]string {
	out := map[string]string{}
	for _, name := range []string{"Idempotency-Key", "If-Match", "X-Request-Id", "User-Agent", "Traceparent"} {
		if v := h.Get(name); v != "" {
			out[name] = v
		}
	}
	return out
}
