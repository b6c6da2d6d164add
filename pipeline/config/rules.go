package config

import (
	"fmt"
	"slices"
)

// FromNode takes {authority: ...}. Every other rule of the complete design is
// refused by name, so that nothing is decided by a rule that does nothing.
func (r *rulePart) FromNode(n Node) error {
	r.At = n.At()
	if n.Kind() == KindScalar && slices.Contains(wordRules, n.Text()) {
		return Problems{Problem(n.At(), fmt.Sprintf("%q: rule %s is not built yet", n.Path(), n.Text()), "only the rule authority is", "write {authority: SYSTEM}")}
	}
	if n.Kind() != KindMap {
		p := wrongShape(n.n, "a rule")
		p.Help = "write {authority: SYSTEM}"
		return Problems{p}
	}
	var long longRule
	if err := n.Decode(&long); err != nil {
		return err
	}
	if len(long.Authority) == 0 {
		return Problems{Problem(n.At(), fmt.Sprintf("%q is missing", join(n.Path(), "authority")), "a rule names who is right", "write {authority: SYSTEM}")}
	}
	r.Authority = long.Authority
	return nil
}
