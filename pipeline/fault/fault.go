// Package fault says what an error means: whether anything happened, whether to
// try again, where it failed, what is safe and what a person can do. Callers
// branch on the Kind and never on text. It also holds the table that says what
// an HTTP status means by method and protocol.
//
// It must never do I/O, hold a secret, or turn an unknown outcome into a
// failure: an Unknown that is wrapped stays Unknown.
package fault

import (
	"context"
	"strings"
	"time"
)

// Kind is what an error means for whoever decides what comes next.
type Kind uint8

// The kinds. The zero value is Permanent, so that an error which says nothing
// about itself is never repeated.
const (
	Permanent Kind = iota // trying again changes nothing
	Transient             // nothing happened; the same may be tried again
	LostRace              // nothing happened; somebody else was first, look again
	Unknown               // it may have taken effect, or may still: read back, clean up nothing
	Canceled              // the caller gave up or the deadline passed
)

// String is the kind's name in logs and JSON.
func (k Kind) String() string {
	switch k {
	case Permanent:
		return "permanent"
	case Transient:
		return "transient"
	case LostRace:
		return "lost race"
	case Unknown:
		return "unknown"
	case Canceled:
		return "canceled"
	}
	return "permanent"
}

// Error is an error that carries its meaning. Only Op and Err are needed; an
// Error is a value to read, and is not changed after it was returned.
type Error struct {
	Kind       Kind
	Op         string        // what failed: "put object", "read page"
	Where      Place         // where
	Err        error         // why
	RetryAfter time.Duration // with Transient: not before; 0 says nothing
	Help       string        // what to do next, best a command: "trueup init"
	Note       string        // what is safe: "nothing was written"
	Code       string        // a stable short name for programs: "lease_held"
}

// New makes an error of a kind; the With methods return changed copies.
func New(kind Kind, op string, err error) *Error {
	return &Error{Kind: kind, Op: op, Err: err}
}

// WithWhere returns a copy that says where it failed.
func (e *Error) WithWhere(p Place) *Error { c := *e; c.Where = p; return &c }

// WithHelp returns a copy that says what to do next.
func (e *Error) WithHelp(help string) *Error { c := *e; c.Help = help; return &c }

// WithNote returns a copy that says what is safe.
func (e *Error) WithNote(note string) *Error { c := *e; c.Note = note; return &c }

// WithCode returns a copy with a stable short name.
func (e *Error) WithCode(code string) *Error { c := *e; c.Code = code; return &c }

// WithRetryAfter returns a copy that is not to be tried again before d is over.
func (e *Error) WithRetryAfter(d time.Duration) *Error { c := *e; c.RetryAfter = d; return &c }

// Error says what failed, where and why, in one line. Help and Note are shown
// by Describe, so that wrapping does not bury them in the middle of a line.
func (e *Error) Error() string {
	parts := make([]string, 0, 3)
	if e.Op != "" {
		parts = append(parts, e.Op)
	}
	if where := e.Where.String(); where != "" {
		parts = append(parts, where)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	if len(parts) == 0 {
		return e.Kind.String() + " error"
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives the reason, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is what err means. The outermost Error of the chain decides; of joined
// errors the gravest does. Errors of a context are Canceled unless an Error
// around them says otherwise, and everything else is Permanent.
func KindOf(err error) Kind {
	for err != nil {
		if e, ok := err.(*Error); ok { //nolint:errorlint // each link of the chain is looked at in turn
			return e.Kind
		}
		if err == context.Canceled || err == context.DeadlineExceeded { //nolint:errorlint // as above
			return Canceled
		}
		switch u := err.(type) { //nolint:errorlint // as above
		case interface{ Unwrap() error }:
			err = u.Unwrap()
		case interface{ Unwrap() []error }:
			return gravest(u.Unwrap())
		default:
			return Permanent
		}
	}
	return Permanent
}

// gravest is the kind that forbids most among errs.
func gravest(errs []error) Kind {
	worst, found := Permanent, false
	for _, err := range errs {
		if err == nil {
			continue
		}
		if kind := KindOf(err); !found || gravity(kind) > gravity(worst) {
			worst, found = kind, true
		}
	}
	return worst
}

func gravity(k Kind) int {
	switch k {
	case Unknown:
		return 4
	case LostRace:
		return 2
	case Transient:
		return 1
	case Canceled:
		return 0
	}
	return 3 // Permanent, and what nobody knows
}

// Is reports whether err is of the kind; nil is of none.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// HelpOf is the first help in the chain of err, or "".
func HelpOf(err error) string { return first(err, func(e *Error) string { return e.Help }) }

// NoteOf is the first note in the chain of err, or "".
func NoteOf(err error) string { return first(err, func(e *Error) string { return e.Note }) }

// CodeOf is the first code in the chain of err, or "".
func CodeOf(err error) string { return first(err, func(e *Error) string { return e.Code }) }

// RetryAfterOf is the longest wait that an Error in the chain of err asks for.
func RetryAfterOf(err error) time.Duration {
	var longest time.Duration
	walk(err, func(e *Error) bool {
		longest = max(longest, e.RetryAfter)
		return false
	})
	return longest
}

// WhereOf is the first place in the chain of err that says anything.
func WhereOf(err error) Place {
	var place Place
	walk(err, func(e *Error) bool {
		place = e.Where
		return place != Place{}
	})
	return place
}

// Describe renders err for a person: the error, then what is safe, then what to
// do, each on a line of its own where there is something to say.
func Describe(err error) string {
	if err == nil {
		return ""
	}
	lines := []string{err.Error()}
	if note := NoteOf(err); note != "" {
		lines = append(lines, note)
	}
	if help := HelpOf(err); help != "" {
		lines = append(lines, "Next: "+help)
	}
	return strings.Join(lines, "\n")
}

func first(err error, get func(*Error) string) string {
	found := ""
	walk(err, func(e *Error) bool {
		found = get(e)
		return found != ""
	})
	return found
}

// walk visits every Error in the tree of err, outermost first, until visit says
// that it has seen enough.
func walk(err error, visit func(*Error) bool) bool {
	if err == nil {
		return false
	}
	if e, ok := err.(*Error); ok && visit(e) { //nolint:errorlint // each link of the chain is looked at in turn
		return true
	}
	switch u := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() error }:
		return walk(u.Unwrap(), visit)
	case interface{ Unwrap() []error }:
		for _, part := range u.Unwrap() {
			if walk(part, visit) {
				return true
			}
		}
	}
	return false
}
