package run_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/stages/review"
	people "github.com/trueup-data/trueup/stages/review/story"
)

// session opens the head for reading.
func (p *process) session() (*duck.Session, error) {
	head, err := p.job.Lake.Head(p.t.Context())
	if err != nil {
		return nil, err
	}
	return p.job.Engine.Session(p.t.Context(), head)
}

// approve lets everything be sent that waits for a person and was not rejected, under
// one decision that may be stored again.
func (p *process) approve(id string) error {
	return p.say(review.Approve, id, func(people.Change) bool { return true })
}

// say decides about some of what waits.
func (p *process) say(kind, id string, about func(people.Change) bool) error {
	session, err := p.session()
	if err != nil {
		return err
	}
	defer session.Close()
	open, err := people.Changes(p.t.Context(), session, p.project, people.Filter{Open: true})
	if err != nil {
		return err
	}
	d := review.Decision{ID: id, Kind: kind, Shown: "{}", Person: "Ines", At: p.clock()}
	for _, c := range open {
		if waiting(c) && about(c) {
			d.Effects, d.Target = append(d.Effects, c.Effect), c.Plan // a system joins when its plan is approved by name
		}
	}
	return p.keep(d)
}

// keep stores a decision.
func (p *process) keep(d review.Decision) error {
	return review.Decide(p.t.Context(), review.Deps{Lake: p.job.Lake, Engine: p.job.Engine, Writer: p.job.WriterAt}, d)
}

// query is ask where the store is well.
func (p *process) query(statement string) []string {
	p.t.Helper()
	out, err := p.ask(statement)
	must(p.t, err)
	return out
}

