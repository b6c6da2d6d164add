package story

import (
	"testing"

	"github.com/trueup-data/trueup/pipeline/config"
)

func TestAPlanNamesTheRuleOfEachField(t *testing.T) {
	e := config.Entity{Resolve: config.Resolve{Default: config.Rule{Authority: []string{"pms"}}, Fields: map[string]config.Rule{
		"notes": {Latest: &config.Latest{}}, "phone": {Priority: []string{"pms"}}, "status": {Hold: true}}}}
	for field, want := range map[string]string{"price": config.RuleAuthority, "notes": config.RuleLatest, "phone": config.RulePriority, "status": config.RuleHold} {
		if got := ruleOf(e, field); got != want {
			t.Errorf("%s: %q, not %q", field, got, want)
		}
	}
}
