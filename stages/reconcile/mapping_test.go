package reconcile

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/trueup-data/trueup/schemas"
)

// dialect is one way in which a system may hold one field of golden: its columns
// with the values that people give them, and the expressions there and back.
type dialect struct {
	columns map[string][]string // "name:kind" -> values; "" is nothing
	maps    mapping
	writes  []mapping
}

// also is an expression over texts that gives a text or, for "", nothing. Without
// its first column it is nothing; the others count as "".
func also(name, sql string, reads []string, eval func(texts ...string) string) mapping {
	return mapping{name, sql, reads, func(in map[string]*string) (*string, bool) {
		if in[reads[0]] == nil {
			return nil, true
		}
		var texts []string
		for _, r := range reads {
			texts = append(texts, str(in[r]))
		}
		if out := eval(texts...); out != "" {
			return &out, true
		}
		return nil, true
	}}
}

// sure is an expression over one text that never fails.
func sure(name, sql, from string, eval func(text string) string) mapping {
	return of(name, sql, from, func(s string) (string, bool) { return eval(s), true })
}

// times multiplies a decimal or whole number by a ratio and writes it with a number
// of decimals; it fails where that is not exact.
func times(by, over int64, decimalsIn, decimalsOut int) func(string) (string, bool) {
	return func(text string) (string, bool) {
		head, tail, _ := strings.Cut(text, ".")
		n, err := strconv.ParseInt(head+(tail + strings.Repeat("0", decimalsIn))[:decimalsIn], 10, 64)
		for range decimalsOut {
			n *= 10
		}
		whole := over
		for range decimalsIn {
			whole *= 10
		}
		n *= by
		if err != nil || n%whole != 0 {
			return "", false
		}
		digits := fmt.Sprintf("%0*d", decimalsOut+1, n/whole)
		if decimalsOut == 0 {
			return digits, true
		}
		return digits[:len(digits)-decimalsOut] + "." + digits[len(digits)-decimalsOut:], true
	}
}

func texts(list ...string) []string { return list }

func head(text string) string {
	out, _, _ := strings.Cut(text, " ")
	return out
}

var nicknames = map[string]string{"A": "ann", "B": "bob", "C": "cid"}

