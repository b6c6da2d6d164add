package reconcile

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/stages/reconcile/merge"
)

// grammar is what a step can say.
var grammar = []struct {
	says *regexp.Regexp
	does func(s *scenario, m []string)
}{
	{regexp.MustCompile(`^run$`), (*scenario).doRun},
	{regexp.MustCompile(`^(\w+) minutes pass$`), func(s *scenario, m []string) {
		d, err := time.ParseDuration(m[1] + "m")
		must(s.t, err)
		s.w.at = s.w.at.Add(d)
	}},
	{regexp.MustCompile(`^(\w+) shows ([\w-]+)(?: version (\d+))?: (.*)$`), (*scenario).doShow},
	{regexp.MustCompile(`^(\w+) shows (\w+) edited at (\d\d:\d\d): (.*)$`), func(s *scenario, m []string) {
		s.doShow([]string{m[0], m[1], m[2], fmt.Sprint(*s.clock(m[3])), m[4]})
	}},
	{regexp.MustCompile(`^(\w+) shows of (\w+) only: (.*)$`), func(s *scenario, m []string) { s.showPart(m[1], m[2], nil, s.fields(m[3])) }},
	{regexp.MustCompile(`^(\w+) shows of (\w+), edited at (\d\d:\d\d), only: (.*)$`), func(s *scenario, m []string) {
		s.showPart(m[1], m[2], s.clock(m[3]), s.fields(m[4]))
	}},
	{regexp.MustCompile(`^a person takes what (\w+) says of (\S+) of (\w+)$`), func(s *scenario, m []string) {
		s.person(m[2], m[3], func(h map[string]*string) map[string]any {
			choice := map[string]any{"take": m[1]}
			if m[1] != "golden" {
				side := decodeText[map[string]merge.Contender](s.t, str(h["contenders"]))[m[1]]
				choice["value"] = side.Taken(decodeText[map[string]merge.Shown](s.t, str(h["golden"])))
			}
			return choice
		})
	}},
	{regexp.MustCompile(`^a person says that (\w+) of (\w+) is (.*)$`), func(s *scenario, m []string) {
		s.person(m[1], m[2], func(map[string]*string) map[string]any {
			return map[string]any{"value": s.fields(m[1] + " " + m[3])}
		})
	}},
	{regexp.MustCompile(`^a person leaves (\S+) of (\w+) as it is$`), func(s *scenario, m []string) {
		s.person(m[1], m[2], func(map[string]*string) map[string]any { return map[string]any{"leave": true} })
	}},
	{regexp.MustCompile(`^(\w+) shows that (\w+) of (\w+) is (deleted|missing|moved away)$`), (*scenario).doEnd},
	{regexp.MustCompile(`^(\w+) shows ([\w-]+), which cannot be read$`), func(s *scenario, m []string) {
		s.w.exec(`INSERT INTO t_dead_letters (entity, system, letter, id, open, asked_at) VALUES ('bookings', ?, ?, ?, true, make_timestamptz(?::BIGINT))`,
			m[1], m[2], m[2], s.w.at.UnixMicro())
	}},
	{regexp.MustCompile(`^(\w+) cannot be read$`), func(s *scenario, m []string) { s.state(m[1]).complete = false }},
	{regexp.MustCompile(`^(\w+) is not due$`), func(s *scenario, m []string) { *s.state(m[1]) = systemState{joined: s.state(m[1]).joined} }},
	{regexp.MustCompile(`^(\w+) (takes|refuses) what it is sent$`), (*scenario).doAnswer},
	{regexp.MustCompile(`^(\w+) takes what it is sent at (\d\d:\d\d)$`), func(s *scenario, m []string) {
		s.each(m[1], "ready", func(c map[string]*string) { s.take(m[1], c, answer{version: s.clock(m[2])}) })
	}},
	{regexp.MustCompile(`^(\w+) takes what it is sent, but (?:shows|adds) (.*)$`), func(s *scenario, m []string) {
		s.each(m[1], "ready", func(c map[string]*string) { s.take(m[1], c, answer{shows: s.fields(m[2])}) })
	}},
	{regexp.MustCompile(`^(\w+) takes what it is sent, but makes (.*) of it$`), func(s *scenario, m []string) {
		s.each(m[1], "ready", func(c map[string]*string) { s.take(m[1], c, answer{shows: s.fields(m[2]), became: "altered"}) })
	}},
	{regexp.MustCompile(`^(\w+) takes what it is sent, but not the (\w+)$`), func(s *scenario, m []string) {
		s.each(m[1], "ready", func(c map[string]*string) {
			before := decodeText[map[string]*string](s.t, str(c["before"]))
			s.take(m[1], c, answer{shows: map[string]*string{m[2]: before[m[2]]}, outcome: "applied_partly", became: "refused"})
		})
	}},
	{regexp.MustCompile(`^(\w+) says that it took what it is sent, and shows what it had$`), func(s *scenario, m []string) {
		s.each(m[1], "ready", func(c map[string]*string) {
			s.take(m[1], c, answer{shows: decodeText[map[string]*string](s.t, str(c["before"])), outcome: "not_kept"})
		})
	}},
	{regexp.MustCompile(`^nobody knows what became of the write to (\w+)$`), func(s *scenario, m []string) {
		s.each(m[1], "ready", func(c map[string]*string) { s.settled(c, str(c["id"]), s.w.at, "in_doubt", "in_doubt", "outcome") })
	}},
	{regexp.MustCompile(`^it turns out that (\w+) took it$`), func(s *scenario, m []string) {
		s.each(m[1], "in_doubt", func(c map[string]*string) { s.take(m[1], c, answer{}) })
	}},
	{regexp.MustCompile(`^it turns out that (\w+) did not take it$`), func(s *scenario, m []string) {
		s.each(m[1], "in_doubt", func(c map[string]*string) { s.settled(c, str(c["id"]), s.w.at, "stale", "failed", "settled") })
	}},
	{regexp.MustCompile(`^it turns out that (\w+) took it, and by now it has (.*)$`), func(s *scenario, m []string) {
		s.each(m[1], "in_doubt", func(c map[string]*string) { s.take(m[1], c, answer{shows: s.fields(m[2]), became: "unknown"}) })
	}},
	{regexp.MustCompile(`^(approve|reject) what waits$`), func(s *scenario, m []string) {
		for _, p := range s.systems {
			s.each(p.name, "planned", func(c map[string]*string) { s.decide(m[1], c) })
			s.each(p.name, "held", func(c map[string]*string) { s.decide(m[1], c) })
		}
	}},
	{regexp.MustCompile(`^decide to (keep|delete) (\w+)$`), func(s *scenario, m []string) {
		for _, h := range s.w.query("SELECT hold, contenders FROM t_holds WHERE state = 'open' AND field = '' AND _key = ?", m[2]) {
			s.w.choose(fmt.Sprintf("%s-%s-%d", m[1], m[2], s.w.at.UnixMicro()), *h["hold"], *h["contenders"], m[1], s.w.at)
		}
	}},
	{regexp.MustCompile(`^approve what (\w+) says$`), func(s *scenario, m []string) {
		for _, f := range s.w.query("SELECT finding, observed FROM t_findings WHERE kind = 'quarantine' AND state = 'open' AND system = ?", m[1]) {
			s.w.exec(`INSERT INTO t_decisions (decision, kind, target, effects, recorded_at, expires_at) VALUES (?, 'approve', ?, ?, make_timestamptz(?::BIGINT), make_timestamptz(?::BIGINT))`,
				"approve"+*f["finding"]+s.w.runID(), *f["finding"], `["`+*f["finding"]+" "+*f["observed"]+`"]`, s.w.at.UnixMicro(), s.w.at.Add(24*time.Hour).UnixMicro())
		}
	}},
	{regexp.MustCompile(`^reject what would be sent to (\w+)$`), func(s *scenario, m []string) {
		s.each(m[1], "ready", func(c map[string]*string) { s.decide("reject", c) })
	}},
}

