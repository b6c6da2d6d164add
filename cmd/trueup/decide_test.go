package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/stages/review"
	"github.com/trueup-data/trueup/stages/review/story"
)

// amend changes the project file of a rental; the text must be there.
func (r *rental) amend(t *testing.T, from, to string) {
	t.Helper()
	path := filepath.Join(r.dir, "trueup.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(from)) {
		t.Fatalf("the project file has no %q", from)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(from), []byte(to), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// both gives bookings that are in both systems another price in each; it returns
// their keys and their IDs in the PMS.
func (r *rental) both(t *testing.T, n int) (keys, ids []string) {
	t.Helper()
	for _, x := range r.world.Records(world.Staybnb) {
		there := r.world.Find(world.PMS, x.Now().Values.Get(world.Code))
		if x.Now().State != world.Live || len(there) != 1 || len(keys) == n {
			continue
		}
		for system, id := range map[string]string{world.PMS: there[0], world.Staybnb: x.ID} {
			price := map[string]string{world.PMS: "111.00", world.Staybnb: "222.00"}[system]
			if _, err := r.world.Edit(system, id, world.Values{"price": world.Text(price)}); err != nil {
				t.Fatal(err)
			}
		}
		keys, ids = append(keys, x.Key()), append(ids, there[0])
	}
	if len(keys) < n {
		t.Fatalf("only %d bookings are in both systems", len(keys))
	}
	return keys, ids
}

// A conflict under the rule hold is sent to nobody, is listed, and goes on as a
// person decides: a side, another value, or left as it is.
func TestDecideSettlesWhatARuleHolds(t *testing.T) {
	r := newRental(t, 41, 40)
	r.amend(t, "lease: 1s", "lease: 30s") // nobody dies here
	r.amend(t, "        guest_name: {authority: [staybnb, pms]}", "        price: hold\n        guest_name: {authority: [staybnb, pms]}")
	r.run(t, "sweep")
	r.world.Advance(time.Hour)
	keys, ids := r.both(t, 3)
	effects := len(r.world.Effects())
	r.run(t, "incremental")
	if sent := len(r.world.Effects()) - effects; sent != 0 {
		t.Fatalf("%d writes while a person is asked", sent)
	}
	out, errOut, code := here(t, r.dir, r.with(), "decide", "--output", "json")
	var listed struct{ Holds []review.Hold }
	if err := json.Unmarshal([]byte(out), &listed); err != nil || code != exitDone {
		t.Fatalf("%d %v %s%s", code, err, out, errOut)
	}
	holds := map[string]string{}
	for _, h := range listed.Holds {
		holds[h.Key] = h.ID
	}
	out, _, _ = here(t, r.dir, r.with(), "decide")
	for _, key := range keys {
		says(t, out, "bookings "+key+": price (the rule is hold)")
	}
	says(t, out, "golden: price ", "pms: price 111.00 (before: ", "staybnb: price 222.00 (before: ", "next: trueup decide HOLD")
	for i, c := range []struct {
		args []string
		says string
	}{
		{[]string{holds[keys[0]]}, "exactly one of"},
		{[]string{holds[keys[0]], "--take", "staybnb", "--leave"}, "exactly one of"},
		{[]string{holds[keys[0]], "--take", "voyago"}, "voyago"},
		{[]string{holds[keys[0]], "--value", "price=much"}, "is no decimal"},
		{[]string{"no-such-hold", "--leave"}, "nothing was decided"},
	} {
		if out, errOut, code := here(t, r.dir, r.with(), append([]string{"decide"}, c.args...)...); code == exitDone || !strings.Contains(errOut, c.says) {
			t.Errorf("case %d: %d %s%s", i, code, out, errOut)
		}
	}
	for _, args := range [][]string{{holds[keys[0]], "--take", "staybnb"}, {holds[keys[1]], "--value", "price=333.00"}, {holds[keys[2]], "--leave"}} {
		out, errOut, code := here(t, r.dir, r.with(), append([]string{"decide", "--by", "ana", "--reason", "asked"}, args...)...)
		if code != exitDone {
			t.Fatalf("%v: %d %s", args, code, errOut)
		}
		says(t, out, "decided hold", "by ana", "next: trueup run")
	}
	r.world.Advance(time.Hour)
	r.run(t, "incremental")
	for i, want := range []string{"222.00", "333.00", "111.00"} {
		if b, ok := r.world.Get(world.PMS, ids[i]); !ok || b.Get(world.Price) != want {
			t.Errorf("the PMS has %q for %s, not %s", b.Get(world.Price), keys[i], want)
		}
	}
	out, _, _ = here(t, r.dir, r.with(), "decide")
	says(t, out, "nothing waits for a decision")
	out, _, _ = here(t, r.dir, r.with(), "explain", "bookings", keys[0])
	says(t, out, "ana")
}

// A condition may name any column of the view changes.
func TestApproveWhereTakesTheColumnsOfChanges(t *testing.T) {
	r := newRental(t, 23, 40)
	r.amend(t, "lease: 1s", "lease: 30s")
	here(t, r.dir, r.with(), "run", "--mode", "sweep", "--progress", "none")
	raw, _, _ := here(t, r.dir, r.with(), "plan", "--output", "json")
	var planned []story.Change
	if err := json.Unmarshal([]byte(raw), &planned); err != nil || len(planned) == 0 {
		t.Fatalf("%v %s", err, raw)
	}
	_, errOut, code := here(t, r.dir, r.with(), "approve", "--where", "entity = 'tasks'")
	if code != exitUsage {
		t.Errorf("%d %s", code, errOut)
	}
	says(t, errOut, "no open change matches")
	out, errOut, code := here(t, r.dir, r.with(), "approve", "--where", "entity = 'bookings' and system in ('pms', 'staybnb')", "--expect", fmt.Sprint(len(planned)), "--by", "ana")
	if code != exitDone {
		t.Fatalf("%d %s", code, errOut)
	}
	says(t, out, fmt.Sprintf("approved %s, by ana", plural(int64(len(planned)), "change", "changes")))
}

// What a person reads of a finding: what was observed, what was expected, the query
// that shows it, what to do, and the command that says more.
func TestFindingsTellWhatAPersonNeeds(t *testing.T) {
	r := newRental(t, 43, 20)
	r.amend(t, "lease: 1s", "lease: 30s")
	r.run(t, "sweep")
	r.world.Advance(time.Hour)
	if err := r.world.SetFaults(world.Fault{Kind: world.Unavailable, System: world.Staybnb, Rate: 1}); err != nil {
		t.Fatal(err)
	}
	if out, code := trueup(t, r.dir, r.env, r.runArgs("incremental")...); code != exitAttention {
		t.Fatalf("%d %s", code, out)
	}
	out, errOut, code := here(t, r.dir, r.with(), "findings", "--kind", "retry_storm")
	if code != exitDone {
		t.Fatalf("%d %s", code, errOut)
	}
	id := strings.Fields(out)[0]
	brief := id + "  high  retry_storm staybnb, since TIME\n" +
		"          100% of N requests failed, throttled or tried again in 1 h; expected: less than 90% at any time\n"
	help := "help: see whether the system is up: trueup doctor; lower its limits if it asks for less\n"
	if got := anonymous(out); !strings.HasPrefix(got, brief+"          "+help+"          next: trueup findings "+id+"\n") {
		t.Errorf("the list:\n%s", got)
	}
	full, _, _ := here(t, r.dir, r.with(), "findings", id)
	want := brief + "\nretry_storm was seen from TIME to TIME, first in run RUN, last in run RUN\nevidence: trueup query \"QUERY\"\n" + help
	if got := anonymous(full); got != want {
		t.Errorf("one finding:\n%s\nnot\n%s", got, want)
	}
	query := regexp.MustCompile(`(?m)^evidence: (trueup query ".*")$`).FindStringSubmatch(full)
	if query == nil {
		t.Fatal("there is no query")
	}
	out, errOut, code = here(t, r.dir, r.with(), arguments(query[1])[1:]...)
	if code != exitDone {
		t.Fatalf("%d %s", code, errOut)
	}
	says(t, out, "failures", "requests")
}

// anonymous leaves out what differs from run to run.
func anonymous(text string) string {
	for _, x := range [][2]string{{`\d{4}-\d\d-\d\dT[\d:.]+Z`, "TIME"}, {`\b01[0-9A-Z]{24}\b`, "RUN"}, {`100% of \d+`, "100% of N"}, {`(?m)^(evidence: trueup query ").*"$`, `${1}QUERY"`}} {
		text = regexp.MustCompile(x[0]).ReplaceAllString(text, x[1])
	}
	return text
}
