package run_test

import (
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
)

// settledHouse is a house whose first plan was approved and sent.
func settledHouse(t *testing.T) *house {
	t.Helper()
	h := newHouse(t, setup{world: world.Options{Seed: 5, Records: 12}})
	h.hourly(pipeline.Sweep)
	must(t, h.life(func(p *process) error { return p.approve("decision-1") }))
	h.hourly(pipeline.Incremental)
	return h
}

// A system that denies a record right before it is written to, as one that took
// our access away would, has proven nothing: no other system loses the record,
// and what was to be sent is sent once it can be seen again.
func TestADeniedRecordIsNotDeletedElsewhere(t *testing.T) {
	h := settledHouse(t)

	name := "Zoé, who answers"
	_, err := h.Edit(world.Staybnb, h.Records(world.Staybnb)[2].ID, world.Values{world.GuestName: &name})
	must(t, err)
	must(t, h.SetFaults(world.Fault{Kind: world.NoAccess, System: world.PMS, Call: world.CallGet, Rate: 1}))
	denied := h.hourly(pipeline.Incremental)
	if n := sent(denied); n != 0 {
		t.Errorf("%d writes were sent to a record that could not be read", n)
	}
	h.hourly(pipeline.Incremental)
	must(t, h.SetFaults())
	h.Advance(time.Hour)
	h.hourly(pipeline.Sweep)
	end := h.look()
	if problem := h.proof(end); problem != "" {
		t.Error(problem)
	}
	for _, e := range h.Effects() {
		if e.Op == world.Delete {
			t.Errorf("%s %s deleted %s", e.Method, e.Path, e.Key)
		}
	}
	if len(end.known) > 0 {
		t.Errorf("still apart: %v", end.known)
	}
}

// A system that denies a record which is to be deleted there has not deleted it: when
// the record shows up again it is deleted still, and not taken for one made anew.
func TestADeniedRecordIsDeletedLater(t *testing.T) {
	for _, kind := range []world.Call{world.CallGet, world.CallDelete} {
		t.Run(string(kind), func(t *testing.T) {
			h := settledHouse(t)

			gone := h.Records(world.Staybnb)[2]
			_, err := h.Delete(world.PMS, h.Find(world.PMS, gone.Key())[0])
			must(t, err)
			must(t, h.SetFaults(world.Fault{Kind: world.NoAccess, System: world.Staybnb, Call: kind, Rate: 1}))
			h.hourly(pipeline.Sweep)
			h.hourly(pipeline.Incremental)
			must(t, h.SetFaults())
			h.Advance(time.Hour)
			h.hourly(pipeline.Sweep)
			h.hourly(pipeline.Sweep)
			for _, system := range []string{world.PMS, world.Staybnb} {
				if n := len(h.Find(system, gone.Key())); n != 0 {
					t.Errorf("%s is live in %s", gone.Key(), system)
				}
			}
			if problem := h.proof(h.look()); problem != "" {
				t.Error(problem)
			}
		})
	}
}

// A read by ID that comes from a copy that lags shows the record as it was before
// somebody edited it. That is no reason to think that it is as it should be.
func TestAStaleReadBeforeAWriteIsNoReasonNotToWrite(t *testing.T) {
	h := settledHouse(t)

	name := "Zoé, who does not count"
	_, err := h.Edit(world.PMS, h.Find(world.PMS, h.Records(world.Staybnb)[2].Key())[0], world.Values{world.GuestName: &name})
	must(t, err)
	must(t, h.SetFaults(world.Fault{Kind: world.Stale, System: world.PMS, Call: world.CallGet, Rate: 1, Lag: 5 * time.Hour}))
	h.hourly(pipeline.Incremental)
	must(t, h.SetFaults())
	for range 2 {
		h.hourly(pipeline.Sweep)
	}
	if problem := h.proof(h.look()); problem != "" {
		t.Error(problem)
	}
}

// What changed while a record could not be read is sent once it fits again, also
// where it shows nothing else than before.
func TestARecordThatFitsAgainIsSentWhatItMissed(t *testing.T) {
	h := settledHouse(t)

	must(t, h.SetFaults(world.Fault{Kind: world.Malform, System: world.Staybnb, Call: world.CallList, Rate: 1}))
	h.hourly(pipeline.Sweep)
	must(t, h.SetFaults())
	letters := h.letters()
	if len(letters) == 0 {
		t.Fatal("everything could be read")
	}
	price := "777.00"
	_, err := h.Edit(world.PMS, h.Find(world.PMS, letters[0])[0], world.Values{world.Price: &price})
	must(t, err)
	h.hourly(pipeline.Incremental)
	h.hourly(pipeline.Sweep)
	h.hourly(pipeline.Sweep)
	if letters := h.letters(); len(letters) != 0 {
		t.Errorf("still unreadable: %v", letters)
	}
	if problem := h.proof(h.look()); problem != "" {
		t.Error(problem)
	}
}

