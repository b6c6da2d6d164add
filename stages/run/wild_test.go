package run_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/stages/review"
	people "github.com/trueup-data/trueup/stages/review/story"
)

// The environment of the wild worlds: how many, and from which seed on.
const (
	envWild     = "TRUEUP_WILD_WORLDS" // how many; default 6
	envWildFrom = "TRUEUP_WILD_SEED"   // the first seed; default 1
)

func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	must(t, err)
	return n
}

// Whatever the entity, its systems, its rules and the weather: once all is well
// again and people rest, a few runs bring everything to rest, no edit was lost but
// by a rule that says so, no write was blind, and what still differs is listed.
func TestWildWorldsComeToRest(t *testing.T) {
	t.Parallel()
	from := number(t, envWildFrom, 1)
	for seed := from; seed < from+number(t, envWild, 6); seed++ {
		t.Run(fmt.Sprintf("%s=%d", envWildFrom, seed), func(t *testing.T) {
			w := drawWild(seed)
			if problem := w.play(t); problem != "" {
				t.Errorf("%s\n%s", w, problem)
			}
		})
	}
}

// wild is what a seed draws.
type wild struct {
	seed   uint64
	rng    *rand.Rand
	entity string
	rule   string // of all fields; "" leaves the project's own
	faults []world.Fault
	mode   func(run int) pipeline.Mode
}

func (w *wild) String() string {
	return fmt.Sprintf("seed %d: %s, rule %q, %v", w.seed, w.entity, w.rule, w.faults)
}

// weathers are kinds of faults that come together in one world.
var weathers = [][]world.Kind{
	{world.Throttle, world.ThrottleDate, world.ThrottleBare, world.Unavailable, world.HTML, world.Reset},
	{world.TimeoutBefore, world.TimeoutAfter, world.ErrorAfter, world.SavedError, world.SavedErrorAfter, world.LandsLate},
	{world.Truncate, world.Cut, world.Slow, world.Malform, world.Repeat},
	{world.Omit, world.Empty, world.Lag, world.Stale},
	{world.NoAccess},
	{world.Normalise, world.Defaults},
	{world.Shift, world.Vanish, world.Rekey, world.Remake, world.Revive},
	{world.Skew},
}

func drawWild(seed uint64) *wild {
	w := &wild{seed: seed, rng: rand.New(rand.NewPCG(seed, 7))}
	w.entity = world.Entities()[w.rng.IntN(len(world.Entities()))]
	w.rule = []string{"", "", "{latest: {}}", "{latest: {skew: 10m}}", "{hold: true}"}[w.rng.IntN(5)]
	rate := []float64{0.01, 0.03, 0.08}[w.rng.IntN(3)]
	for _, kinds := range weathers {
		if w.rng.IntN(2) == 0 {
			continue
		}
		for _, kind := range kinds {
			f := world.Fault{Kind: kind, Rate: rate}
			if kind == world.Slow {
				f.Delay = time.Millisecond
			}
			w.faults = append(w.faults, f)
		}
	}
	// A system that leaves a record out of a complete listing and then denies it by
	// its ID, while others answer, is believed: these two are not drawn together.
	if slices.ContainsFunc(w.faults, func(f world.Fault) bool { return f.Kind == world.Omit }) {
		w.faults = slices.DeleteFunc(w.faults, func(f world.Fault) bool { return f.Kind == world.NoAccess })
	}
	sweeps := 2 + w.rng.IntN(3)
	w.mode = func(run int) pipeline.Mode {
		if run%sweeps == 0 {
			return pipeline.Sweep
		}
		return pipeline.Incremental
	}
	return w
}

// Few records are a page, and one request is sent at a time, so that a seed tells
// nearly the whole story.
var (
	pageSizes    = regexp.MustCompile(`\bvalue: \d{3}\b`)
	concurrences = regexp.MustCompile(`\bconcurrency: \d+`)
)

// project cuts the demo's project down to the entity, with the drawn rule.
func (w *wild) project(t *testing.T) func(text string) string {
	return func(text string) string {
		var file yaml.MapSlice
		must(t, yaml.UnmarshalWithOptions([]byte(text), &file, yaml.UseOrderedMap()))
		var systems []string
		for i, part := range file {
			if part.Key != "entities" {
				continue
			}
			entities := slices.DeleteFunc(part.Value.(yaml.MapSlice), func(e yaml.MapItem) bool { return e.Key != w.entity })
			file[i].Value = entities
			for j, x := range entities[0].Value.(yaml.MapSlice) {
				switch x.Key {
				case "streams":
					for _, s := range x.Value.(yaml.MapSlice) {
						systems = append(systems, s.Key.(string))
					}
				case "resolve":
					if w.rule != "" {
						entities[0].Value.(yaml.MapSlice)[j].Value = w.resolve(t, x.Value.(yaml.MapSlice))
					}
				}
			}
		}
		for i, part := range file {
			if part.Key == "systems" {
				file[i].Value = slices.DeleteFunc(part.Value.(yaml.MapSlice), func(s yaml.MapItem) bool { return !slices.Contains(systems, s.Key.(string)) })
			}
		}
		out, err := yaml.Marshal(file)
		must(t, err)
		return concurrences.ReplaceAllString(pageSizes.ReplaceAllString(string(out), "value: 7"), "concurrency: 1")
	}
}

