package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline/config"
)

// unit is what is judged as one: a field, or the fields of a group.
type unit struct {
	name   string // the fields in the entity's order, joined by commas
	fields []string
	rule   config.Rule
}

// units are all fields of the entity, in the order of their first fields.
func (e *Entity) units() []unit {
	var out []unit
	for _, f := range e.Fields {
		fields := []string{f.Name}
		for _, g := range e.Groups {
			if slices.Contains(g, f.Name) {
				fields = slices.SortedFunc(slices.Values(g), func(a, b string) int { return e.field(a) - e.field(b) })
			}
		}
		if fields[0] == f.Name {
			out = append(out, unit{name: strings.Join(fields, ","), fields: fields, rule: e.rule(f.Name)})
		}
	}
	return out
}

// rule is the rule of a field. The fields of a group have one rule.
func (e *Entity) rule(field string) config.Rule {
	if r, ok := e.Resolve.Fields[field]; ok {
		return r
	}
	return e.Resolve.Default
}

// ruleTables are the small tables of fields, rules and checks.
func (e *Entity) ruleTables() []string {
	var fields, rules, ranks, checks []string
	for _, u := range e.units() {
		for _, f := range u.fields {
			fields = append(fields, row(Literal(f), fmt.Sprint(e.field(f)), Literal(u.name)))
		}
		rules = append(rules, row(Literal(u.name), Literal(u.rule.Kind()), fmt.Sprint(u.rule.Skew().Microseconds())))
		for rank, system := range u.rule.Order() {
			ranks = append(ranks, row(Literal(u.name), fmt.Sprint(rank), Literal(system)))
		}
	}
	for _, c := range e.Checks {
		for _, f := range c.Reads {
			checks = append(checks, row(Literal(c.Name), Literal(f)))
		}
	}
	return []string{
		table("p_field", "field VARCHAR, ord INTEGER, unit VARCHAR", fields),
		table("p_rule", "unit VARCHAR, kind VARCHAR, skew_us BIGINT", rules),
		table("p_rank", "unit VARCHAR, rank INTEGER, system VARCHAR", ranks),
		table("p_check", "name VARCHAR, field VARCHAR", checks),
	}
}

// Claimed computes, from the table claimed (a golden record as each contender
// would have it, one per variant), what every system would show of it:
// laid_claim.
func (e *Entity) Claimed() []string {
	const golden, keep = "golden_wide_claim", "_key, _variant"
	out := []string{"CREATE OR REPLACE TEMP TABLE " + golden + " AS " + e.wide("claimed", keep)}
	var laid []string
	for i, s := range e.Systems {
		table := fmt.Sprintf("written_claim_%d", i)
		out = append(out, "CREATE OR REPLACE TEMP TABLE "+table+" AS "+e.loudWritten(s, golden, keep))
		laid = append(laid, e.loudLaid(s, fmt.Sprintf("raw_%d", i), table, "r._key, r._id, w._variant", "_key, _id, _variant"))
	}
	return append(out, "CREATE OR REPLACE TEMP TABLE laid_claim AS "+e.union(laid, "_key, _id AS id, _variant, field, state, value"))
}

// Checked computes which checks a merge would break: those that golden_wide_old
// passes, and the table merged does not.
func (e *Entity) Checked() []string {
	broken := []string{"SELECT NULL::INTEGER AS _key, NULL::VARCHAR AS name WHERE false"}
	for _, c := range e.Checks {
		passes := "SELECT _key, TRY(CAST(" + c.SQL + " AS BOOLEAN)) AS passes FROM "
		broken = append(broken, "SELECT o._key, "+Literal(c.Name)+" AS name FROM ("+passes+"golden_wide_old) o JOIN ("+passes+"golden_wide_merged) n USING (_key) WHERE o.passes AND NOT n.passes")
	}
	var out []string
	if len(e.Checks) > 0 {
		out = append(out, "CREATE OR REPLACE TEMP TABLE golden_wide_merged AS "+e.wide("merged", "_key"))
	}
	return append(out, "CREATE OR REPLACE TEMP TABLE broken AS "+strings.Join(broken, " UNION ALL "))
}

// Said is golden's own text of each field whose words a system is declared to
// change, in those words and whole, for records that get news: golden_said.
func (e *Entity) Said() string {
	said := []string{"SELECT NULL::INTEGER AS _key, NULL::VARCHAR AS system, NULL::VARCHAR AS field, NULL::VARCHAR AS value WHERE false"}
	for _, s := range e.Systems {
		for _, m := range s.Maps {
			if m.Loss == nil {
				continue
			}
			said = append(said, fmt.Sprintf("SELECT _key, %s, %s, %s FROM golden_wide_old SEMI JOIN (FROM merged WHERE winner = %s AND field = %s) USING (_key) WHERE _s%d = 'value'",
				Literal(s.Name), Literal(m.Name), m.Loss.Words().FoldSQL(m.Type, quote(m.Name)), Literal(s.Name), Literal(m.Name), e.field(m.Name)))
		}
	}
	return "CREATE OR REPLACE TEMP TABLE golden_said AS " + strings.Join(said, " UNION ALL ")
}