func (s *scenario) do(step string) {
	s.t.Helper()
	for _, rule := range grammar {
		if m := rule.says.FindStringSubmatch(step); m != nil {
			rule.does(s, m)
			return
		}
	}
	s.t.Fatalf("no step says %q", step)
}

func (s *scenario) state(system string) *systemState {
	s.t.Helper()
	for i, p := range s.systems {
		if p.name == system {
			return &s.w.states[i]
		}
	}
	s.t.Fatalf("no system %q", system)
	return nil
}

// person decides the open hold on a field.
func (s *scenario) person(field, key string, choice func(hold map[string]*string) map[string]any) {
	s.t.Helper()
	open := s.w.query("SELECT * FROM t_holds WHERE state = 'open' AND field = ? AND _key = ?", field, key)
	if len(open) != 1 {
		s.t.Fatalf("%d open holds on %s of %s", len(open), field, key)
	}
	s.decideHold(open[0], choice(open[0]))
}

// doRun judges what was shown since the last run, with SQL and oracle; an hour
// passes until the next.
func (s *scenario) doRun([]string) {
	s.t.Helper()
	s.flush()
	if err := s.w.judgeBoth(); err != nil {
		s.odd = append(s.odd, err.Error())
	}
	for i := range s.w.states {
		s.w.states[i].due, s.w.states[i].complete = true, true
	}
	s.w.nextRun(time.Hour)
}

// fields reads "code A, guest Ana, note nothing".
func (s *scenario) fields(text string) map[string]*string {
	out := map[string]*string{}
	for _, part := range strings.Split(text, ", ") {
		name, value, ok := strings.Cut(part, " ")
		if !ok {
			s.t.Fatalf("%q is no field with its value", part)
		}
		if out[name] = &value; value == "nothing" {
			out[name] = nil
		}
	}
	return out
}

