package run_test

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/stages/run"
)

// step is a part of a scenario: people do something, once, and then a process
// does something, which is done again by the next process if it died.
type step struct {
	name   string
	people func(*house)
	does   func(*process) (run.Result, error)
	amid   func(*process) error // what a person does from another process while this one sends its first write
	after  time.Duration        // since the step before; default three hours
}

func runs(mode pipeline.Mode) func(*process) (run.Result, error) {
	return func(p *process) (run.Result, error) { return p.run(mode) }
}

// scenario goes through every stage: a first sweep with its plan, the approval,
// creates, updates and deletes in both systems, a silent delete, compaction,
// collection, and a run that has nothing to do.
func scenario() []step {
	return []step{
		{name: "first sweep", people: theOffice, does: runs(pipeline.Sweep)},
		{name: "approval", does: func(p *process) (run.Result, error) { return run.Result{}, p.approve("decision-1") }},
		{name: "first load", does: runs(pipeline.Incremental)},
		{name: "a day of edits", people: aDay, does: runs(pipeline.Incremental)},
		{name: "a night with a silent delete", people: aNight, does: runs(pipeline.Sweep)},
		{name: "housekeeping", does: houseKeeping},
		{name: "another day", people: anotherDay, does: runs(pipeline.Incremental)},
		{name: "quiet", does: runs(pipeline.Incremental)},
	}
}

// shortScenario is the part of it up to the first writes.
func shortScenario() []step { return scenario()[:4] }

func houseKeeping(p *process) (run.Result, error) {
	if _, err := p.job.Compact(p.t.Context(), lake.CompactionPolicy{MaxDeltas: 1}); err != nil {
		return run.Result{}, err
	}
	_, err := p.job.Lake.Collect(p.t.Context(), lake.Collection{Keep: 3})
	return run.Result{}, err
}

func stay(code, channel, guest, price string) world.Values {
	return world.Values{"code": world.Text(code), "channel": world.Text(channel), "listing_id": world.Text("L-001"),
		"check_in": world.Text("2026-05-01"), "check_out": world.Text("2026-05-04"), "guest_name": world.Text(guest),
		"price": world.Text(price), "status": world.Text("confirmed"), "notes": world.Text("of " + guest)}
}

// theOffice is what both systems hold before the first run.
func theOffice(h *house) {
	for i := 1; i <= 6; i++ {
		b := stay(fmt.Sprintf("A%d", i), world.Staybnb, fmt.Sprintf("Ana %d", i), fmt.Sprintf("%d00.00", i))
		h.book(world.PMS, b)
		h.book(world.Staybnb, b)
	}
	h.book(world.PMS, stay("C7", world.Staybnb, "C. Lee", "70.00"))
	h.book(world.Staybnb, stay("C7", world.Staybnb, "Cy Lee", "71.00"))
	h.book(world.Staybnb, stay("D8", world.Staybnb, "Dee", "80.00"))
	h.book(world.PMS, stay("E9", world.Staybnb, "Ed", "90.00"))
	for i := 10; i <= 12; i++ {
		h.book(world.PMS, stay(fmt.Sprintf("F%d", i), "direct", "Flo", "10.50"))
	}
}

func aDay(h *house) {
	h.edit(world.PMS, "A1", "price", "111.11")
	h.edit(world.Staybnb, "A2", "guest_name", "Ana Zwei")
	h.edit(world.PMS, "A3", "notes", "from the desk")
	h.edit(world.Staybnb, "A3", "notes", "from the guest")
	h.edit(world.Staybnb, "A5", "status", "cancelled")
	_, err := h.Delete(world.PMS, h.id(world.PMS, "A4"))
	must(h.t, err)
	h.book(world.PMS, stay("G13", world.Staybnb, "Gus", "130.00"))
	h.book(world.Staybnb, stay("H14", world.Staybnb, "Hal", "140.00"))
}

func aNight(h *house) {
	_, err := h.Delete(world.Staybnb, h.id(world.Staybnb, "A6"))
	must(h.t, err)
	h.edit(world.Staybnb, "A1", "notes", "late check-in")
	h.edit(world.PMS, "F10", "price", "11.00")
}

func anotherDay(h *house) {
	h.edit(world.PMS, "A2", "price", "222.22")
	h.edit(world.PMS, "G13", "notes", "with a dog")
	h.book(world.Staybnb, stay("J15", world.Staybnb, "Joy", "150.00"))
}

func (h *house) book(system string, b world.Values) {
	h.t.Helper()
	h.Advance(time.Second)
	_, err := h.Create(system, b)
	must(h.t, err)
}

func (h *house) edit(system, code, field, value string) {
	h.t.Helper()
	h.Advance(time.Second)
	_, err := h.Edit(system, h.id(system, code), world.Values{field: world.Text(value)})
	must(h.t, err)
}

// id is the one live record of a code.
func (h *house) id(system, code string) string {
	h.t.Helper()
	ids := h.Find(system, code)
	if len(ids) != 1 {
		h.t.Fatalf("%s holds %d records of %s", system, len(ids), code)
	}
	return ids[0]
}

// play does a scenario, each step at its hour, whatever went wrong meanwhile. plan says what goes wrong in the lives of each step. A step
// whose process failed is done again by another one, but only as often as
// something went wrong.
func (h *house) play(st store.Store, steps []step, plan map[string][]point, then func(step, run.Result)) error {
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for i, s := range steps {
		if i > 0 {
			at = at.Add(cmp.Or(s.after, 3*time.Hour))
		}
		if by := at.Sub(h.Now()); by > 0 {
			h.Advance(by)
		}
		if s.people != nil {
			s.people(h)
		}
		h.hazard.expect(plan[s.name]...)
		h.hazard.meanwhile(func() {
			if err := h.beside(s.amid); err != nil {
				h.t.Error(err)
			}
		}, s.amid != nil)
		result, err := h.insist(st, s)
		stores, https := h.hazard.counts()
		h.counted[s.name], h.kinds[s.name] = [2]int{stores, https}, h.hazard.operations()
		h.hazard.expect()
		if err == nil && h.hazard.waits() {
			err = errors.New("nothing was sent, so that nobody came in between")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if then != nil {
			then(s, result)
		}
	}
	return nil
}

// insist does a step until a process of it ends well. An error of a process to
// which nothing happened is one of the program.
func (h *house) insist(st store.Store, s step) (result run.Result, err error) {
	for {
		before := h.hazard.struck()
		err = h.lifeOver(st, func(p *process) (err error) {
			result, err = s.does(p)
			return err
		})
		if err == nil || h.hazard.struck() == before {
			return result, err
		}
	}
}

func sent(r run.Result) (n int64) {
	for _, l := range append(r.Settled, r.Loaded...) {
		n += l.Counts.Sent
	}
	return n
}

// quiet runs until nothing is sent, which must be soon.
func (h *house) quiet(most int) {
	h.t.Helper()
	for range most {
		if sent(h.hourly(pipeline.Incremental)) == 0 {
			return
		}
	}
	h.t.Fatalf("still sending after %d quiet runs", most)
}
