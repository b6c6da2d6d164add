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
	CheckUnknown       = "unknown write"  // to a record of which the last answer could not be read
	CheckCause         = "no cause"       // the world itself: a version that nothing explains
)

// Problem is one way in which the proof fails.
type Problem struct {
	Check  string `json:"check"`
	Entity string `json:"entity"`
	Key    string `json:"key"`
	Field  string `json:"field,omitempty"`
	System string `json:"system,omitempty"`
	Detail string `json:"detail"`
}

// String is the problem in one line.
func (p Problem) String() string {
	where := p.Entity + " " + p.Key
	if p.Field != "" {
		where += "." + p.Field
	}
	if p.System != "" {
		where += "@" + p.System
	}
	return p.Check + ": " + where + ": " + p.Detail
}

// EntityFigures count the records of an entity, over all systems.
type EntityFigures struct {
	Entity   string `json:"entity"`
	Keys     int    `json:"keys"`  // that are live anywhere
	Agree    int    `json:"agree"` // of them, without any difference
	Known    int    `json:"known"` // of them, with known differences only
	Disagree int    `json:"disagree"`
	Fields   int    `json:"fields"` // values that were compared with the one that is right
}

// EditFigures count what became of people's edits.
type EditFigures struct {
	Total      int `json:"total"`
	Kept       int `json:"kept"`       // their value is in every system in scope
	Replaced   int `json:"replaced"`   // by a later edit
	Overridden int `json:"overridden"` // by the authority, or by a rule for conflicts
	Deleted    int `json:"deleted"`    // with their record, which a person deleted
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
	Entities []EntityFigures `json:"entities"`
	Known    map[string]int  `json:"known,omitempty"` // known differences, by why
	Edits    EditFigures     `json:"edits"`
	Effects  EffectFigures   `json:"effects"`
	Requests int             `json:"requests"`
	Serves   int             `json:"serves"`
	Faults   map[Kind]int    `json:"faults,omitempty"` // how often they fired
	Problems []Problem       `json:"problems,omitempty"`
}

// Total sums up the entities.
func (r Report) Total() EntityFigures {
	total := EntityFigures{Entity: "all"}
	for _, f := range r.Entities {
		total.Keys += f.Keys
		total.Agree += f.Agree
		total.Known += f.Known
		total.Disagree += f.Disagree
		total.Fields += f.Fields
	}
	return total
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
	t := r.Total()
	fmt.Fprintf(&b, "records   %s (%s): %d agree in every field, %d with known differences%s, %d disagree (%d values compared)\n",
		plural(t.Keys, "record"), r.names(), t.Agree, t.Known, listed(" (", r.Known, ")"), t.Disagree, t.Fields)
	fmt.Fprintf(&b, "edits     %d by people: %d everywhere, %d replaced by a later edit, %d overridden by a rule, %d deleted with their record, "+
		"%d known, %d lost\n",
		r.Edits.Total, r.Edits.Kept, r.Edits.Replaced, r.Edits.Overridden, r.Edits.Deleted, r.Edits.Known, r.Count(CheckLostEdit))
	fmt.Fprintf(&b, "effects   %d creates, %d updates (%d changed nothing), %d deletes: %d double, %d unasked deletes, %d blind, %d to unknown records, "+
		"%d invented values\n",
		r.Effects.Creates, r.Effects.Updates, r.Effects.NoChange, r.Effects.Deletes,
		r.Count(CheckDoubleEffect), r.Count(CheckUnaskedDelete), r.Count(CheckBlind), r.Count(CheckUnknown), r.Count(CheckInvented))
	fmt.Fprintf(&b, "requests  %d, and %s\n", r.Requests, r.faults())
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

// names lists the entities with their records.
func (r Report) names() string {
	var parts []string
	for _, f := range r.Entities {
		parts = append(parts, fmt.Sprintf("%d %s", f.Keys, f.Entity))
	}
	return strings.Join(parts, ", ")
}

func (r Report) faults() string {
	total := 0
	for _, n := range r.Faults {
		total += n
	}
	if total == 0 {
		return "no fault"
	}
	return plural(total, "fault") + listed(" (", r.Faults, ")")
}

// listed renders counts by name between two texts; "" where there are none.
func listed[K ~string](before string, counts map[K]int, after string) string {
	if len(counts) == 0 {
		return ""
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, counts[k]))
	}
	return before + strings.Join(parts, ", ") + after
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