func (s *scenario) doShow(m []string) {
	fields := s.fields(m[4])
	fields["id"] = &m[2]
	o := observation{key: *fields["code"], id: m[2], op: pipeline.Upsert, asked: s.w.at, fields: fields}
	if m[3] != "" {
		o.version = numberOrNil(&m[3])
	}
	s.show(m[1], o)
	s.readable = append(s.readable, "'"+m[2]+"'")
}

func (s *scenario) doEnd(m []string) {
	op := map[string]pipeline.Op{"deleted": pipeline.Delete, "missing": pipeline.Missing, "moved away": pipeline.Moved}[m[4]]
	s.show(m[1], observation{key: m[3], id: m[2], op: op, asked: s.w.at})
}

func (s *scenario) each(system, state string, do func(c map[string]*string)) {
	for _, c := range s.w.query("SELECT * FROM t_changes WHERE system = ? AND state = ? ORDER BY _key", system, state) {
		do(c)
	}
	s.flush()
}

func (s *scenario) doAnswer(m []string) {
	s.each(m[1], "ready", func(c map[string]*string) {
		if m[2] == "refuses" {
			s.settled(c, str(c["id"]), s.w.at, "refused", "failed", "outcome")
			return
		}
		s.take(m[1], c, answer{})
	})
}

// answer is what a system makes of a write, where it is more than to take it.
type answer struct {
	shows   map[string]*string // of fields, instead of what was sent
	became  string             // the outcome of these fields; "" is that of the whole
	outcome string             // of the whole; "" is applied
	version *int64             // under which the answer shows the record
}

// take lets a write have its effect, and stores what the system then shows.
func (s *scenario) take(system string, c map[string]*string, as answer) {
	id := str(c["id"])
	if *c["op"] == "delete" {
		s.settled(c, id, s.w.at, "applied", "applied", "outcome")
		s.show(system, observation{key: *c["_key"], id: id, op: pipeline.Delete, asked: s.w.at})
		return
	}
	if *c["op"] == "create" {
		s.ids++
		id = fmt.Sprintf("%s-new%d", system, s.ids)
	}
	fields := map[string]*string{}
	for _, r := range s.w.query(fmt.Sprintf(`SELECT * FROM "in_replica_%s" WHERE _key = ? AND _id = ?`, system), *c["_key"], id) {
		for _, f := range s.w.stream(system).Extract.Fields {
			fields[f.Name] = r[f.Name]
		}
	}
	maps.Copy(fields, decodeText[map[string]*string](s.t, str(c["after"])))
	maps.Copy(fields, as.shows)
	fields["id"] = &id
	became := map[string]string{}
	for name := range as.shows {
		if as.became != "" {
			became[name] = as.became
		}
	}
	text, err := json.Marshal(became)
	must(s.t, err)
	state := map[string]string{"not_kept": "failed"}[as.outcome]
	s.settled(c, id, s.w.at, cmp.Or(as.outcome, "applied"), cmp.Or(state, "applied"), "outcome", string(text))
	s.show(system, observation{key: *c["_key"], id: id, op: pipeline.Upsert, version: as.version, asked: s.w.at, fields: fields, commit: s.w.seq})
}

// lastShown are the fields that the system showed of a record, and its key.
func (s *scenario) lastShown(system, id string) (fields map[string]*string, key string) {
	fields = map[string]*string{}
	for _, r := range s.w.query(fmt.Sprintf(`SELECT * FROM "in_replica_%s" WHERE _id = ? AND _op IN ('upsert', 'touch')`, system), id) {
		key = *r["_key"]
		for name, v := range s.w.row(system, r).Stream {
			if v.Set() {
				fields[name] = v.Pointer()
			}
		}
	}
	return fields, key
}

// showPart lets a payload carry some fields: the row keeps what was shown of the others before.
func (s *scenario) showPart(system, id string, version *int64, carried map[string]*string) {
	s.t.Helper()
	s.flush()
	fields, key := s.lastShown(system, id)
	if key == "" {
		s.t.Fatalf("%s never showed %s", system, id)
	}
	o := observation{key: key, id: id, op: pipeline.Upsert, version: version, asked: s.w.at, fields: fields}
	for name := range fields {
		if _, ok := carried[name]; !ok && name != "id" {
			o.overlay = append(o.overlay, name)
		}
	}
	maps.Copy(fields, carried)
	s.show(system, o)
}

// clock is a time of the first day, as a version.
func (s *scenario) clock(text string) *int64 {
	s.t.Helper()
	at, err := time.Parse("2006-01-02 15:04", start.Format("2006-01-02 ")+text)
	must(s.t, err)
	us := at.UnixMicro()
	return &us
}

func (s *scenario) decide(kind string, c map[string]*string) {
	s.w.exec(`INSERT INTO t_decisions (decision, kind, target, effects, recorded_at, expires_at) VALUES (?, ?, ?, ?, make_timestamptz(?::BIGINT), make_timestamptz(?::BIGINT))`,
		kind+*c["change"], kind, *c["change"], `["`+*c["effect"]+`"]`, s.w.at.UnixMicro(), s.w.at.Add(24*time.Hour).UnixMicro())
}