// resolve is the entity's resolve with the drawn rule for all fields; who may
// delete stays.
func (w *wild) resolve(t *testing.T, old yaml.MapSlice) yaml.MapSlice {
	var rule any
	must(t, yaml.UnmarshalWithOptions([]byte(w.rule), &rule, yaml.UseOrderedMap()))
	out := yaml.MapSlice{{Key: "default", Value: rule}}
	deletes := any(yaml.MapSlice{{Key: "authority", Value: []string{"pms"}}})
	for _, x := range old {
		if x.Key == "deletes" {
			deletes = x.Value
		} else if x.Key == "default" && w.entity == world.Messages {
			deletes = yaml.MapSlice{{Key: "authority", Value: []string{"deskline"}}}
		}
	}
	return append(out, yaml.MapItem{Key: "deletes", Value: deletes})
}

func (w *wild) play(t *testing.T) string {
	records := map[string]int{world.Messages: 24, world.Tasks: 36}[w.entity]
	if records == 0 {
		records = 12
	}
	h := newHouse(t, setup{ttl: 6 * time.Hour, edit: w.project(t), world: world.Options{Seed: w.seed, Records: records, Whole: true, Only: []string{w.entity}}})
	story := []string{figures(h.hourly(pipeline.Sweep))}
	approved := 0
	approve := func() {
		approved++
		must(t, h.life(func(p *process) error { return p.answer(w, fmt.Sprintf("answer-%d", approved)) }))
	}
	approve()
	must(t, h.SetFaults(w.faults...))
	for i := range 4 {
		_, err := h.Live(6*time.Hour, 4, world.Mix{})
		must(t, err)
		story = append(story, h.riskyRun(w.mode(i+1), w.rng))
		if w.rng.IntN(3) == 0 {
			approve()
		}
	}
	must(t, h.SetFaults())
	for i := 0; ; i++ {
		if w.seed%2 == 0 || i == 4 {
			h.Advance(25 * time.Hour) // longer than idempotency keys are kept: a system repeats an answer as long
		}
		result := h.hourly(w.mode(i))
		story = append(story, figures(result))
		if sent(result) == 0 && i > 1 {
			break
		}
		if i == 7 {
			return "still sending:\n" + strings.Join(append(story, h.restless(w)...), "\n")
		}
		if i < 3 {
			approve()
		}
	}
	return h.proveWild(w, story)
}

// restless tells the story of the records that the last run still sent something of.
func (h *house) restless(w *wild) (out []string) {
	h.t.Helper()
	must(h.t, h.life(func(p *process) error {
		for _, key := range p.query("SELECT DISTINCT key FROM journal WHERE run = (SELECT max(run) FROM journal) ORDER BY key") {
			out = append(out, p.storyOf(w.entity, plainKey(key))...)
		}
		return nil
	}))
	return out
}

// proveWild is the proof of a wild world; where it fails it tells the story of
// the records concerned.
func (h *house) proveWild(w *wild, story []string) string {
	h.t.Helper()
	var known, decided []world.Difference
	var intents []intent
	outvoted := map[string]bool{}
	must(h.t, h.life(func(p *process) error {
		known, decided, intents = p.told(toldSQL), p.told(decidedSQL), p.intents(allIntents)
		for _, line := range p.query(outvotedSQL) {
			cells := strings.SplitN(line, "|", 4)
			outvoted[strings.Join([]string{plainKey(cells[0]), cells[1], world.FieldOf(w.entity, "", cells[2]), cells[3]}, "|")] = true
		}
		return nil
	}))
	report := world.Verify(h.World, world.VerifyOptions{Known: known, Decided: decided,
		Contested: func(entity, field string) bool { return w.rule != "" || world.Conflicts(entity, field).Rule != "" },
		Outvoted: func(e world.Edit, field string) bool {
			value := ""
			if v := e.After[field]; v != nil {
				value = *v
			}
			return slices.ContainsFunc([]string{e.System, ""}, func(system string) bool {
				return outvoted[strings.Join([]string{e.Key, system, field, value}, "|")]
			})
		}})
	problems := unannounced(h.Effects(), intents)
	h.t.Logf("%s: %d runs, %d edits, %v, %d known differences", w, len(story), report.Edits.Total, report.Faults, len(known))
	if report.OK() && len(problems) == 0 {
		return ""
	}
	problems = append(problems, story...)
	problems = append(problems, report.String())
	var keys []string
	for _, p := range report.Problems {
		keys = append(keys, p.Key)
	}
	slices.Sort(keys)
	must(h.t, h.life(func(p *process) error {
		for _, key := range slices.Compact(keys) {
			problems = append(problems, p.storyOf(w.entity, key)...)
		}
		return nil
	}))
	return strings.Join(problems, "\n")
}

