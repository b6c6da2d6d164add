package validate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trueup-data/trueup/pipeline/config"
)

const rentals = "../../testdata/projects/rentals/trueup.yaml"

func environment(name string) (string, bool) {
	v, ok := map[string]string{"PMS_DSN": "postgres://db/pms", "AIRBNB_URL": "https://api.example", "AIRBNB_TOKEN": "canary-token"}[name]
	return v, ok
}

// check loads the example with texts replaced, pairs of old and new, and binds it.
func check(t *testing.T, pairs ...string) ([]Binding, error) {
	t.Helper()
	raw, err := os.ReadFile(rentals)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(string(raw), pairs[i]) {
			t.Fatalf("the example has no %q", pairs[i])
		}
	}
	path := filepath.Join(t.TempDir(), "trueup.yaml")
	if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(raw))), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := config.Load(path, environment, nil)
	if err != nil {
		t.Fatal(err)
	}
	bindings, err := Bind(context.Background(), p)
	if err != nil {
		err = fmt.Errorf("%s", strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", ""))
	}
	return bindings, err
}

func TestTheExampleBinds(t *testing.T) {
	bindings, err := check(t)
	if err != nil {
		t.Fatal(err)
	}
	count := map[Part]int{}
	for _, b := range bindings {
		count[b.Part]++
		switch {
		case b.Part == PartMap && b.System == "airbnb" && b.Name == "price":
			if b.Type != "DECIMAL(22,2)" || cmp.Diff([]string{"total_cents"}, b.Reads) != "" {
				t.Errorf("%+v", b)
			}
		case b.Part == PartCovers && !b.RunDate:
			t.Error("covers uses run_date()")
		}
	}
	want := map[Part]int{PartMap: 9 + 9 + 2, PartWrite: 9, PartScope: 1, PartCovers: 1, PartTombstone: 1, PartCheck: 1}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Error(diff)
	}
}

func TestATypoIsPlacedInEveryPart(t *testing.T) {
	_, err := check(t,
		"check_in < check_out", "check_inn < check_out",
		"departure >= run_date() - 90", "deprature >= run_date() - 90",
		"tombstone: state = 'deleted'", "tombstone: state = deleted",
		"price: total_cents * 0.01", "price: total_cents * guest",
		"scope: channel = 'airbnb'", "scope: chanel = 'airbnb'",
		"total_cents: price * 100", "total_cents: price * now()",
		"THEN 'ok' ELSE status END", "THEN 'ok' ELSE statu END",
		"channel: \"'airbnb'\"", "channel: \"'air' || bnb\"",
		"code: confirmation_code\n          listing", "code: |\n            lower(\n              confirmation)\n          listing",
	)
	want := []string{
		`trueup.yaml:31:20: "check_inn" is no field of bookings; help: did you mean "check_in"?`,
		`trueup.yaml:73:19: "deprature" is no field of bookings@airbnb; help: did you mean "departure"?`,
		`trueup.yaml:74:40: "deleted" is no field of bookings@airbnb; help: there are id, `,
		`trueup.yaml:80:15: "confirmation" is no field of bookings@airbnb`,
		`trueup.yaml:84:30: the expression cannot be evaluated (No function matches the given name and argument types '*(BIGINT, VARCHAR)')`,
		`trueup.yaml:86:30: "bnb" is no field of bookings@airbnb`,
		`trueup.yaml:90:18: "chanel" is no field of bookings; help: did you mean "channel"?`,
		`trueup.yaml:96:34: now() reads the clock`,
		`trueup.yaml:97:64: "statu" is no field of bookings; help: did you mean "status"?`,
	}
	if err == nil {
		t.Fatal("no problem found")
	}
	got := strings.Split(err.Error(), "\n")
	for i := 0; i < max(len(got), len(want)); i++ {
		switch {
		case i >= len(got):
			t.Errorf("missing %s", want[i])
		case i >= len(want):
			t.Errorf("too much: %s", got[i])
		case !strings.HasPrefix(got[i], want[i]):
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}

func TestResultsMustFitTheDeclaredTypes(t *testing.T) {
	_, err := check(t,
		"check_in: arrival", "check_in: total_cents > 5",
		"ELSE state END\n          notes", "ELSE 'paid' END\n          notes",
		"covers: departure >= run_date() - 90", "covers: departure",
		"arrival: check_in", "arrival: price > 1",
		"code: confirmation_code\n", "code: confirmation_code || run_date()\n",
	)
	if err == nil {
		t.Fatal("no problem found")
	}
	for _, want := range []string{
		"it gives BOOLEAN, and no date can be made of it", "the field is never 'paid' (it is one of pending, confirmed, cancelled, completed)",
		"it gives DATE, and a condition is true or false", "run_date() cannot be part of a key",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s\n%v", want, err)
		}
	}
}

func TestNoSecretInAProblem(t *testing.T) {
	_, err := check(t, "scope: channel = 'airbnb'", "scope: channel = ${AIRBNB_TOKEN}", "notes: note\n", "notes: note || '${AIRBNB_TOKEN}' + 1\n")
	if err == nil || strings.Contains(err.Error(), "canary-token") {
		t.Error(err)
	}
}

func TestCanceledIsNotAProblemOfTheFile(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p, err := config.Load(rentals, environment, nil)
	if err != nil {
		t.Fatal(err)
	}
	var problems config.Problems
	if err := Check(ctx, p); err == nil || asProblems(err, &problems) {
		t.Errorf("%v", err)
	}
}

func asProblems(err error, into *config.Problems) bool { return errors.As(err, into) }
