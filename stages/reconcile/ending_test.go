package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/stages/reconcile/merge"
)

// end tells what is so after the last run, line by line.
func (s *scenario) end() []string {
	var out []string
	situations := s.w.situations()
	var keys []string
	for key := range situations {
		keys = append(keys, key)
	}
	for _, key := range sorted(keys) {
		out = append(out, goldenLine(situations[key]))
	}
	for _, c := range s.w.query("SELECT * FROM t_changes WHERE state IN ('planned', 'ready', 'held', 'sent', 'in_doubt', 'rejected') ORDER BY _key, system, change") {
		out = append(out, s.changeLine(c))
	}
	for _, c := range s.w.query("SELECT * FROM out_conflicts ORDER BY _key, field, system") {
		out = append(out, conflictLine(c))
	}
	for _, key := range keys {
		for _, h := range situations[key].Holds {
			if line := s.holdLine(key, h); line != "" {
				out = append(out, line)
			}
		}
	}
	for _, key := range keys {
		for _, d := range situations[key].Differences {
			out = append(out, differenceLine(key, d))
		}
	}
	for _, f := range s.w.query("SELECT * FROM t_findings WHERE state = 'open' ORDER BY key, kind, system") {
		out = append(out, strings.TrimSpace(fmt.Sprintf("finding %s (%s) about %s in %s: %s", *f["kind"], *f["severity"], orAll(f["key"]), *f["system"], str(f["observed"]))))
	}
	return out
}

func orAll(key *string) string {
	if str(key) == "" {
		return "all keys"
	}
	return *key
}

func goldenLine(s *merge.Situation) string {
	switch {
	case s.Golden == nil:
		return s.Key + " is not known to golden"
	case !s.Golden.Live:
		return s.Key + " is deleted"
	}
	var fields []string
	for _, name := range []string{"guest", "price", "note"} {
		switch v := s.Golden.Fields.Get(name); v.State {
		case merge.Value:
			fields = append(fields, fmt.Sprintf("%s %s (%s)", name, v.Text, s.Golden.Sources[name]))
		case merge.Null:
			fields = append(fields, fmt.Sprintf("%s nothing (%s)", name, s.Golden.Sources[name]))
		}
	}
	return s.Key + " is " + strings.Join(fields, ", ")
}

func shownAs(v *string) string {
	if v == nil {
		return "nothing"
	}
	return *v
}

func (s *scenario) changeLine(c map[string]*string) string {
	before, after := decodeText[pipeline.Values](s.t, str(c["before"])), decodeText[pipeline.Values](s.t, str(c["after"]))
	var fields []string
	for name, to := range after {
		if from, ok := before[name]; ok {
			fields = append(fields, fmt.Sprintf("%s %s -> %s", name, shownAs(from), shownAs(to)))
		} else {
			fields = append(fields, name+" "+shownAs(to))
		}
	}
	slices.Sort(fields)
	line := fmt.Sprintf("%s to %s: %s", *c["state"], *c["system"], *c["op"])
	if id := str(c["id"]); id != "" {
		line += " " + id
	}
	line += " of " + *c["_key"]
	if len(fields) > 0 {
		line += ", " + strings.Join(fields, ", ")
	}
	return line
}

func conflictLine(c map[string]*string) string {
	if str(c["kind"]) == "replaced" {
		return fmt.Sprintf("%s of %s is replaced in %s: now %s", str(c["base"]), *c["_key"], *c["system"], str(c["seen"]))
	}
	if str(c["kind"]) == "presence" {
		return fmt.Sprintf("conflict about the presence of %s: %s; chosen: %s", *c["_key"], str(c["reason"]), shownAs(c["chosen"]))
	}
	return fmt.Sprintf("conflict about %s of %s: %s says %s (before: %s), golden said %s, chosen: %s (%s)", str(c["field"]), *c["_key"],
		*c["system"], shownAs(c["seen"]), shownAs(c["base"]), shownAs(c["golden"]), shownAs(c["chosen"]), str(c["reason"]))
}

// holdLine tells an open hold with its sides, and one that closed in the last run.
func (s *scenario) holdLine(key string, h merge.Hold) string {
	if h.State == "closed" {
		if len(s.w.query("SELECT 1 AS one FROM out_holds WHERE state = 'closed' AND _key = ? AND field = ?", key, h.Field)) == 0 {
			return ""
		}
		return fmt.Sprintf("the hold on %s of %s is closed: %s", cmp.Or(h.Field, "the presence"), key, h.Reason)
	}
	if h.Field == "" {
		return fmt.Sprintf("hold on the presence of %s: %s", key, h.Reason)
	}
	var golden, sides []string
	for _, f := range strings.Split(h.Field, ",") {
		golden = append(golden, shownAs(h.Golden[f].Value))
	}
	for _, system := range slices.Sorted(maps.Keys(h.Contenders)) {
		var shown, before []string
		for _, f := range strings.Split(h.Field, ",") {
			shown, before = append(shown, shownAs(h.Contenders[system].Fields[f].Value)), append(before, shownAs(h.Contenders[system].Fields[f].Base))
		}
		sides = append(sides, fmt.Sprintf("%s says %s (before: %s)", system, strings.Join(shown, ", "), strings.Join(before, ", ")))
	}
	return fmt.Sprintf("hold on %s of %s (%s): golden %s; %s", h.Field, key, h.Reason, strings.Join(golden, ", "), strings.Join(sides, "; "))
}

func differenceLine(key string, d merge.Difference) string {
	if d.Field == "" {
		return fmt.Sprintf("difference about the presence of %s in %s, %s: %s", key, d.System, d.Kind, d.Reason)
	}
	return fmt.Sprintf("difference in %s of %s in %s, %s: golden %s, shown %s (%s)", d.Field, key, d.System, d.Kind, shownAs(d.Golden), shownAs(d.Seen), d.Reason)
}
