package review_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/stages/review"
)

// ofDates is a hold on a group: airbnb changed one date and does not carry the
// other, pms changed both.
func ofDates(t *testing.T) review.Hold {
	h := review.Hold{ID: "0123456789abcdef", Field: "arrival,departure"}
	decode := func(text string, into any) {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	decode(`{"arrival": {"state": "value", "value": "2026-05-01", "source": "pms"}, "departure": {"state": "value", "value": "2026-05-03"}}`, &h.Golden)
	decode(`{"airbnb": {"id": "a1", "fields": {"arrival": {"base_state": "value", "base": "2026-05-01", "state": "value", "value": "2026-05-02"},
			"departure": {"base_state": "unset", "base": null, "state": "absent", "value": null}}},
		"pms": {"id": "p1", "fields": {"arrival": {"base_state": "value", "base": "2026-05-01", "state": "value", "value": "2026-05-04"},
			"departure": {"base_state": "value", "base": "2026-05-03", "state": "null", "value": null}}}}`, &h.Sides)
	return h
}

func TestWhatAPersonCanChooseOfAHold(t *testing.T) {
	h := ofDates(t)
	for take, want := range map[string]string{
		"pms":    `{"take":"pms","value":{"arrival":"2026-05-04","departure":null}}`,
		"airbnb": `{"take":"airbnb","value":{"arrival":"2026-05-02","departure":"2026-05-03"}}`, // what it does not carry is golden's
		"golden": `{"take":"golden"}`,
	} {
		choice, err := h.Take(take)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := choice.JSON(); err != nil || got != want {
			t.Errorf("take %s: %s %v, want %s", take, got, err, want)
		}
	}
	for take, want := range map[string]string{"vrbo": "no side of hold 0123456789ab", "base": "nobody had a value of departure before", "delete": "no side"} {
		if _, err := h.Take(take); err == nil || !strings.Contains(err.Error(), want) || fault.HelpOf(err) == "" {
			t.Errorf("take %s: %v", take, err)
		}
	}
	if _, err := h.Values(map[string]*string{"price": nil}); err == nil || !strings.Contains(err.Error(), `not about a field "price"`) {
		t.Errorf("%v", err)
	}
}

func TestGoldenIsTakenOnlyWhereItHasAValue(t *testing.T) {
	h := ofDates(t)
	h.Golden["departure"] = review.Value{State: "unset"}
	if _, err := h.Take("golden"); err == nil || !strings.Contains(err.Error(), "golden has no departure yet") || fault.HelpOf(err) == "" {
		t.Errorf("%v", err)
	}
	h.Golden["departure"] = review.Value{State: "null"}
	if _, err := h.Take("golden"); err != nil {
		t.Error(err)
	}
}

func TestTheBaseIsTakenOnlyWhereAllSidesHadIt(t *testing.T) {
	h := ofDates(t)
	h.Field = "arrival"
	choice, err := h.Take("base")
	if err != nil || *choice.Value["arrival"] != "2026-05-01" || len(choice.Value) != 1 {
		t.Fatalf("%+v %v", choice, err)
	}
	other := "2026-05-09"
	side := h.Sides["pms"].Fields["arrival"]
	side.Base = &other
	h.Sides["pms"].Fields["arrival"] = side
	if _, err := h.Take("base"); err == nil || !strings.Contains(err.Error(), "different values of arrival before") {
		t.Errorf("%v", err)
	}
}

func TestAPresenceIsKeptOrDeleted(t *testing.T) {
	h := review.Hold{ID: "0123456789abcdef"}
	for _, take := range []string{"keep", "delete", "golden"} {
		if choice, err := h.Take(take); err != nil || choice.Take != take {
			t.Errorf("%s: %+v %v", take, choice, err)
		}
	}
	if _, err := h.Take("base"); err == nil {
		t.Error("a presence has no base")
	}
}
