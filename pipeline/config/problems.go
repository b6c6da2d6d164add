package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// Problems is everything that is wrong with a project file, in file order. Each
// entry has its place; errors.As finds a *fault.Error through it.
type Problems []*fault.Error

// Error renders one line per problem: "file:line:column: what (why); help: ...".
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, e := range p {
		lines[i] = line(e)
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the problems one by one.
func (p Problems) Unwrap() []error {
	errs := make([]error, len(p))
	for i, e := range p {
		errs[i] = e
	}
	return errs
}

func line(e *fault.Error) string {
	var b strings.Builder
	if e.Where.File != "" {
		fmt.Fprintf(&b, "%s:", e.Where.File)
		if e.Where.Line > 0 {
			fmt.Fprintf(&b, "%d:%d:", e.Where.Line, e.Where.Column)
		}
		b.WriteByte(' ')
	}
	b.WriteString(e.Op)
	if e.Err != nil {
		fmt.Fprintf(&b, " (%v)", e.Err)
	}
	if e.Help != "" {
		fmt.Fprintf(&b, "; help: %s", e.Help)
	}
	return b.String()
}

// Problem is one problem at a place of the project file: what is wrong, why, and
// what to do about it. Why and help may be "".
func Problem(at Position, what, why, help string) *fault.Error {
	e := &fault.Error{
		Kind:  fault.Permanent,
		Op:    what,
		Where: fault.Place{File: at.File, Line: at.Line, Column: at.Column},
		Help:  help,
		Code:  fault.CodeProjectFile,
	}
	if why != "" {
		e.Err = errors.New(why)
	}
	return e
}

// add appends a problem.
func (p *Problems) add(at Position, what, why, help string) {
	*p = append(*p, Problem(at, what, why, help))
}

// take appends the problems of an error: all of them if it has several, else the
// error itself, placed at at unless it has a place.
func (p *Problems) take(at Position, err error) {
	var many Problems
	var one *fault.Error
	switch {
	case err == nil:
	case errors.As(err, &many):
		for _, e := range many {
			if e.Where.File == "" {
				e = e.WithWhere(fault.Place{File: at.File, Line: at.Line, Column: at.Column})
			}
			*p = append(*p, e)
		}
	case errors.As(err, &one) && one.Where.File != "":
		*p = append(*p, one)
	default:
		p.add(at, err.Error(), "", "")
	}
}

// Err is the problems in file order, or nil if there are none; what is wrong at one
// place is told once, as it was told first. Files are in the order of their names, as Load reads them.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	sorted := slices.Clone(p)
	slices.SortStableFunc(sorted, func(a, b *fault.Error) int {
		x, y := a.Where, b.Where
		return cmp.Or(strings.Compare(x.File, y.File), x.Line-y.Line, x.Column-y.Column)
	})
	return slices.CompactFunc(sorted, func(a, b *fault.Error) bool { return a.Where == b.Where && a.Op == b.Op })
}

// Redacted gives the problems with every secret blotted out, whatever quoted it.
func (p Problems) Redacted(secrets []string) Problems {
	if len(secrets) == 0 {
		return p
	}
	longest := slices.SortedFunc(slices.Values(secrets), func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(longest))
	for _, s := range longest {
		pairs = append(pairs, s, "***")
	}
	blot := strings.NewReplacer(pairs...)
	out := make(Problems, len(p))
	for i, e := range p {
		c := *e
		c.Op, c.Help = blot.Replace(e.Op), blot.Replace(e.Help)
		if e.Err != nil && blot.Replace(e.Err.Error()) != e.Err.Error() {
			c.Err = errors.New(blot.Replace(e.Err.Error()))
		}
		out[i] = &c
	}
	return out
}

// Nearest is the candidate with the smallest edit distance to name, or "" if
// none is near enough to be what was meant.
func Nearest(name string, candidates []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the number of insertions, deletions, substitutions and swaps of
// neighbours between two texts (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := [3][]int{make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(x); i++ {
		cur := rows[2]
		cur[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			cur[j] = min(rows[1][j]+1, cur[j-1]+1, rows[1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				cur[j] = min(cur[j], rows[0][j-2]+1)
			}
		}
		rows[0], rows[1], rows[2] = rows[1], rows[2], rows[0]
	}
	return rows[1][len(y)]
}

// suggest is the help for an unknown name: the nearest valid one, or all of them.
func suggest(name string, valid []string) string {
	if near := Nearest(name, valid); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(valid) == 0 {
		return ""
	}
	return "valid here: " + strings.Join(valid, ", ")
}
