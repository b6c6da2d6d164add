package config

import (
	"fmt"
	"slices"
	"strings"
)

// The rules, in words, for messages.
var (
	wordRules  = []string{RuleLatest, RuleHold}
	otherRules = []string{RuleAuthority, RulePriority, "max", "min", "union", "concat", "sql", "when"}
)

const ruleHelp = "write {authority: SYSTEM}, {latest: {then: [SYSTEM, ...]}}, {priority: [SYSTEM, ...]} or hold"

// FromNode takes exactly one rule: latest and hold also as a word. Every other
// rule of the complete design is refused by name, so that nothing is decided by
// a rule that does nothing.
func (r *rulePart) FromNode(n Node) error {
	r.At = n.At()
	if n.Kind() == KindScalar && slices.Contains(wordRules, n.Text()) {
		r.Hold = n.Text() == RuleHold
		if !r.Hold {
			r.Latest = &latestPart{}
		}
		return nil
	}
	if n.Kind() == KindScalar && slices.Contains(otherRules, n.Text()) {
		return Problems{Problem(n.At(), fmt.Sprintf("%q: rule %s is not written as a word", n.Path(), n.Text()), "only latest and hold are", ruleHelp)}
	}
	if n.Kind() != KindMap {
		p := wrongShape(n.n, "a rule")
		p.Help = ruleHelp
		return Problems{p}
	}
	var long longRule
	if err := n.Decode(&long); err != nil {
		return err
	}
	return r.one(n, long)
}

// one takes the rule that is there; two are a mistake, since each alone decides.
func (r *rulePart) one(n Node, long longRule) error {
	r.Authority, r.Latest, r.Priority, r.Hold = long.Authority, long.Latest, long.Priority, long.Hold != nil && long.Hold.On
	if n.Has(RuleLatest) && r.Latest == nil {
		r.Latest = &latestPart{}
	}
	var named []string
	for kind, there := range map[string]bool{RuleAuthority: len(r.Authority) > 0, RuleLatest: r.Latest != nil, RulePriority: len(r.Priority) > 0, RuleHold: r.Hold} {
		if there {
			named = append(named, kind)
		}
	}
	slices.Sort(named)
	switch {
	case len(named) == 0:
		return Problems{Problem(n.At(), fmt.Sprintf("%q names no rule", n.Path()), "a rule says who is right", ruleHelp)}
	case len(named) > 1:
		why := "each of them alone decides"
		if slices.Contains(named, RuleAuthority) {
			why = "with authority only the news of its systems changes a field, so nothing is left for " + strings.Join(named[1:], ", ") + " to decide"
		}
		return Problems{Problem(n.At(), fmt.Sprintf("%q has the rules %s at once", n.Path(), strings.Join(named, " and ")), why, "keep one of them")}
	}
	return nil
}

// rule is the part as the project has it.
func (r rulePart) rule() Rule {
	out := Rule{Authority: r.Authority.Texts(), Priority: r.Priority.Texts(), Hold: r.Hold, At: r.At}
	if r.Latest != nil {
		out.Latest = &Latest{Skew: DefaultSkew, Then: r.Latest.Then.Texts()}
		if r.Latest.Skew != nil {
			out.Latest.Skew = *r.Latest.Skew
		}
	}
	return out
}

// names are the systems that the rule names, with their places.
func (r rulePart) names() Names {
	return slices.Concat(r.Authority, r.Priority, r.then())
}

func (r rulePart) then() Names {
	if r.Latest == nil {
		return nil
	}
	return r.Latest.Then
}
