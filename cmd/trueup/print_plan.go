package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/review"
	"github.com/trueup-data/trueup/stages/review/story"
)

// planFlags choose how much of a plan is shown.
type planFlags struct {
	entity     string
	full, diff bool
}

// linesShown is how many lines a stream has in a plan that is not shown in full.
const linesShown = 20

func (f planFlags) cut() story.Cut {
	if f.full {
		return story.Cut{Entity: f.entity, Full: true}
	}
	return story.Cut{Entity: f.entity, Lines: linesShown}
}

// printPlan writes how many changes there are of each kind, a line per effect,
// and last the sum and what a person can do.
func (c *cli) printPlan(p story.Plan, f planFlags) {
	if len(p.Counts) == 0 {
		c.say("nothing to send: every record agrees, or is a listed difference%s", because(apart(p.Apart)))
		return
	}
	c.printCounts(p.Counts, "state")
	c.printLines(p.Lines, f, "trueup plan --full")
	c.say("")
	c.say("%s%s", c.paint(bold, sums(p.Counts)), prefixed("; ", apart(p.Apart)))
	c.planHelp(p.Next)
}

// apart says what leads to nothing.
func apart(n int64) string {
	if n == 0 {
		return ""
	}
	return plural(n, "known difference leads", "known differences lead") + " to nothing"
}

// printCounts is a row per stream and state, with a column per operation.
func (c *cli) printCounts(counts []story.Count, state string) {
	ops := []string{"create", "update", "delete"}
	var rows [][]string
	for i, x := range counts {
		before := story.Count{}
		if i > 0 {
			before = counts[i-1]
		}
		if x.Entity != before.Entity || x.System != before.System || x.State != before.State {
			rows = append(rows, []string{x.Entity, x.System, x.State, "", "", ""})
		}
		rows[len(rows)-1][3+slices.Index(ops, x.Op)] = count(x.Records)
	}
	grid(c.out, append([]string{"entity", "system", state}, ops...), rows, 3, 4, 5)
}

// printLines writes a line per effect under the name of its stream.
func (c *cli) printLines(lines []story.Line, f planFlags, more string) {
	for i := 0; i < len(lines); {
		first, end := lines[i], i
		for end < len(lines) && lines[end].Entity == first.Entity && lines[end].System == first.System && lines[end].State == first.State {
			end++
		}
		c.say("")
		c.say("%s  %s", c.paint(bold, first.Entity+"@"+first.System), c.paint(stateColour(first.State), first.State))
		c.printStream(lines[i:end], f)
		if hidden := first.Lines - int64(end-i); hidden > 0 {
			shown := int64(0)
			for _, l := range lines[i:end] {
				shown += l.Records
			}
			c.say("  ... and %s: %s", plural(first.All-shown, "more change", "more changes"), more)
		}
		i = end
	}
}

func stateColour(state string) string {
	switch state {
	case tables.ChangeHeld, tables.ChangeInDoubt, "rejected", "refused", "not_kept", "stale":
		return red
	case tables.ChangeApplied, "already_true":
		return green
	}
	return yellow
}

func (c *cli) printStream(lines []story.Line, f planFlags) {
	width := 0
	for _, l := range lines {
		width = max(width, len([]rune(whom(l))))
	}
	for _, l := range lines {
		head := fmt.Sprintf("%-*s", width, whom(l))
		if f.diff {
			c.say("  %s  %s  %s", c.paint(opColour(l.Op), l.Op), head, c.paint(dim, strings.TrimSpace(origin(l)+examples(l))))
			c.printDiff(l)
			continue
		}
		room := 0
		if w := c.width(); w > 0 && !f.full {
			room = max(w-len("  update  ")-width-2, 20)
		}
		effect, who := fitted(l, room)
		c.say("  %s  %s  %s", c.paint(opColour(l.Op), l.Op), head, strings.TrimLeft(effect+"  "+c.paint(dim, who), " "))
	}
}

// fitted is what a line changes and who made it so, in so many columns; 0: in as
// many as it takes. Where these are few, long values lose their ends first, then
// the rule is left out.
func fitted(l story.Line, room int) (effect, who string) {
	effect, who = story.Difference(l.Before, l.After), strings.TrimSpace(origin(l)+examples(l))
	long := func() bool { return room > 0 && len([]rune(effect))+2+len([]rune(who)) > room }
	for _, most := range []int{40, 24, 16} {
		if long() {
			effect = story.Difference(shortened(l.Before, most), shortened(l.After, most))
		}
	}
	if long() && l.By != "" && l.Op == "update" {
		who = "(" + l.By + ")"
	}
	if long() {
		effect = cut(effect, max(room-len([]rune(who))-2, room/2))
		who = cut(who, room-len([]rune(effect))-2)
	}
	return effect, who
}