// unannounced lists the effects that have no intent in the journal.
func unannounced(all []world.Effect, intents []intent) []string {
	var problems []string
	for _, e := range all {
		if !slices.ContainsFunc(intents, func(i intent) bool { return i.causes(e) }) {
			problems = append(problems, fmt.Sprintf("%s %s %s (%s) has no intent", e.System, e.Method, e.Path, e.Key))
		}
	}
	return problems
}

// What people were told of: differences, what waits, grave findings, and records
// that were made again, of which a field that is empty says nothing.
const toldSQL = `SELECT entity, key, system, CASE WHEN field = '' THEN '*' ELSE field END FROM differences WHERE open
UNION SELECT entity, key, '', field FROM holds WHERE state = 'open'
UNION SELECT entity, key, system, '*' FROM changes WHERE state IN ('planned', 'held', 'in_doubt', 'sent', 'ready')
UNION SELECT entity, key, system, '*' FROM findings WHERE state = 'open' AND severity = 'high' AND key <> ''
UNION SELECT entity, key, system, '*' FROM conflicts WHERE kind = 'replaced' ORDER BY ALL`

// The sides of conflicts that lost by a rule. Golden is one: whoever it was taken from
// is not in the row.
const outvotedSQL = `SELECT key, system, field, coalesce(seen, '') FROM conflicts
WHERE kind IN ('conflict', 'overridden') AND system <> '' AND chosen IS DISTINCT FROM seen
UNION SELECT key, '', field, coalesce(golden, '') FROM conflicts
WHERE kind = 'conflict' AND chosen IS DISTINCT FROM golden ORDER BY ALL`

// What people decided themselves.
const decidedSQL = `SELECT DISTINCT entity, key, '', field FROM holds WHERE decision IS NOT NULL ORDER BY ALL`

// told are differences of any entity, as the lake lists them.
func (p *process) told(statement string) []world.Difference {
	var out []world.Difference
	for _, line := range p.query(statement) {
		cells := strings.SplitN(line, "|", 4)
		for _, field := range strings.Split(cells[3], ",") {
			switch field {
			case "*":
				field = ""
			case "":
				field = world.Presence
			default:
				field = world.FieldOf(cells[0], cells[2], field)
			}
			out = append(out, world.Difference{Entity: cells[0], Key: plainKey(cells[1]), Field: field})
		}
	}
	return out
}

// plainKey is a key as the world writes it: parts are joined by slashes.
func plainKey(key string) string {
	return strings.NewReplacer(`["`, "", `"]`, "", `","`, "/").Replace(key)
}

// storyOf is all that is stored of a record, as the world names it.
func (p *process) storyOf(entity, key string) []string {
	var out []string
	for _, table := range []string{"golden", "history", "changes", "journal", "holds", "findings", "conflicts", "differences"} {
		name := "key"
		if table == "golden" {
			table, name = "golden_"+entity, "_key"
		}
		for _, line := range p.query("SELECT to_json(x) FROM " + table + " x WHERE replace(replace(replace(" + name + ", '[\"', ''), '\"]', ''), '\",\"', '/') = " + "'" + key + "'") {
			out = append(out, "  "+table+": "+line[:min(len(line), 600)])
		}
	}
	for _, e := range p.Edits() {
		if e.Entity == entity && (e.Key == key || e.Was == key) {
			out = append(out, fmt.Sprintf("  edit %d at %s: %s %s %s, %v -> %v", e.Seq, e.At, e.System, e.Op, e.ID, e.Before, e.After))
		}
	}
	return out
}

// answer is a person at work: approves what waits, lifts quarantines, and decides
// holds, or leaves some of it for later.
func (p *process) answer(w *wild, id string) error {
	if err := p.approve(id); err != nil {
		return err
	}
	session, err := p.session()
	if err != nil {
		return err
	}
	holds, err := people.Holds(p.t.Context(), session, "")
	if err != nil {
		return err
	}
	must(p.t, session.Close())
	for i, hold := range holds {
		if w.rng.IntN(3) == 0 {
			continue
		}
		takes := []string{"golden"}
		for system := range hold.Sides {
			takes = append(takes, system)
		}
		if hold.Field == "" {
			takes = []string{"keep", "delete"}
		}
		slices.Sort(takes)
		choice, err := hold.Take(takes[w.rng.IntN(len(takes))])
		if err != nil {
			continue // not everything can be taken
		}
		text, err := choice.JSON()
		if err != nil {
			return err
		}
		d := review.Decision{ID: fmt.Sprintf("%s-%d", id, i), Kind: review.Settle, Target: hold.ID, Shown: hold.Shown, Choice: text, Person: "Ines", At: p.clock()}
		if err := review.Decide(p.t.Context(), review.Deps{Lake: p.job.Lake, Engine: p.job.Engine, Writer: p.job.WriterAt}, d); err != nil {
			return err
		}
	}
	return nil
}
