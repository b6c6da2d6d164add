package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline/store/storetest/servers"
	"github.com/trueup-data/trueup/stages/connector/postgres/pgtest"
)

// hotels is the main job against programs nobody here wrote: PostgreSQL,
// json-server, MinIO, with what both systems must hold in the end.
type hotels struct {
	pms     *pms
	channel *channel
	want    contents // of the property-management system; the channel's is the part of the shared hotel
	dir     string
	env     []string
	stock   []string // codes that both systems hold and nobody has touched, in order
	secrets []string // must be in no output
	twice   string   // a code that a guest used again
}

// startHotels seeds both systems with records that agree, that differ and that
// only one side has, and starts everything.
func startHotels(t *testing.T) *hotels {
	t.Helper()
	seeds := seedBookings(t)
	h := &hotels{want: contents{}, dir: t.TempDir()}
	inPMS, inChannel := contents{}, contents{}
	for code, b := range seeds {
		h.want[code], inPMS[code] = b, b
	}
	for code, b := range seeds.inChannel() {
		inChannel[code] = b
	}
	h.stock = seeds.inChannel().codes()
	h.differ(inPMS, inChannel)
	h.pms, h.channel = startPMS(t, inPMS), startChannel(t, inChannel)
	bucket := servers.StartMinIO(t)
	h.secrets = []string{pgtest.Password, bucket.SecretKey}
	h.env = append(bucket.Env(), "TRUEUP_STORE="+bucket.URL("hotels"), "PMS_DSN="+h.pms.dsn, "CHANNEL_URL="+h.channel.counted, "PATH="+os.Getenv("PATH"))
	project, err := os.ReadFile(filepath.Join(moduleRoot(t), "testdata", "integration", "trueup.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "trueup.yaml"), project, 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

// take gives the next codes that nobody has touched, from all over the stock.
func (h *hotels) take(n int) []string {
	out := make([]string, n)
	for i := range out {
		at := (i*97 + 13) % len(h.stock)
		out[i] = h.stock[at]
		h.stock = slices.Delete(h.stock, at, at+1)
	}
	return out
}

// differ makes the sides differ before the first run.
func (h *hotels) differ(inPMS, inChannel contents) {
	for _, code := range h.take(5) { // only one side has it
		delete(inChannel, code)
	}
	for _, code := range h.take(4) {
		delete(inPMS, code)
	}
	for i, code := range h.take(12) { // the property-management system is right
		inChannel[code] = inChannel[code].with(booking{"rate": value(fmt.Sprintf("%d.05", 100+i)), "status": value("no_show"), "prepaid": value("true")})
	}
	for _, code := range h.take(9) { // the channel is right, about these fields alone
		theirs := booking{"title": value(`L'"été" à l’hôtel — ❤ \ 小林, no. 5`), "country": value("ÅLA")}
		inChannel[code] = inChannel[code].with(theirs).with(booking{"departure": value("2031-12-31")})
		h.want[code] = h.want[code].with(theirs)
	}
	for _, code := range h.take(3) { // nobody has cleared what was never there: the other side's value counts
		h.want[code] = h.want[code].with(booking{"title": value("Ours"), "agent": value("77")})
		inPMS[code] = h.want[code].with(booking{"agent": nil})
		inChannel[code] = h.want[code].with(booking{"title": nil})
	}
}

// trueup runs the program; code is how it must end.
func (h *hotels) trueup(t *testing.T, code int, args ...string) string {
	t.Helper()
	out := must(t, h.dir, h.env, []int{code}, args...)
	for _, s := range h.secrets {
		if strings.Contains(out, s) {
			t.Errorf("trueup %v shows a secret:\n%s", args, out)
		}
	}
	return out
}

// run runs the program and gives how many records each system was asked for.
func (h *hotels) run(t *testing.T, mode string, code int) (read map[string]int64) {
	t.Helper()
	out := h.trueup(t, code, "run", "--mode", mode, "--progress", "none")
	t.Logf("trueup run --mode %s\n%s", mode, out)
	read = map[string]int64{}
	for _, m := range regexp.MustCompile(`extracted +bookings@(\w+) +\w+ complete: ([\d,]+) read`).FindAllStringSubmatch(out, -1) {
		n := strings.ReplaceAll(m[2], ",", "")
		read[m[1]] = *number(t, &n)
	}
	return read
}

// needed are the effects that make both systems hold what they must.
func (h *hotels) needed(t *testing.T) (inPMS, inChannel effects) {
	t.Helper()
	return h.pms.contents(t).against(h.want), h.channel.contents(t).against(h.want.inChannel())
}

// mustAgree compares both systems with what they must hold, and what was done
// with what was needed: nothing more, and nothing twice.
func (h *hotels) mustAgree(t *testing.T, inPMS, inChannel effects) {
	t.Helper()
	mustHold(t, "pms", h.pms.contents(t), h.want)
	mustHold(t, "channel", h.channel.contents(t), h.want.inChannel())
	if did := h.pms.taken(t); did != inPMS {
		t.Errorf("pms: %+v were done, and %+v were needed", did, inPMS)
	}
	if did := h.channel.taken(); did != inChannel {
		t.Errorf("channel: %+v were done, and %+v were needed", did, inChannel)
	}
}

// firstDay plans, asks, and sends: nothing before somebody has approved it.
func (h *hotels) firstDay(t *testing.T) {
	t.Helper()
	h.trueup(t, exitDone, "init")
	h.trueup(t, exitDone, "validate")
	h.run(t, "sweep", exitAttention)
	inPMS, inChannel := h.needed(t)
	if h.pms.taken(t) != (effects{}) || h.channel.taken() != (effects{}) {
		t.Fatal("the first run sent something, and nobody has approved it")
	}
	plan := regexp.MustCompile(`trueup approve (\S+)`).FindStringSubmatch(h.trueup(t, exitDone, "plan"))
	if plan == nil {
		t.Fatal("the plan names no command that approves it")
	}
	h.trueup(t, exitDone, "approve", plan[1], "--by", "ines", "--reason", "looked at it")
	h.trueup(t, exitDone, "load", "--log-level", "debug")
	h.mustAgree(t, inPMS, inChannel)
}

// people edit both systems at once, with psql and with HTTP requests.
func (h *hotels) people(t *testing.T) {
	t.Helper()
	h.newLives(t)
	h.deskEdits(t)
	h.guestEdits(t)
	h.whileItRuns(t)
	for _, code := range h.take(4) { // both, in different fields
		h.pms.edit(t, code, booking{"rate": value("777.70")})
		h.channel.edit(t, code, booking{"title": value("seen “by” both")})
		h.want[code] = h.want[code].with(booking{"rate": value("777.70"), "title": value("seen “by” both")})
	}
}

// deskEdits are those of the property-management system.
func (h *hotels) deskEdits(t *testing.T) {
	t.Helper()
	for i, code := range h.take(12) {
		set := booking{"rate": value(fmt.Sprintf("%d.%02d", 60+i, i)), "status": value("cancelled"), "children": value("2")}
		h.pms.edit(t, code, set)
		h.want[code] = h.want[code].with(set)
	}
	for _, code := range h.take(3) { // cleared
		h.pms.edit(t, code, booking{"agent": nil, "children": nil})
		h.want[code] = h.want[code].with(booking{"agent": nil, "children": nil})
	}
	for _, code := range h.take(2) { // not theirs to say: it is set back, unless the channel has never said anything
		theirs := booking{"title": value("what the desk calls it")}
		h.pms.edit(t, code, theirs)
		if h.want[code]["title"] == nil {
			h.want[code] = h.want[code].with(theirs)
		}
	}
	for i, hotel := range []string{shared, shared, shared, "Pousada d'Óbidos"} {
		b := h.want[h.stock[i]].with(booking{"code": value(fmt.Sprintf("DESK-%d'é", i)), "hotel": value(hotel),
			"title": value(`"new" \ at the desk’s`), "agent": nil})
		b["code"] = value(fmt.Sprintf("DESK-%dÉ", i)) // keys are compared in upper case
		h.pms.add(t, b)
		h.want[*b["code"]] = b
	}
	for _, code := range h.take(4) { // only a sweep can see that they are gone
		h.pms.remove(t, code)
		delete(h.want, code)
	}
}

// guestEdits are those of the channel.
func (h *hotels) guestEdits(t *testing.T) {
	t.Helper()
	for _, code := range h.take(8) {
		set := booking{"title": value(`Zoë's "room" 🛏 №5`), "country": value("ISL")}
		h.channel.edit(t, code, set)
		h.want[code] = h.want[code].with(set)
	}
	for _, code := range h.take(2) { // cleared
		h.channel.edit(t, code, booking{"country": nil})
		h.want[code] = h.want[code].with(booking{"country": nil})
	}
	for _, code := range h.take(3) { // not theirs to say: it is set back
		h.channel.edit(t, code, booking{"rate": value("1.00"), "arrival": value("2030-01-01")})
	}
	for i := range 2 {
		b := h.want[h.stock[i]].with(booking{"code": value(fmt.Sprintf("GUEST-%d", i)), "title": value("made by a guest, « online »"), "children": nil})
		h.channel.add(t, b)
		h.want[*b["code"]] = b
	}
	for _, code := range h.take(3) { // without a trace
		h.channel.remove(t, code)
		delete(h.want, code)
	}
}

// newLives are deletes that something follows at once: json-server gives the
// highest ID out again, and a guest books under the same code once more.
func (h *hotels) newLives(t *testing.T) {
	t.Helper()
	last := slices.MaxFunc(h.channel.all(t), func(a, b reservation) int { return cmp.Compare(a.ID, b.ID) }).Confirmation
	gone := h.want[last]
	freed := h.channel.remove(t, last)
	delete(h.want, last)
	next := gone.with(booking{"code": value("REUSED-1"), "title": value("another guest under the same ID")})
	if id := h.channel.add(t, next); id != freed {
		t.Fatalf("the channel gave ID %d to a new record, not %d again", id, freed)
	}
	h.want["REUSED-1"] = next

	for _, code := range h.take(1) {
		again := h.want[code].with(booking{"title": value("back again"), "country": value("NLD")})
		h.channel.remove(t, code)
		h.channel.add(t, again)
		h.want[code], h.twice = again, code
	}
}

// whileItRuns are edits that happen between the read and the write of a run: it
// must not replace them, although the channel offers no precondition and takes
// whole records only.
func (h *hotels) whileItRuns(t *testing.T) {
	t.Helper()
	for i, code := range h.take(2) {
		ours, theirs := booking{"rate": value("55.50")}, booking{"title": value("written while it ran")}
		h.pms.edit(t, code, ours)
		h.channel.before(t, i+1, code, func() { h.channel.edit(t, code, theirs) })
		h.want[code] = h.want[code].with(ours).with(theirs)
	}
}

// Real programs and real records: after the first plan both systems agree, after
// edits on both sides two runs make them agree again, and a third sends nothing.
func TestRealSystemsComeToAgreeAndStayQuiet(t *testing.T) {
	h := startHotels(t)
	h.firstDay(t)
	h.people(t)
	inPMS, inChannel := h.needed(t)
	if read := h.run(t, "incremental", exitAttention); read["pms"] > 100 || read["channel"] > 100 {
		t.Errorf("an incremental run after some edits read %v", read)
	}
	// That one key has two IDs is for a person to know until a sweep has proven that the first is gone.
	if status := h.trueup(t, exitDone, "status"); !strings.Contains(status, h.twice) {
		t.Errorf("%s is there twice, and the status says nothing of it:\n%s", h.twice, status)
	}
	if n := h.channel.waiting(); n > 0 {
		t.Errorf("%d records were not read right before they were written", n)
	}
	h.run(t, "sweep", exitDone)
	h.mustAgree(t, inPMS, inChannel)

	before := h.pms.versions(t)
	for _, mode := range []string{"sweep", "incremental"} {
		h.run(t, mode, exitDone)
		h.mustAgree(t, effects{}, effects{})
	}
	if after := h.pms.versions(t); after != before {
		t.Errorf("pms: a quiet run touched rows: %s, then %s", before, after)
	}
	for _, r := range h.channel.all(t) {
		if (len(r.Rooms) != 2 || r.Guest.Loyalty != "gold") && r.Modified > 0 {
			t.Errorf("channel: %s lost what the project file does not declare: %+v", r.Confirmation, r)
		}
	}
}
