package story

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// streamLine is what a run says of one stream: "loaded  tasks@tidy  4 sent, 4 applied".
type streamLine struct {
	entity, system string
	state          string // such as "sweep partial"; "" where nothing is said before a colon
	figures        []wordCount
}

type wordCount struct {
	n    int
	word string
}

// streamLines reads the lines of a verb.
func streamLines(text, verb string) []streamLine {
	var out []streamLine
	for _, line := range linesWith(text, verb) {
		rest := strings.TrimSpace(strings.TrimPrefix(line, verb))
		stream, rest, _ := strings.Cut(rest, " ")
		entity, system, ok := strings.Cut(stream, "@")
		if !ok {
			continue
		}
		l := streamLine{entity: entity, system: system}
		if state, list, ok := strings.Cut(rest, ": "); ok {
			l.state, rest = strings.TrimSpace(state), list
		}
		for part := range strings.SplitSeq(strings.TrimSpace(rest), ", ") {
			number, word, _ := strings.Cut(part, " ")
			if n, err := strconv.Atoi(strings.ReplaceAll(number, ",", "")); err == nil && n > 0 {
				l.figures = append(l.figures, wordCount{n, word})
			}
		}
		out = append(out, l)
	}
	return out
}

// short is a stream's line without what goes without saying: "pms 983 read".
func (l streamLine) short() string {
	var parts []string
	for i, f := range l.figures {
		if i > 0 && f.word == "new" && f.n == l.figures[0].n {
			continue // all that was read
		}
		parts = append(parts, fmt.Sprintf("%s %s", thousands(f.n), f.word))
	}
	if l.state != "" && !strings.HasSuffix(l.state, "complete") {
		parts = append(parts, l.state)
	}
	return l.system + " " + strings.Join(parts, ", ")
}

// byEntity renders what a run read, a line for each entity.
func byEntity(text string) []string {
	var order []string
	parts := map[string][]string{}
	for _, l := range streamLines(text, "extracted") {
		if parts[l.entity] == nil {
			order = append(order, l.entity)
		}
		parts[l.entity] = append(parts[l.entity], l.short())
	}
	for i, entity := range order {
		order[i] = fmt.Sprintf("%-13s %s", entity, strings.Join(parts[entity], "; "))
	}
	return order
}

// bySystem sums up what a verb did in each system: "pms 12 sent, 12 applied; tidy 3
// sent, 3 applied". It is "" where nothing happened.
func bySystem(text, verb string) string {
	var order []string
	sums := map[string][]wordCount{}
	for _, l := range streamLines(text, verb) {
		if _, known := sums[l.system]; !known {
			order = append(order, l.system)
			sums[l.system] = nil
		}
		for _, f := range l.figures {
			if i := slices.IndexFunc(sums[l.system], func(x wordCount) bool { return x.word == f.word }); i >= 0 {
				sums[l.system][i].n += f.n
			} else {
				sums[l.system] = append(sums[l.system], f)
			}
		}
	}
	var out []string
	for _, system := range order {
		if len(sums[system]) > 0 {
			out = append(out, streamLine{system: system, figures: sums[system]}.short())
		}
	}
	return strings.Join(out, "; ")
}

// matching are the lines that hold some words, without leading blanks.
func matching(text, words string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, words) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// thousands renders a number as people read it: 12,345.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// decided finds how many changes a command says that it decided about.
func decided(text string) int {
	m := regexp.MustCompile(`(?:approved|rejected) ([\d,]+) changes?`).FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.ReplaceAll(m[1], ",", "")) // digits and commas
	return n
}