// ask runs a statement over the views that people see, and gives rows as text
// with bars between the cells.
func (p *process) ask(statement string) ([]string, error) {
	session, err := p.session()
	if err != nil {
		return nil, err
	}
	defer session.Close()
	if err := people.Bind(p.t.Context(), session, people.Sources(p.project)); err != nil {
		return nil, err
	}
	rows, err := session.Query(p.t.Context(), statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	out := []string{}
	for rows.Next() {
		cells, into := make([]any, len(names)), make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		var line []string
		for _, c := range cells {
			if c == nil {
				c = "∅"
			}
			line = append(line, fmt.Sprint(c))
		}
		out = append(out, strings.Join(line, "|"))
	}
	return out, rows.Err()
}

// ending is all that must not depend on what went wrong on the way: times, IDs
// and the lake's own numbers left out.
type ending struct {
	Golden, PMS, Staybnb, PMSReplica, StaybnbReplica, Conflicts, Open      []string
	Holds, Decisions, Differences, Letters, Crosswalk, Tombstones, Effects []string
}

// story is what is left of a scenario: its ending, the intents that the journal
// holds, and the differences that people were told of.
type story struct {
	ending
	intents []intent
	known   []world.Difference
	journal []string // in short, for messages
}

// look reads the story in a process of its own, which writes nothing.
func (h *house) look() story {
	h.t.Helper()
	s := story{ending: ending{PMS: h.contents(world.PMS), Staybnb: h.contents(world.Staybnb), Effects: h.effects()}}
	must(h.t, h.life(func(p *process) error {
		s.tables(p)
		s.intents, s.known = p.intents(notUndone), p.known()
		s.journal = p.query(`SELECT key, system, op, left(change, 8), kind, generation, attempt, outcome, status, evidence, run, observed_hash
			FROM journal ORDER BY key, _seq, _ord, _pos`)
		return nil
	}))
	return s
}

func (e *ending) tables(p *process) {
	e.Golden = p.query(`SELECT _key, _live, channel, listing_id, check_in, check_out, guest_name, price::VARCHAR, status, notes
		FROM golden_bookings ORDER BY ALL`)
	e.PMSReplica = p.query(`SELECT _key, _op IN ('delete', 'moved') AS gone, code, channel, listing_id, check_in, check_out,
		guest_name, price::VARCHAR, status, notes, json_extract_string(_extra, '$.source') FROM current_bookings_pms ORDER BY ALL`)
	e.StaybnbReplica = p.query(`SELECT _key, _op IN ('delete', 'moved') AS gone, confirmation_code, listing_ref, guest, arrival,
		departure, total_cents, state, note, _extra FROM current_bookings_staybnb ORDER BY ALL`)
	e.Conflicts = p.query(`SELECT DISTINCT _key, field, kind, system, seen, chosen FROM conflicts_bookings ORDER BY ALL`)
	e.Open = p.query(`SELECT _key, system, op, state, reason FROM changes_bookings
		WHERE state IN ('planned', 'ready', 'held', 'sent', 'in_doubt') ORDER BY ALL`)
	e.Holds = p.query(`SELECT key, field, kind, state, reason, decision, golden,
		(SELECT string_agg(s.key || ' ' || json_extract_string(s.value, '$.fields'), ' ' ORDER BY s.key) FROM json_each(h.contenders) s)
		FROM holds h ORDER BY ALL`)
	e.Decisions = p.query(`SELECT decision, kind, person, choice, json_array_length(effects) FROM decisions ORDER BY ALL`)
	e.Differences = p.query(`SELECT key, system, field, kind, CASE WHEN field <> '' THEN golden END, seen, reason, open FROM differences ORDER BY ALL`)
	e.Letters = p.query(`SELECT system, key, field, reason, open FROM dead_letters ORDER BY ALL`)
	e.Crosswalk = p.query(`SELECT key, system, state, count(*) FROM crosswalk GROUP BY ALL ORDER BY ALL`)
	e.Tombstones = p.query(`SELECT key, source, live FROM tombstones ORDER BY ALL`)
}

// effects are what requests did to records, without IDs and times.
func (h *house) effects() []string {
	var out []string
	for _, e := range h.Effects() {
		line := fmt.Sprintf("%s %s %s", e.System, e.Op, e.Key)
		for _, f := range slices.Sorted(maps.Keys(e.After)) {
			if v := e.After[f]; v != nil {
				line += " " + f + "=" + *v
			}
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// contents is what a system holds, without IDs and versions.
func (h *house) contents(system string) []string {
	var out []string
	for _, r := range h.Records(system) {
		if r.Now().State != world.Live {
			continue
		}
		var line []string
		for _, f := range world.Fields(world.Bookings) {
			v := r.Now().Values[f]
			if v == nil {
				line = append(line, "∅")
			} else {
				line = append(line, *v)
			}
		}
		out = append(out, strings.Join(line, "|"))
	}
	slices.Sort(out)
	return out
}

// differs says where two endings differ, "" where they do not.
func (e ending) differs(want ending) string {
	var b strings.Builder
	for _, c := range []struct {
		name      string
		got, want []string
	}{{"golden", e.Golden, want.Golden}, {"pms", e.PMS, want.PMS}, {"staybnb", e.Staybnb, want.Staybnb},
		{"replica of pms", e.PMSReplica, want.PMSReplica}, {"replica of staybnb", e.StaybnbReplica, want.StaybnbReplica},
		{"conflicts", e.Conflicts, want.Conflicts}, {"open changes", e.Open, want.Open},
		{"holds", e.Holds, want.Holds}, {"decisions", e.Decisions, want.Decisions}, {"differences", e.Differences, want.Differences},
		{"dead letters", e.Letters, want.Letters}, {"crosswalk", e.Crosswalk, want.Crosswalk}, {"tombstones", e.Tombstones, want.Tombstones},
		{"effects", e.Effects, want.Effects}} {
		for _, line := range c.got {
			if !slices.Contains(c.want, line) {
				fmt.Fprintf(&b, "  %s: + %s\n", c.name, line)
			}
		}
		for _, line := range c.want {
			if !slices.Contains(c.got, line) {
				fmt.Fprintf(&b, "  %s: - %s\n", c.name, line)
			}
		}
		if b.Len() == 0 && !slices.Equal(c.got, c.want) {
			fmt.Fprintf(&b, "  %s: the same lines, but %d and not %d\n", c.name, len(c.got), len(c.want))
		}
	}
	return b.String()
}

// journalOf is what the journal holds of the records that a text names.
func (s story) journalOf(text string) string {
	var b strings.Builder
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '|' || r == '\n' })
	for _, line := range s.journal {
		if key, _, _ := strings.Cut(line, "|"); slices.Contains(words, key) {
			fmt.Fprintf(&b, "  journal: %s\n", line)
		}
	}
	return b.String()
}

// intent is a row of the journal: a request that was about to be sent.
type intent struct {
	system, name string // name: change and generation
	request      pipeline.Request
}

// Which intents may have had an effect: all, or all but those of which the journal
// says that a look, or the system itself, showed that nothing was done. What lands
// later than a system's settle makes that look wrong.
const (
	allIntents = "true"
	notUndone  = `NOT EXISTS (FROM journal s WHERE s.change = i.change AND s.generation = i.generation AND s.outcome = 'retryable'
		AND (s.kind = 'settled' OR s.kind = 'outcome' AND s.attempt = i.attempt))`
)

// intents reads those of the journal that count.
func (p *process) intents(counts string) []intent {
	p.t.Helper()
	var out []intent
	for _, line := range p.query("SELECT system, change, generation, request FROM journal i WHERE kind = 'intent' AND " + counts + " ORDER BY _seq, _ord, _pos") {
		cells := strings.SplitN(line, "|", 4)
		i := intent{system: cells[0], name: cells[1] + " generation " + cells[2]}
		must(p.t, json.Unmarshal([]byte(cells[3]), &i.request))
		out = append(out, i)
	}
	return out
}

// known are the differences that people were told of.
func (p *process) known() []world.Difference {
	p.t.Helper()
	var out []world.Difference
	for _, line := range p.query(`SELECT key, field FROM differences WHERE open
		UNION SELECT key, CASE WHEN kind = 'against_update' THEN 'presence' ELSE coalesce(field, '') END
			FROM findings WHERE state = 'open' AND severity = 'high'
		UNION SELECT _key, '' FROM changes_bookings WHERE state = 'held' ORDER BY ALL`) {
		key, field, _ := strings.Cut(line, "|")
		out = append(out, world.Difference{Key: key, Field: field})
	}
	return out
}

// proof lists what is wrong with a story, by the world's own truth: nothing lost,
// nothing twice, and every effect with exactly one intent in the journal.
func (h *house) proof(s story) string {
	return h.proofOf(s, func(world.Problem) bool { return true })
}

// never are problems that no rule and no person explains.
func never(p world.Problem) bool {
	return slices.Contains([]string{world.CheckDoubleEffect, world.CheckBlind, world.CheckUnknown, world.CheckCause}, p.Check)
}

// proofOf is the proof without the checks that do not count.
func (h *house) proofOf(s story, counts func(world.Problem) bool) string {
	problems := unintended(h.Effects(), s.intents)
	for _, line := range s.journal {
		key, _, _ := strings.Cut(line, "|")
		if slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, "("+key+")") }) {
			problems = append(problems, "  journal: "+line)
		}
	}
	report := world.Verify(h.World, world.VerifyOptions{Known: s.known})
	report.Problems = slices.DeleteFunc(report.Problems, func(p world.Problem) bool { return !counts(p) })
	if !report.OK() {
		problems = append(problems, report.String())
	}
	return strings.Join(problems, "\n")
}

