package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The checks of Verify.
const (
	CheckAgree         = "disagreement"   // the systems differ
	CheckLostEdit      = "lost edit"      // a person's edit or delete is nowhere, and nothing excuses it
	CheckDoubleEffect  = "double effect"  // one intent took effect twice
	CheckUnaskedDelete = "unasked delete" // a client deleted what no person had deleted
	CheckInvented      = "invented value" // a value that no person wrote
	CheckBlind         = "blind write"    // a person's value was replaced unseen
	CheckCause         = "no cause"       // the world itself: a version that nothing explains
)

// Problem is one way in which the proof fails.
type Problem struct {
	Check  string `json:"check"`
	Key    string `json:"key"`
	Field  string `json:"field,omitempty"`
	System string `json:"system,omitempty"`
	Detail string `json:"detail"`
}

// String is the problem in one line.
func (p Problem) String() string {
	where := p.Key
	if p.Field != "" {
		where += "." + p.Field
	}
	if p.System != "" {
		where += "@" + p.System
	}
	return p.Check + ": " + where + ": " + p.Detail
}

// EditFigures count what became of people's edits.
type EditFigures struct {
	Total      int `json:"total"`
	Kept       int `json:"kept"`       // their value is in every system in scope
	Replaced   int `json:"replaced"`   // by a later edit
	Overridden int `json:"overridden"` // by the authority
	Deleted    int `json:"deleted"`    // with their booking, which a person deleted
	Known      int `json:"known"`      // a known difference
}

// EffectFigures count what requests did.
type EffectFigures struct {
	Creates  int `json:"creates"`
	Updates  int `json:"updates"`
	Deletes  int `json:"deletes"`
	NoChange int `json:"no_change"` // updates that changed no value: harmless, but needless
}

// Report is the outcome of Verify.
type Report struct {
	Keys        int           `json:"keys"`  // bookings that are live anywhere
	Agree       int           `json:"agree"` // of them, without any difference
	Known       int           `json:"known"` // of them, with known differences only
	Disagree    int           `json:"disagree"`
	Fields      int           `json:"fields"`       // compared
	KnownFields int           `json:"known_fields"` // of them, known differences
	Edits       EditFigures   `json:"edits"`
	Effects     EffectFigures `json:"effects"`
	Requests    int           `json:"requests"`
	Serves      int           `json:"serves"`
	Faults      map[Kind]int  `json:"faults,omitempty"` // requests that they hit
	Problems    []Problem     `json:"problems,omitempty"`
}

// OK reports whether the proof holds.
func (r Report) OK() bool { return len(r.Problems) == 0 }

// Count is how many problems one check found.
func (r Report) Count(check string) int {
	n := 0
	for _, p := range r.Problems {
		if p.Check == check {
			n++
		}
	}
	return n
}

// shownProblems is how many problems String lists: the first ones tell the most.
const shownProblems = 20

// String is the report for people: figures, then what is wrong.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "records   %s: %d agree in every field, %d with known differences, %d disagree (%d fields compared)\n",
		plural(r.Keys, "booking"), r.Agree, r.Known, r.Disagree, r.Fields)
	fmt.Fprintf(&b, "edits     %d by people: %d in both systems, %d replaced by a later edit, %d overridden by the authority, %d deleted with their booking, "+
		"%d known, %d lost\n",
		r.Edits.Total, r.Edits.Kept, r.Edits.Replaced, r.Edits.Overridden, r.Edits.Deleted, r.Edits.Known, r.Count(CheckLostEdit))
	fmt.Fprintf(&b, "effects   %d creates, %d updates (%d changed nothing), %d deletes: %d double, %d unasked deletes, %d blind, %d invented values\n",
		r.Effects.Creates, r.Effects.Updates, r.Effects.NoChange, r.Effects.Deletes,
		r.Count(CheckDoubleEffect), r.Count(CheckUnaskedDelete), r.Count(CheckBlind), r.Count(CheckInvented))
	fmt.Fprintf(&b, "requests  %d, of which %s\n", r.Requests, r.faults())
	if r.OK() {
		b.WriteString("proof     holds\n")
		return b.String()
	}
	fmt.Fprintf(&b, "proof     FAILS: %s\n", plural(len(r.Problems), "problem"))
	for _, p := range r.Problems[:min(len(r.Problems), shownProblems)] {
		fmt.Fprintf(&b, "  %s\n", p)
	}
	if more := len(r.Problems) - shownProblems; more > 0 {
		fmt.Fprintf(&b, "  and %d more\n", more)
	}
	return b.String()
}

func (r Report) faults() string {
	total := 0
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(r.Faults)) {
		total += r.Faults[k]
		parts = append(parts, fmt.Sprintf("%s %d", k, r.Faults[k]))
	}
	if total == 0 {
		return "none met a fault"
	}
	return fmt.Sprintf("%d met a fault (%s)", total, strings.Join(parts, ", "))
}

// plural counts things; a second form is needed where it is not an s.
func plural(n int, one string, many ...string) string {
	word := one + "s"
	if len(many) > 0 {
		word = many[0]
	}
	if n == 1 {
		word = one
	}
	return fmt.Sprintf("%d %s", n, word)
}

// requestOf names the request of an effect.
func requestOf(e Effect) string {
	return fmt.Sprintf("request %d (%s %s)", e.Request, e.Method, e.Path)
}

// describe names an edit.
func describe(e Edit) string {
	return fmt.Sprintf("edit %d (%s, %s of %s in %s at %s)", e.Seq, e.By, e.Op, e.ID, e.System, e.At.Format("2006-01-02 15:04:05"))
}
