package story

import (
	"slices"
	"testing"
)

const wholeRun = `extracted  bookings@pms          sweep complete: 1,002 read, 0 new, 3 changed, 2 deleted
extracted  bookings@staybnb      sweep partial: 505 read, 505 new
extracted  tasks@tidy            incremental complete: 0 read, 0 new
loaded     bookings@pms          7 sent, 7 applied, 0 stale
loaded     tasks@pms             1 sent, 0 applied, 1 unclear
loaded     tasks@tidy            0 sent, 0 applied
approved 1,204 changes, by somebody
`

func TestWhatWasReadIsALineForEachEntity(t *testing.T) {
	want := []string{"bookings      pms 1,002 read, 3 changed, 2 deleted; staybnb 505 read, sweep partial", "tasks         tidy "}
	if got := byEntity(wholeRun); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestWhatWasSentIsSummedForEachSystem(t *testing.T) {
	if got := bySystem(wholeRun, "loaded"); got != "pms 8 sent, 7 applied, 1 unclear" {
		t.Error(got)
	}
	if got := bySystem(wholeRun, "settled"); got != "" {
		t.Error(got)
	}
}

func TestDecisionsAreCounted(t *testing.T) {
	if n := decided(wholeRun); n != 1204 || decided("") != 0 || thousands(1234567) != "1,234,567" || thousands(12) != "12" {
		t.Error(n)
	}
}

func TestKeysAreNamedAsTheWorldNamesThem(t *testing.T) {
	for key, want := range map[string]string{"HM1": "HM1", `["L-001","2026-03-01"]`: "L-001/2026-03-01", "[x": "[x"} {
		if got := worldKey(key); got != want {
			t.Errorf("%s became %s", key, got)
		}
	}
	if got := matching("a\n  attention: 3 changes are held\n", "are held"); len(got) != 1 || got[0] != "attention: 3 changes are held" {
		t.Errorf("%q", got)
	}
}
