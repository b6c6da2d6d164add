package world

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

func etag(v *Version) string { return fmt.Sprintf("%q", "v"+strconv.FormatInt(v.Number, 10)) }

// target is the live record of the path, or the answer that there is none.
func (v *server) target(c *call) (*Record, answer) {
	r, ok := c.shelf.records[c.id()]
	switch {
	case !ok || r.Now().State == Vanished || c.suffers(NoAccess):
		return nil, v.fail(http.StatusNotFound, "not_found", "no %s %s", c.shelf.col.noun, c.id())
	case r.Now().State == Deleted:
		return nil, v.fail(http.StatusGone, "deleted", "%s %s was deleted at %v", c.shelf.col.noun, r.ID, v.sys.stamp(r.Now().UpdatedAt))
	}
	return r, answer{}
}

func (v *server) get(c *call) answer {
	r, no := v.target(c)
	if r == nil {
		return no
	}
	shown := r.row()
	if at := c.asOf(v.w.now); !at.IsZero() {
		if old := r.asOf(at); old != nil && old.State == Live {
			shown.version = old
		}
	}
	return v.one(http.StatusOK, c.shelf, shown)
}

func (v *server) create(c *call) answer {
	s := c.shelf
	empty, err := s.ent.whole(s.col.fixed)
	if err != nil {
		return v.invalid(err)
	}
	values, err := s.read(c.body, empty)
	if err == nil {
		err = s.ent.accepts(values)
	}
	if err != nil {
		return v.invalid(err)
	}
	if ids := s.byKey[s.ent.keyOf(values)]; len(ids) > 0 && s.col.unique {
		return v.fail(http.StatusConflict, "duplicate_code", "%s %s has this key", s.col.noun, ids[0])
	}
	e, r := v.w.effect(c, nil, v.alter(c, values, values), Live)
	a := v.one(http.StatusCreated, s, r.row())
	a.header.Set("Location", s.col.root+"/"+r.ID)
	a.effect = e
	return a
}

func (v *server) invalid(err error) answer {
	return v.fail(http.StatusUnprocessableEntity, "invalid", "%v", err)
}

func (v *server) update(c *call) answer {
	r, no := v.target(c)
	if r == nil {
		return no
	}
	if !v.current(c, r) {
		return v.stale(c, r)
	}
	old := r.Now().Values
	base := old
	if c.method == http.MethodPut {
		base = c.shelf.mends(Values{})
	}
	values, err := c.shelf.read(c.body, base)
	if err == nil {
		err = c.shelf.ent.accepts(values)
	}
	if err != nil {
		return v.invalid(err)
	}
	if c.shelf.ent.keyOf(values) != r.Key() {
		return v.fail(http.StatusUnprocessableEntity, "code_is_fixed", "the key of a %s cannot change", c.shelf.col.noun)
	}
	e, r := v.w.effect(c, r, v.alter(c, old.Changed(values), values), Live)
	a := v.one(http.StatusOK, c.shelf, r.row())
	a.effect = e
	return a
}

func (v *server) remove(c *call) answer {
	if v.sys.lasting {
		return v.fail(http.StatusMethodNotAllowed, "cannot_delete", "a %s is kept for good", c.shelf.col.noun)
	}
	r, no := v.target(c)
	if r == nil {
		return no
	}
	if !v.current(c, r) {
		return v.stale(c, r)
	}
	e, _ := v.w.effect(c, r, stored{values: r.Now().Values}, v.sys.gone())
	a := reply(http.StatusNoContent, nil)
	a.effect = e
	return a
}

// current reports whether the precondition, if there is one and the system knows
// any, holds.
func (v *server) current(c *call, r *Record) bool {
	want := c.header.Values("If-Match")
	switch {
	case len(want) == 0 || slices.Contains(want, "*"):
		return true
	case v.sys.etags:
		return slices.Contains(want, etag(r.Now()))
	case v.sys.version != "":
		return slices.Contains(want, strconv.FormatInt(r.Now().Number, 10))
	}
	return true
}

func (v *server) stale(c *call, r *Record) answer {
	a := v.fail(http.StatusPreconditionFailed, "precondition_failed", "%s %s has changed since", c.shelf.col.noun, r.ID)
	if v.sys.etags {
		a.header.Set("ETag", etag(r.Now()))
	}
	return a
}

// stored is what a system makes of what was sent.
type stored struct {
	values Values
	asked  Values // of the fields that it changed
}
