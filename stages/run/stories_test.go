package run_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/review"
	people "github.com/trueup-data/trueup/stages/review/story"
	"github.com/trueup-data/trueup/stages/run"
)

// tale is a scenario with the project that it needs. Its last step shows that all
// is well again.
type tale struct {
	name  string
	edit  func(project string) string // nil: the project as it is
	steps []step
	proof func(world.Problem) bool // which checks of the world count; nil: all
}

// proves says what is wrong with the end of a tale.
func (x tale) proves(h *house, end story) string {
	if x.proof == nil {
		return h.proof(end)
	}
	return h.proofOf(end, x.proof)
}

// tales are what the crash sweep plays: the office, and between the others every
// path of closedPaths.
func tales() []tale {
	return append([]tale{{name: "the office", steps: scenario()}}, shortTales()...)
}

// shortTales have few records and few runs, so that they can go wrong at every point.
// The world does not know their rules, nor what people decided; that they end as
// without faults is what counts, and that nothing was done twice or unseen.
func shortTales() []tale {
	return []tale{
		{"who is there", revised(`deletes: {authority: [pms], against_update: hold, recreate: create}`), whoIsThere(), never},
		{"who waits", revised(`deletes: {authority: [pms], against_update: update, recreate: hold}`,
			"guest_name: {authority: [staybnb, pms]}", "guest_name: {authority: [staybnb, pms]}\n        notes: {hold: true}\n        status: {priority: [staybnb, pms]}",
			"    streams:\n", "    checks: {moderate: price <= 900}\n    streams:\n",
			"scope: channel = 'staybnb'", "scope: channel = 'staybnb'\n          leave: delete"), whoWaits(), never},
		{"who is stopped", revised(`deletes: {authority: [pms], against_update: delete, recreate: hold}`,
			"status: {type: string, enum: [pending, confirmed, cancelled, completed]}", "status: {type: string, enum: [pending, confirmed, cancelled]}",
			`price: {type: "decimal(12,2)", format: text}`, `price: {type: "decimal(6,2)", format: text}`,
			"scope: channel = 'staybnb'", "scope: channel = 'staybnb'\n          leave: hold",
			"guards: {max_deletes: {percent: 5, at_least: 20},", "guards: {max_deletes: {percent: 0, at_least: 2}, input: {max_changes: {percent: 0, at_least: 5}, max_deletes: {percent: 0, at_least: 50}},"),
			whoIsStopped(), never},
	}
}

// revised edits the project file: who may delete, and pairs of old and new text,
// each of which must be there.
func revised(deletes string, pairs ...string) func(string) string {
	pairs = append(pairs, "deletes: {authority: [pms, staybnb]}", deletes, "timeout: 10s", "timeout: 60s", // a person may come in between
		"concurrency: 4", "concurrency: 1") // a point is the same operation each time
	return func(text string) string {
		for pair := range slices.Chunk(pairs, 2) {
			if !strings.Contains(text, pair[0]) {
				panic(fmt.Sprintf("the project does not say %q", pair[0]))
			}
			text = strings.ReplaceAll(text, pair[0], pair[1])
		}
		return text
	}
}

// thenRuns is a process in which people decide something first.
func thenRuns(mode pipeline.Mode, decide ...func(*process) error) func(*process) (run.Result, error) {
	return func(p *process) (run.Result, error) {
		for _, one := range decide {
			if err := one(p); err != nil {
				return run.Result{}, err
			}
		}
		return p.run(mode)
	}
}

func approves(id string) func(*process) error {
	return func(p *process) error { return p.approve(id) }
}

// rejects lets nothing of a record be sent that waits.
func rejects(id, key string) func(*process) error {
	return func(p *process) error {
		return p.say(review.Reject, id, func(c people.Change) bool { return c.Key == key })
	}
}

// lifts lets be judged what quarantined streams said.
func lifts(id string) func(*process) error {
	return func(p *process) error {
		session, err := p.session()
		if err != nil {
			return err
		}
		defer session.Close()
		open, err := people.Findings(p.t.Context(), session)
		if err != nil {
			return err
		}
		d := review.Decision{ID: id, Kind: review.Approve, Shown: "{}", Person: "Ines", At: p.clock()}
		for _, f := range open {
			if f.Kind == "quarantine" {
				d.Target, d.Effects = f.Finding, append(d.Effects, f.Effect())
			}
		}
		return p.keep(d)
	}
}

// settles decides a hold, if no life before this one did.
func settles(key, field string, choose func(review.Hold) (review.Choice, error)) func(*process) error {
	return func(p *process) error {
		session, err := p.session()
		if err != nil {
			return err
		}
		defer session.Close()
		holds, err := people.Holds(p.t.Context(), session, "")
		if err != nil {
			return err
		}
		id := "settled " + key + " " + field
		said, err := p.ask("SELECT decision FROM decisions WHERE decision = '" + id + "'")
		if err != nil || len(said) > 0 {
			return err
		}
		for _, hold := range holds {
			if hold.Key != key || hold.Field != field {
				continue
			}
			choice, err := choose(hold)
			if err != nil {
				return err
			}
			text, err := choice.JSON()
			if err != nil {
				return err
			}
			return p.keep(review.Decision{ID: id, Kind: review.Settle, Target: hold.ID, Shown: hold.Shown, Choice: text, Person: "Ines", At: p.clock()})
		}
		return fmt.Errorf("nothing waits about %s %s", key, field)
	}
}