// unintended lists the effects that have no intent in the journal, or more than
// one, and the intents that had more than one effect. A request that was sent
// again under the same generation is the same intent.
func unintended(all []world.Effect, intents []intent) []string {
	var problems []string
	effects := map[string]int{}
	for _, e := range all {
		names := map[string]bool{}
		for _, i := range intents {
			if i.causes(e) {
				names[i.name] = true
			}
		}
		if len(names) != 1 {
			problems = append(problems, fmt.Sprintf("%s %s %s (%s) has %d intents: %v", e.System, e.Method, e.Path, e.Key, len(names), names))
		}
		for name := range names {
			effects[name]++
		}
	}
	for name, n := range effects {
		if n > 1 {
			problems = append(problems, fmt.Sprintf("%s took effect %d times", name, n))
		}
	}
	return problems
}

// causes reports whether an effect may be that of the intent.
func (i intent) causes(e world.Effect) bool {
	return i.system == e.System && i.request.Method == e.Method && i.request.Path == e.Path && i.request.Body == e.Body && sameGuards(i.request, e)
}

// sameGuards compares what makes a request safe.
func sameGuards(r pipeline.Request, e world.Effect) bool {
	for _, name := range []string{"Idempotency-Key", "If-Match"} {
		got := ""
		for header, v := range r.Header {
			if strings.EqualFold(header, name) {
				got = v
			}
		}
		if got != e.Headers[name] {
			return false
		}
	}
	return true
}
