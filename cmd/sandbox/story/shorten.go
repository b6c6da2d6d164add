package story

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// withoutZeros leaves out what did not happen: "9 read, 0 new, 2 changed" becomes
// "9 read, 2 changed". A line of nothing but zeros becomes "". What stands before
// a colon, or before two blanks, is kept.
func withoutZeros(line string) string {
	head, list := "", line
	for _, sep := range []string{": ", "  "} {
		if i := strings.LastIndex(list, sep); i >= 0 {
			head, list = head+list[:i+len(sep)], list[i+len(sep):]
		}
	}
	var kept []string
	for part := range strings.SplitSeq(list, ", ") {
		if !strings.HasPrefix(part, "0 ") {
			kept = append(kept, part)
		}
	}
	if len(kept) == 0 {
		return ""
	}
	return head + strings.Join(kept, ", ")
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

// people says in a few words what people did: "9 edits, 2 new, 3 deleted (1 silently)".
func people(edits []world.Edit) string {
	var edited, made, deleted, silent int
	for _, e := range edits {
		switch e.Op {
		case world.Delete:
			deleted++
			if e.Silent {
				silent++
			}
		case world.Create:
			made++
		default:
			edited++
		}
	}
	var parts []string
	if edited > 0 {
		parts = append(parts, plural(edited, "edit"))
	}
	if made > 0 {
		parts = append(parts, fmt.Sprintf("%d new", made))
	}
	if deleted > 0 {
		parts = append(parts, fmt.Sprintf("%d deleted", deleted))
	}
	if silent > 0 {
		parts[len(parts)-1] += fmt.Sprintf(" (%d silently)", silent)
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// faultsOf says how many faults hit some requests; "-" is none.
func faultsOf(requests []world.Request) string {
	n := 0
	for _, r := range requests {
		if r.Fault != "" {
			n++
		}
	}
	if n == 0 {
		return "-"
	}
	return plural(n, "fault")
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

// planSum is the line in which a plan sums itself up: "45 changes: 19 create, 26 update".
func planSum(text string) string {
	return regexp.MustCompile(`(?m)^[\d,]+ changes?: .*$`).FindString(text)
}

// wrap breaks a line between words so that none is wider than width, and indents
// what follows the first.
func wrap(line string, width, indent int) []string {
	var out []string
	for len([]rune(line)) > width {
		at := strings.LastIndexByte(string([]rune(line)[:width]), ' ')
		if at <= indent {
			break
		}
		out = append(out, line[:at])
		line = strings.Repeat(" ", indent) + line[at+1:]
	}
	return append(out, line)
}