func taking(what string) func(review.Hold) (review.Choice, error) {
	return func(h review.Hold) (review.Choice, error) { return h.Take(what) }
}

func giving(field, value string) func(review.Hold) (review.Choice, error) {
	return func(h review.Hold) (review.Choice, error) { return h.Values(map[string]*string{field: &value}) }
}

func leaving(review.Hold) (review.Choice, error) { return review.Choice{Leave: true}, nil }

// both books the same stay in both systems.
func (h *house) both(codes ...string) {
	for _, code := range codes {
		b := stay(code, world.Staybnb, "Ana "+code, "100.00")
		h.book(world.PMS, b)
		h.book(world.Staybnb, b)
	}
}

// drop deletes as the system does it.
func (h *house) drop(system string, codes ...string) {
	for _, code := range codes {
		h.Advance(time.Second)
		_, err := h.Delete(system, h.id(system, code))
		must(h.t, err)
	}
}

// back brings the one record of a code back under the ID that it had.
func (h *house) back(system, code string) {
	h.t.Helper()
	for _, r := range h.Records(system) {
		if r.Key() == code && r.Now().State != world.Live {
			h.Advance(time.Second)
			_, err := h.Of(world.Bookings).Revive(system, r.ID)
			must(h.t, err)
			return
		}
	}
	h.t.Fatalf("%s has no deleted record of %s", system, code)
}

// whoIsThere goes through the presence of records, where the PMS alone may delete,
// what the channel deletes is put back, and a delete against an update is held.
func whoIsThere() []step {
	return []step{
		{name: "first sweep", does: runs(pipeline.Sweep), people: func(h *house) {
			h.both("DEL", "PUT", "REP", "MOV", "KEEP", "KILL", "BACK", "NEW", "OLD", "SCOPE", "MISS", "TWIN")
			h.book(world.PMS, stay("P1", world.Staybnb, "Pia", "10.00"))
			h.book(world.Staybnb, stay("S1", world.Staybnb, "Sam", "20.00"))
			h.book(world.PMS, stay("DIFF", world.Staybnb, "Dot", "30.00"))
			h.book(world.Staybnb, stay("DIFF", world.Staybnb, "Dot", "31.00"))
		}},
		{name: "first load", does: thenRuns(pipeline.Incremental, approves("plan"))},
		{name: "a night of changes", does: runs(pipeline.Sweep), people: func(h *house) {
			h.drop(world.PMS, "DEL", "REP", "KEEP", "KILL", "BACK", "NEW", "OLD")
			h.book(world.PMS, stay("REP", world.Staybnb, "Ana REP", "100.00"))
			h.edit(world.PMS, "MOV", "code", "MOV2")
			h.edit(world.PMS, "SCOPE", "channel", "direct")
			for _, code := range []string{"KEEP", "KILL", "BACK"} {
				h.edit(world.Staybnb, code, "guest_name", "Late "+code)
			}
			h.drop(world.Staybnb, "PUT")
			h.book(world.Staybnb, stay("TWIN", world.Staybnb, "Tim", "100.00"))
		}},
		{name: "what comes back", people: func(h *house) {
			h.back(world.PMS, "BACK")
			h.back(world.PMS, "OLD")
			h.book(world.PMS, stay("NEW", world.Staybnb, "Nea", "77.00"))
			h.edit(world.PMS, "MOV2", "code", "MOV")
			h.drop(world.Staybnb, "MISS")
			_, err := h.Delete(world.Staybnb, h.Find(world.Staybnb, "TWIN")[0])
			must(h.t, err)
			must(h.t, h.SetFaults(world.Fault{Kind: world.NoAccess, System: world.Staybnb, Call: world.CallGet, Rate: 1}))
		}, does: thenRuns(pipeline.Sweep, settles("KEEP", "", taking("keep")), settles("KILL", "", taking("delete")))},
		{name: "everything answers", people: func(h *house) { must(h.t, h.SetFaults()) }, does: runs(pipeline.Sweep)},
		{name: "what was put back is read", does: runs(pipeline.Sweep)},
		{name: "quiet", does: runs(pipeline.Sweep)},
	}
}