// dialects are the ways to hold each field. Where one can not be undone exactly,
// the field is unknown, lossy, or stays different; both sides have to say the same.
var dialects = map[string][]dialect{
	"guest": {
		{columns: map[string][]string{"upper_guest": texts("ANN", "BOB", "Ann", "CID", "")}, maps: sure("guest", "lower(upper_guest)", "upper_guest", strings.ToLower),
			writes: []mapping{sure("upper_guest", "upper(guest)", "guest", strings.ToUpper)}},
		{columns: map[string][]string{"wide_guest": texts(" ann", "bob ", "annabel", "cid", "")},
			maps:   sure("guest", "trim(wide_guest)", "wide_guest", func(s string) string { return strings.Trim(s, " ") }),
			writes: []mapping{same("wide_guest", "guest")}},
		{columns: map[string][]string{"first": texts("ann", "bob", "cid", ""), "last": texts("lee", "")},
			maps:   also("guest", "nullif(trim(first || ' ' || coalesce(last, '')), '')", texts("first", "last"), func(t ...string) string { return strings.Trim(t[0]+" "+t[1], " ") }),
			writes: []mapping{sure("first", "split_part(guest, ' ', 1)", "guest", head), also("last", "nullif(substr(guest, length(split_part(guest, ' ', 1)) + 2), '')", texts("guest"), func(t ...string) string { return strings.TrimPrefix(t[0][len(head(t[0])):], " ") })}},
		{columns: map[string][]string{"nick": texts("A", "B", "C", "annabel", "")},
			maps: sure("guest", "CASE nick WHEN 'A' THEN 'ann' WHEN 'B' THEN 'bob' WHEN 'C' THEN 'cid' ELSE nick END", "nick", func(s string) string {
				if name, ok := nicknames[s]; ok {
					return name
				}
				return s
			}),
			writes: []mapping{sure("nick", "CASE guest WHEN 'ann' THEN 'A' WHEN 'bob' THEN 'B' ELSE guest END", "guest", func(s string) string {
				return map[string]string{"ann": "A", "bob": "B"}[s] + map[bool]string{true: "", false: s}[s == "ann" || s == "bob"]
			})}},
	},
	"price": {
		{columns: map[string][]string{"thousands:fine": texts("0.01000", "0.01250", "0.00099", "")}, maps: of("price", "thousands * 1000", "thousands", times(1000, 1, 5, 2)),
			writes: []mapping{of("thousands", "price * 0.001", "price", times(1, 1000, 2, 5))}},
		{columns: map[string][]string{"twice:price": texts("20.00", "25.00", "1.98", "1.99", "")}, maps: of("price", "twice * 0.5", "twice", times(1, 2, 2, 2)),
			writes: []mapping{of("twice", "price * 2", "price", times(2, 1, 2, 2))}},
		{columns: map[string][]string{"amount": texts("EUR 10.00", "EUR 12.50", "free", "")},
			maps: of("price", "replace(amount, 'EUR ', '')", "amount", func(s string) (string, bool) {
				_, err := strconv.ParseFloat(strings.ReplaceAll(s, "EUR ", ""), 64)
				return strings.ReplaceAll(s, "EUR ", ""), err == nil
			}),
			writes: []mapping{sure("amount", "'EUR ' || price", "price", func(s string) string { return "EUR " + s })}},
		{columns: map[string][]string{"euros:cents": texts("10", "12", "1", "")}, maps: of("price", "euros", "euros", times(1, 1, 0, 2)),
			writes: []mapping{of("euros", "price", "price", times(1, 1, 2, 0))}}, // cents do not fit: not written
	},
	"note": {
		{columns: map[string][]string{"remark": texts("late", "vip", "", ""), "hint": texts("late", "LATE", "")},
			maps: mapping{"note", "coalesce(remark, hint)", texts("hint", "remark"), func(in map[string]*string) (*string, bool) {
				if in["remark"] != nil {
					return in["remark"], true
				}
				return in["hint"], true
			}},
			writes: []mapping{same("remark", "note")}},
		{columns: map[string][]string{"shout": texts("LATE", " vip", "late ", "")},
			maps:   sure("note", "upper(trim(shout))", "shout", func(s string) string { return strings.ToUpper(strings.Trim(s, " ")) }),
			writes: []mapping{same("shout", "note")}},
		{columns: map[string][]string{"brief": texts("la", "vi", "")}, maps: same("note", "brief"),
			writes: []mapping{sure("brief", "left(note, 2)", "note", func(s string) string { return s[:min(2, len(s))] })}},
		{columns: map[string][]string{"told": texts("late", "vip", "")}, maps: same("note", "told")}, // read, never written
	},
	"since": {
		{columns: map[string][]string{"at_ms:cents": texts("1772352000000", "1772352000500", "1772355600000", "")},
			maps:   of("since", "make_timestamptz(at_ms * 1000)", "at_ms", times(1000, 1, 0, 0)),
			writes: []mapping{of("at_ms", "epoch_ms(since)", "since", func(s string) (string, bool) { return s[:len(s)-3], true })}},
		{columns: map[string][]string{"at_s:cents": texts("1772352000", "1772355600", "")},
			maps:   of("since", "make_timestamptz(at_s * 1000000)", "at_s", times(1000000, 1, 0, 0)),
			writes: []mapping{of("at_s", "epoch_us(since) * 0.000001", "since", times(1, 1000000, 0, 0))}}, // half a second does not fit
		{columns: map[string][]string{"moment:time": texts("1772352000000000", "1772352000500000", "")}, maps: same("since", "moment"),
			writes: []mapping{same("moment", "since")}},
		{}, // not held
	},
}

// pools are the values of the dialects' columns.
var pools = func() map[string][]string {
	out := map[string][]string{"since": texts("1772352000000000", "1772352000500000", "1772355600000000", "")}
	for _, list := range dialects {
		for _, d := range list {
			for column, values := range d.columns {
				name, _, _ := strings.Cut(column, ":")
				out[name] = values
			}
		}
	}
	return out
}()

// drawStyle draws a kind of system: a dialect for each field of golden.
func drawStyle(rng *rand.Rand) style {
	names := texts("id", "ref")
	st := style{versioned: rng.IntN(2) == 0, maps: []mapping{same("code", "ref")}, writes: []mapping{same("ref", "code")}}
	for _, field := range texts("guest", "price", "note", "since") {
		d := dialects[field][rng.IntN(len(dialects[field]))]
		if d.maps.name == "" {
			continue
		}
		for column := range d.columns {
			names = append(names, column)
		}
		st.maps, st.writes = append(st.maps, d.maps), append(st.writes, d.writes...)
	}
	slices.Sort(names[2:])
	if st.columns = columns(names...); st.versioned {
		st.columns = append(st.columns, schemas.Field{Name: "changed", Type: schemas.Type{Kind: schemas.Timestamp}})
	}
	return st
}
