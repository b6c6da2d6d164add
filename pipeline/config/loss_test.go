package config

import (
	"testing"

	"github.com/trueup-data/trueup/schemas"
)

func TestFoldKeepsWhatTheSystemKeeps(t *testing.T) {
	text := schemas.Type{Kind: schemas.String}
	price := schemas.Type{Kind: schemas.Decimal, Precision: 12, Scale: 2}
	list := schemas.Type{Kind: schemas.List, Elem: &text}
	digits := func(n int) Loss { return Loss{Precision: &n} }
	for _, c := range []struct {
		loss     Loss
		t        schemas.Type
		in, want string
	}{
		{Loss{}, text, " Ana ", " Ana "},
		{Loss{Truncate: 3}, text, "Ánabel", "Ána"},
		{Loss{Truncate: 9}, text, "Ana", "Ana"},
		{Loss{Case: true}, text, "ANA", "ana"},
		{Loss{Trim: true}, text, "  a b ", "a b"},
		{Loss{Trim: true, Truncate: 2}, text, "  abc", "ab"},
		{Loss{Aliases: map[string]string{"ok": "confirmed"}}, text, "ok", "confirmed"},
		{Loss{Aliases: map[string]string{"ok": "confirmed"}}, text, "okay", "okay"},
		{digits(0), price, "12.50", "13.00"},
		{digits(0), price, "-12.50", "-13.00"},
		{digits(0), price, "-0.49", "0.00"},
		{digits(1), price, "0.05", "0.10"},
		{digits(1), price, "99.95", "100.00"},
		{digits(2), price, "99.95", "99.95"},
		{Loss{Set: true}, list, `["b","a","b"]`, `["a","b"]`},
		{Loss{Set: true}, list, `[]`, `[]`},
	} {
		if got := c.loss.Fold(c.t, c.in); got != c.want {
			t.Errorf("%+v of %q is %q, want %q", c.loss, c.in, got, c.want)
		}
		if again := c.loss.Fold(c.t, c.want); again != c.want {
			t.Errorf("%+v of its own %q is %q: it is not idempotent", c.loss, c.want, again)
		}
	}
}

// What a loss only says in another way drops nothing; what it cuts, rounds or sorts does.
func TestTheWordsOfALossDropNothing(t *testing.T) {
	zero := 0
	all := Loss{Truncate: 3, Precision: &zero, Set: true, Case: true, Trim: true, Aliases: map[string]string{"ok": "confirmed"}}
	text := schemas.Type{Kind: schemas.String}
	for in, want := range map[string]string{" Late arrival ": "late arrival", "ok": "confirmed", "12.50": "12.50"} {
		if got := all.Words().Fold(text, in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