// whoWaits goes through holds and what people decide of them.
func whoWaits() []step {
	held := []string{"SIDE", "VALUE", "GOLDEN", "LEAVE", "RETURN", "LATER", "AMID"}
	return []step{
		{name: "first sweep", does: runs(pipeline.Sweep), people: func(h *house) {
			h.both(held...)
			h.both("STATUS", "NAME", "UPDATE", "GONE", "LEFT")
			h.book(world.PMS, stay("CHECK", "direct", "Cho", "100.00"))
		}},
		{name: "first load", does: thenRuns(pipeline.Incremental, approves("plan"))},
		{name: "two say different things", does: runs(pipeline.Sweep), people: func(h *house) {
			for _, code := range held {
				h.edit(world.PMS, code, "notes", "desk")
				h.edit(world.Staybnb, code, "notes", "guest")
			}
			h.edit(world.PMS, "CHECK", "price", "950.00")
			h.edit(world.PMS, "CHECK", "channel", world.Staybnb)
			h.edit(world.PMS, "STATUS", "status", "cancelled")
			h.edit(world.Staybnb, "STATUS", "status", "pending")
			h.edit(world.PMS, "NAME", "guest_name", "Not asked")
			h.drop(world.PMS, "UPDATE")
			h.edit(world.Staybnb, "UPDATE", "guest_name", "Una")
			h.drop(world.Staybnb, "GONE")
			h.edit(world.PMS, "LEFT", "channel", "direct")
		}},
		{name: "people decide", people: func(h *house) {
			h.edit(world.PMS, "RETURN", "notes", "of Ana RETURN")
			h.edit(world.Staybnb, "RETURN", "notes", "of Ana RETURN")
			h.edit(world.PMS, "LEFT", "channel", world.Staybnb)
		}, does: func(p *process) (run.Result, error) {
			for _, decide := range []func(*process) error{
				settles("SIDE", "notes", taking(world.Staybnb)), settles("VALUE", "notes", giving("notes", "both")),
				settles("GOLDEN", "notes", taking("golden")), settles("LEAVE", "notes", leaving),
				settles("LATER", "notes", taking(world.PMS)), settles("CHECK", "price", giving("price", "800.00"))} {
				if err := decide(p); err != nil {
					return run.Result{}, err
				}
			}
			p.once("LATER", func() { p.edit(world.Staybnb, "LATER", "notes", "guest again") })
			return p.run(pipeline.Incremental)
		}, amid: settles("AMID", "notes", taking(world.PMS))},
		{name: "what was decided meanwhile", does: runs(pipeline.Sweep)},
		{name: "quiet", does: runs(pipeline.Sweep)},
	}
}

// whoIsStopped goes through approvals, guards, quarantines and what cannot be read.
func whoIsStopped() []step {
	return []step{
		{name: "first sweep", does: runs(pipeline.Sweep), people: func(h *house) {
			h.both("D1", "D2", "D3", "D4", "SCOPE", "LETTER", "MAP", "Q1", "Q2", "Q3", "Q4")
			for _, code := range []string{"REJECT", "DIES", "LAPSE"} {
				h.book(world.PMS, stay(code, world.Staybnb, "Ria", "100.00"))
				h.book(world.Staybnb, stay(code, world.Staybnb, "Ria", "101.00"))
			}
		}},
		{name: "a plan is approved", does: func(p *process) (run.Result, error) {
			if err := rejects("no", "REJECT")(p); err != nil {
				return run.Result{}, err
			}
			return run.Result{}, p.approve("too early")
		}},
		{name: "too late", after: 26 * time.Hour, does: func(p *process) (run.Result, error) {
			result, err := p.run(pipeline.Incremental)
			if err != nil {
				return result, err
			}
			return result, p.approve("in time")
		}},
		{name: "first load", people: func(h *house) { h.edit(world.Staybnb, "DIES", "price", "102.00") }, does: runs(pipeline.Incremental)},
		{name: "a bad day", people: func(h *house) {
			h.drop(world.PMS, "D1", "D2", "D3", "D4")
			h.edit(world.Staybnb, "D2", "guest_name", "Too late")
			h.edit(world.PMS, "SCOPE", "channel", "direct")
			h.edit(world.PMS, "LETTER", "price", "12345.00")
			h.edit(world.PMS, "MAP", "status", "completed")
		}, does: thenRuns(pipeline.Sweep, approves("as it is now"))},
		{name: "meanwhile", people: func(h *house) {
			h.book(world.PMS, stay("D3", world.Staybnb, "Dan", "33.00"))
			h.edit(world.Staybnb, "D4", "notes", "I was there")
			h.edit(world.PMS, "LETTER", "price", "99.00")
			h.edit(world.PMS, "MAP", "status", "pending")
			h.edit(world.PMS, "REJECT", "price", "105.00")
		}, does: runs(pipeline.Incremental)},
		{name: "a stream says too much", people: func(h *house) {
			for _, code := range []string{"Q1", "Q2", "Q3", "Q4"} {
				h.edit(world.PMS, code, "notes", "all of them")
			}
		}, does: thenRuns(pipeline.Incremental, approves("delete them"))},
		{name: "it meant it", does: thenRuns(pipeline.Incremental, lifts("it meant it"))},
		{name: "what was deleted first", does: runs(pipeline.Sweep)},
		{name: "quiet", does: runs(pipeline.Sweep)},
	}
}

// waiting are the changes that a person may decide about.
func waiting(c people.Change) bool {
	return (c.State == tables.ChangePlanned || c.State == tables.ChangeHeld) && (c.Word == nil || c.Word.Kind != review.Reject)
}