// A write that the system refused, since it hid the record for a moment, is wanted
// again, also where nothing of the record changes and no look told why.
func TestAWriteThatFoundNothingIsWantedAgain(t *testing.T) {
	h := settledHouse(t)

	price := "777.00"
	code := *h.Records(world.Staybnb)[2].Now().Values[world.Code]
	_, err := h.Edit(world.PMS, h.Find(world.PMS, code)[0], world.Values{world.Price: &price})
	must(t, err)
	must(t, h.SetFaults(world.Fault{Kind: world.NoAccess, System: world.Staybnb, Call: world.CallUpdate, Nth: 1},
		world.Fault{Kind: world.Unavailable, System: world.Staybnb, Call: world.CallGet, Nth: 2, Count: 20}))
	if n := sent(h.hourly(pipeline.Incremental)); n != 1 {
		t.Fatalf("%d writes were sent", n)
	}
	must(t, h.SetFaults())
	h.hourly(pipeline.Incremental)
	h.hourly(pipeline.Sweep)
	if problem := h.proof(h.look()); problem != "" {
		t.Error(problem)
	}
}

// letters are the records that cannot be read.
func (h *house) letters() (out []string) {
	h.t.Helper()
	must(h.t, h.life(func(p *process) error {
		out = p.query("SELECT key FROM dead_letters WHERE open")
		return nil
	}))
	return out
}

// A create whose answer tells nothing, and keeps telling it, waits for a person.
// Where a listing has shown the record since, it has happened: a person who says
// "send it" gets no second one.
func TestADoubtedCreateThatAListingShowsIsNotSentAgain(t *testing.T) {
	for _, approved := range []string{"after a run that listed it", "before the run that lists it"} {
		t.Run(approved, func(t *testing.T) {
			h := newHouse(t, setup{edit: (&wild{entity: world.Messages}).project(t),
				world: world.Options{Seed: 3, Records: 24, Whole: true, Only: []string{world.Messages}}})
			h.hourly(pipeline.Sweep)
			must(t, h.life(func(p *process) error { return p.approve("first") }))
			h.hourly(pipeline.Incremental)

			made := h.doubtful("MSG-777777")
			if approved == "after a run that listed it" {
				h.hourly(pipeline.Incremental)
			}
			must(t, h.life(func(p *process) error { return p.approve("send it") }))
			h.hourly(pipeline.Incremental)
			h.hourly(pipeline.Sweep)
			if found := h.Of(world.Messages).Find(world.Deskline, made.Key); len(found) != 1 {
				t.Errorf("%s is there %d times", made.Key, len(found))
			}
			if got := h.held(); len(got) != 0 {
				t.Errorf("still waits for a person: %v", got)
			}
			if report := world.Verify(h.World, world.VerifyOptions{}); !report.OK() {
				t.Error(report.String())
			}
		})
	}
}

// What such a listing shows as it was sent is no news: it does not contend with an
// edit that somebody made in another system meanwhile.
func TestWhatADoubtedCreateSentIsNoNews(t *testing.T) {
	w := &wild{entity: world.Messages, rule: "{latest: {skew: 10m}}"}
	h := newHouse(t, setup{edit: w.project(t), world: world.Options{Seed: 3, Records: 24, Whole: true, Only: []string{world.Messages}}})
	h.hourly(pipeline.Sweep)
	must(t, h.life(func(p *process) error { return p.approve("first") }))
	h.hourly(pipeline.Incremental)

	made := h.doubtful("MSG-777777")
	read := "true"
	_, err := h.Of(world.Messages).Edit(world.Staybnb, made.ID, world.Values{world.Read: &read})
	must(t, err)
	h.hourly(pipeline.Incremental)
	must(t, h.life(func(p *process) error { return p.approve("send it") }))
	h.hourly(pipeline.Incremental)
	h.hourly(pipeline.Sweep)
	h.hourly(pipeline.Sweep)
	for _, system := range []string{world.Staybnb, world.Deskline} {
		found := h.Of(world.Messages).Find(system, made.Key)
		if len(found) != 1 {
			t.Fatalf("%s is in %s %d times", made.Key, system, len(found))
		}
		if now, _ := h.Of(world.Messages).Get(system, found[0]); now[world.Read] == nil || *now[world.Read] != read {
			t.Errorf("%s does not show the edit", system)
		}
	}
}

// doubtful makes a message in staybnb whose create in deskline has an effect and an
// answer that tells nothing; it waits for a person, and its key is forgotten there.
func (h *house) doubtful(ref string) world.Edit {
	h.t.Helper()
	channel, text, unread := world.Staybnb, "Where is the key?", "false"
	like := h.Of(world.Messages).Records(world.Staybnb)[0].Now().Values
	made, err := h.Of(world.Messages).Create(world.Staybnb, like.With(world.Values{world.Ref: &ref, world.Channel: &channel, world.Body: &text, world.Read: &unread}))
	must(h.t, err)
	must(h.t, h.SetFaults(world.Fault{Kind: world.SavedErrorAfter, System: world.Deskline, Call: world.CallCreate, Nth: 1}))
	h.hourly(pipeline.Incremental)
	must(h.t, h.SetFaults())
	if got := h.held(); len(got) != 1 {
		h.t.Fatalf("nothing waits for a person: %v", got)
	}
	h.Advance(25 * time.Hour)
	return made
}

// held are the changes that wait for a person to look.
func (h *house) held() (out []string) {
	h.t.Helper()
	must(h.t, h.life(func(p *process) error {
		out = p.query("SELECT key FROM changes WHERE state = 'held'")
		return nil
	}))
	return out
}