// shortened cuts values after so many characters.
func shortened(values map[string]*string, most int) map[string]*string {
	out := map[string]*string{}
	for name, v := range values {
		if out[name] = v; v != nil {
			short := cut(*v, most)
			out[name] = &short
		}
	}
	return out
}

// whom is the key of the only record of a line, or how many it has.
func whom(l story.Line) string {
	if l.Records == 1 {
		return l.Keys[0]
	}
	return plural(l.Records, "record", "records")
}

// origin says who changed it, by which rule, and what else is to be known.
func origin(l story.Line) string {
	parts := []string{}
	switch {
	case l.Op == "delete" && l.By != "":
		parts = append(parts, "deleted in "+l.By)
	case l.Op == "create" && l.By != "":
		parts = append(parts, "from "+l.By)
	case l.By != "":
		parts = append(parts, l.By+prefixed(" by ", l.Rule)+prefixed(" over ", l.Over))
	}
	if l.Reason != "" {
		parts = append(parts, l.Reason)
	}
	if s := said(l.Word); s != "" {
		parts = append(parts, s)
	}
	if l.Moved != nil {
		parts = append(parts, l.Moved.Person+" approved another "+l.Moved.Columns)
	}
	if len(parts) == 0 {
		return ""
	}
	return "(" + strings.Join(parts, "; ") + ")"
}

// examples are some of the keys of many.
func examples(l story.Line) string {
	if l.Records == 1 {
		return ""
	}
	return " such as " + strings.Join(l.Keys, ", ")
}

// printDiff shows an effect as a table of its fields.
func (c *cli) printDiff(l story.Line) {
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(union(l.Before, l.After))) {
		rows = append(rows, []string{name, cell(l.Before, name), cell(l.After, name)})
	}
	if len(rows) == 0 {
		return
	}
	var b bytes.Buffer
	grid(&b, []string{"field", "before", "after"}, rows)
	for line := range strings.Lines(b.String()) {
		c.say("          %s", strings.TrimRight(line, " \n"))
	}
}

func union(a, b map[string]*string) map[string]*string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]*string{}
	}
	maps.Copy(all, b)
	return all
}

// cell is a value in a table: "-" is null, nothing is not said.
func cell(values map[string]*string, name string) string {
	v, there := values[name]
	switch {
	case !there:
		return ""
	case v == nil:
		return "-"
	case *v == "" || *v == "-" || strings.ContainsAny(*v, "\n\r\t") || strings.TrimSpace(*v) != *v:
		return strconv.Quote(*v)
	}
	return *v
}

// sums is "45 changes: 19 create, 26 update".
func sums(counts []story.Count) string {
	by, all := map[string]int64{}, int64(0)
	for _, x := range counts {
		by[x.Op] += x.Records
		all += x.Records
	}
	return plural(all, "change", "changes") + ": " + happened("", figure{by["create"], "create"}, figure{by["update"], "update"}, figure{by["delete"], "delete"})
}

// planHelp says how each change goes on: by the next load, by a person, or by itself.
func (c *cli) planHelp(n story.Next) {
	for _, plan := range n.Plans {
		c.say("help: trueup approve %s   or   trueup reject %s", plan, plan)
	}
	if n.Held != "" {
		held := n.Held[:min(12, len(n.Held))]
		c.say("help: trueup approve %s   or   trueup reject %s   or several by --where", held, held)
	}
	if n.Loading > 0 {
		c.say("next: trueup load (%s)", plural(n.Loading, "change", "changes"))
	}
	if n.Lapsed > 0 {
		c.say("note: the approval of %s is over; the next run judges anew whether a person is asked", plural(n.Lapsed, "ready change", "ready changes"))
	}
	if n.Withdrawn > 0 {
		c.say("note: the next run withdraws what was rejected")
	}
	if n.Doubtful > 0 {
		c.say("note: the next run reads back what is in doubt before it sends anything else to those records")
	}
}

// said is what a person said of a change.
func said(w *story.Word) string {
	switch {
	case w == nil:
		return ""
	case w.Kind == review.Reject:
		return "rejected by " + w.Person
	case w.Expired && w.Expires != nil:
		return "approved by " + w.Person + ", and expired at " + stamp(*w.Expires)
	}
	return cmp.Or(prefixed("approved by ", w.Person), "approved")
}
