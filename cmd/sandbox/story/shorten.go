package story

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// withoutZeros leaves out what did not happen: "9 read, 0 new, 2 changed" becomes
// "9 read, 2 changed". A line of nothing but zeros becomes "".
func withoutZeros(line string) string {
	head, list, found := strings.Cut(line, ": ")
	if !found {
		head, list = "", line
	}
	var kept []string
	for part := range strings.SplitSeq(list, ", ") {
		if !strings.HasPrefix(strings.TrimSpace(part), "0 ") {
			kept = append(kept, part)
		}
	}
	if len(kept) == 0 {
		return ""
	}
	if found {
		return head + ": " + strings.Join(kept, ", ")
	}
	return strings.Join(kept, ", ")
}

// figure sums the numbers that stand right before a word, over all lines:
// "12 read" and "1,030 read" are 1042 of "read".
func figure(text, word string) int {
	sum := 0
	for _, m := range regexp.MustCompile(`([\d,]+) `+regexp.QuoteMeta(word)+`\b`).FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(strings.ReplaceAll(m[1], ",", ""))
		if err == nil { // a pattern of digits and commas: only a lone comma is no number
			sum += n
		}
	}
	return sum
}

// figures renders those of the words that did happen: "12 read, 3 sent".
func figures(text string, words ...string) string {
	var parts []string
	for _, w := range words {
		if n := figure(text, w); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, w))
		}
	}
	if len(parts) == 0 {
		return "nothing new"
	}
	return strings.Join(parts, ", ")
}

// linesWith are the lines that begin with one of the words, without leading blanks.
func linesWith(text string, words ...string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(line, w) }) {
			out = append(out, line)
		}
	}
	return out
}

// clip cuts a line to a width, with dots where something is missing.
func clip(line string, width int) string {
	runes := []rune(line)
	if len(runes) <= width {
		return line
	}
	return strings.TrimRight(string(runes[:width-3]), " ,") + "..."
}

// planIn finds the plan that a run says to approve; "" is none.
func planIn(text string) string {
	m := regexp.MustCompile(`trueup approve (\S+)`).FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return m[1]
}

// people says in a few words what people did.
func people(edits []world.Edit) string {
	n := map[string]int{}
	for _, e := range edits {
		switch {
		case e.Silent:
			n["silently deleted"]++
		case e.Op == world.Delete:
			n["deleted"]++
		case e.Op == world.Create:
			n["new"]++
		default:
			n["edited"]++
		}
	}
	return counted(n, []string{"edited", "new", "deleted", "silently deleted"})
}

func counted(n map[string]int, order []string) string {
	var parts []string
	for _, what := range order {
		if n[what] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[what], what))
		}
	}
	if len(parts) == 0 {
		return "nobody does anything"
	}
	return strings.Join(parts, ", ")
}

// faultsOf says which faults hit some requests: "3 faults: cut, throttle 2"; "" is none.
func faultsOf(requests []world.Request) string {
	n, total := map[world.Kind]int{}, 0
	for _, r := range requests {
		if r.Fault != "" {
			n[r.Fault]++
			total++
		}
	}
	if total == 0 {
		return ""
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(n)) {
		name := strings.ReplaceAll(string(k), "_", " ")
		if n[k] > 1 {
			name = fmt.Sprintf("%s %d", name, n[k])
		}
		parts = append(parts, name)
	}
	return plural(total, "fault") + ": " + strings.Join(parts, ", ")
}

// writes counts the requests that asked for a change.
func writes(requests []world.Request) int {
	n := 0
	for _, r := range requests {
		switch r.Call {
		case world.CallCreate, world.CallUpdate, world.CallDelete:
			n++
		}
	}
	return n
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
