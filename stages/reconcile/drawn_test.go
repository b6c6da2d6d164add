package reconcile

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/stages/reconcile/merge"
)

// unitOf is a rule as the oracle sees it.
func unitOf(fields []string, r config.Rule) merge.Unit {
	return merge.Unit{Fields: fields, Kind: r.Kind(), Order: r.Order(), SkewUS: r.Skew().Microseconds()}
}

// drawRules draws a rule for every field, sometimes a group, and a check.
func (g *game) drawRules(entity *config.Entity, rules *merge.Rules, names []string) {
	entity.Resolve.Fields = map[string]config.Rule{}
	units := [][]string{{"code"}, {"guest"}, {"price"}, {"note"}}
	if g.chance(30) {
		units = [][]string{{"code"}, {"guest"}, {"price", "note"}}
		entity.Groups = [][]string{{"note", "price"}}
	}
	for _, u := range units {
		rule := g.drawRule(names)
		for _, f := range u {
			entity.Resolve.Fields[f] = rule
		}
		rules.Units = append(rules.Units, unitOf(u, rule))
	}
	for _, expr := range slices.Sorted(maps.Keys(knownChecks)) {
		if check := knownChecks[expr]; g.chance(20) {
			entity.Checks = append(entity.Checks, config.Check{Name: check.Name, Expr: config.Expr{SQL: expr}})
			rules.Checks = append(rules.Checks, check)
		}
	}
}

func (g *game) drawRule(names []string) config.Rule {
	list := slices.Clone(names)
	g.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	list = list[:g.rng.IntN(len(list)+1)]
	switch g.rng.IntN(8) {
	case 0, 1:
		return config.Rule{Latest: &config.Latest{Skew: time.Duration(g.rng.IntN(3)) * 10 * time.Minute, Then: list}}
	case 2:
		return config.Rule{Priority: append(list, names[0])[:max(1, len(list))]}
	case 3, 4:
		return config.Rule{Hold: true}
	}
	return config.Rule{Authority: list}
}

// knownChecks are the checks of games and scenarios, by their SQL.
var knownChecks = map[string]merge.Check{
	"price < 11 OR guest <> 'bob'": {Name: "cheap", Reads: []string{"guest", "price"}, Passes: func(golden merge.Fields) *bool {
		return either(less(golden.Get("price"), 11), is(golden.Get("guest"), "bob", false))
	}},
	"note <> 'paid' OR price > 0": {Name: "paid", Reads: []string{"note", "price"}, Passes: func(golden merge.Fields) *bool {
		free := less(golden.Get("price"), 0.005)
		if free != nil {
			*free = !*free
		}
		return either(is(golden.Get("note"), "paid", false), free)
	}},
}

// either is SQL's OR over three values; nil is NULL.
func either(a, b *bool) *bool {
	for _, x := range []*bool{a, b} {
		if x != nil && *x {
			return x
		}
	}
	if a == nil || b == nil {
		return nil
	}
	return a
}

// is compares a text: equal, or with want false unequal.
func is(v merge.Val, text string, want bool) *bool {
	if v.State != merge.Value {
		return nil
	}
	out := (v.Text == text) == want
	return &out
}

func less(v merge.Val, than float64) *bool {
	if v.State != merge.Value {
		return nil
	}
	n, err := strconv.ParseFloat(v.Text, 64)
	out := err == nil && n < than
	return &out
}
