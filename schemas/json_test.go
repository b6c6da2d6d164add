package schemas

import (
	"bytes"
	"encoding/json"
	"math/big"
	"reflect"
	"strings"
	"testing"
)

func TestCanonicalJSON(t *testing.T) {
	for raw, want := range map[string]string{
		` { "b" : 1 , "a" : [ 1.50 , true , null ] } `: `{"a":[1.5,true,null],"b":1}`,
		`"\u00e9\u0041\/\n\u0001\u007f\u2028"`:         `"éA/\n\u0001` + "\u007f\u2028\"",
		`"\ud83d\ude00"`:                               `"😀"`,
		`{"é":1,"e":2,"\u0000":3,"":4}`:                `{"":4,"\u0000":3,"e":2,"é":1}`,
		`[]`:                                           `[]`,
		`{}`:                                           `{}`,
		`[[],{},[[]]]`:                                 `[[],{},[[]]]`,
		`{"a":{"d":1,"c":{"f":2,"e":3}}}`:              `{"a":{"c":{"e":3,"f":2},"d":1}}`,
		`{"\u0061\"":"\u0062"}`:                        `{"a\"":"b"}`,
		`0`:                                            `0`,
		`-0`:                                           `0`,
		`-0.0e5`:                                       `0`,
		`1.0`:                                          `1`,
		`100`:                                          `100`,
		`1e2`:                                          `100`,
		`1E+2`:                                         `100`,
		`0.1e1`:                                        `1`,
		`12345678901234567890`:                         `12345678901234567890`,
		`123456789012345678901`:                        `123456789012345678901`,
		`1234567890123456789012`:                       `1.234567890123456789012e21`,
		`1e21`:                                         `1e21`,
		`1e20`:                                         `100000000000000000000`,
		`-1.5e-7`:                                      `-1.5e-7`,
		`0.000001`:                                     `0.000001`,
		`0.0000001`:                                    `1e-7`,
		`1e400`:                                        `1e400`,
		`0.1000000000000000055511151231257827`:         `0.1000000000000000055511151231257827`,
	} {
		got, err := CanonicalJSON([]byte(raw))
		if err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", raw, got, err, want)
		}
		if again, err := CanonicalJSON([]byte(got)); err != nil || again != got {
			t.Errorf("%s became %s: %v", got, again, err)
		}
	}
}

func TestWhatIsNotOneJSONValueIsRefused(t *testing.T) {
	for raw, reason := range map[string]string{
		``:                       "ends too early",
		`{"a":`:                  "ends too early",
		`{"a":1} x`:              "something follows",
		`1 2`:                    "something follows",
		`{"a":1,"a":2}`:          `the name "a" is there twice`,
		`{"a":1,"\u0061":2}`:     `the name "a" is there twice`,
		`{"x":{"a":1,"a":2}}`:    `the name "a" is there twice`,
		"\"\xff\"":               "invalid UTF-8",
		`"\ud800"`:               "surrogate",
		`01`:                     "not JSON",
		`+1`:                     "not JSON",
		`.5`:                     "not JSON",
		`NaN`:                    "not JSON",
		`'a'`:                    "not JSON",
		`[1,]`:                   "not JSON",
		`1e99999999999999999999`: "beyond anything",
		"\"\x01\"":               "not JSON",
	} {
		if got, err := CanonicalJSON([]byte(raw)); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %s, %v", raw, got, err)
		}
	}
}

func FuzzCanonicalJSON(f *testing.F) {
	for _, seed := range []string{`{"b":[1,2.50,{"c":null}],"a":"\u00e9\ud83d\ude00"}`, `1e400`, `-0.0`, `"\\\""`, `{"a":1,"\u0061":2}`,
		`[1e-7,1e21,123456789012345678901234567890]`, " [ ] ", `{"":{"":{}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := CanonicalJSON(raw)
		if err != nil {
			return
		}
		if again, err := CanonicalJSON([]byte(got)); err != nil || again != got {
			t.Fatalf("%q became %q, then %q: %v", raw, got, again, err)
		}
		if a, b := exactly(t, raw), exactly(t, []byte(got)); !reflect.DeepEqual(a, b) {
			t.Fatalf("%q became %q: %v is not %v", raw, got, a, b)
		}
	})
}

// exactly decodes JSON with every number as a fraction.
func exactly(t *testing.T, raw []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return exactNumbers(v)
}

func exactNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := scanNumber(string(v)); err == nil && (n.exp > 5000 || n.exp < -5000 || n.wide) {
			return "too large to write out"
		}
		r, _ := new(big.Rat).SetString(string(v))
		return r.String()
	case []any:
		for i := range v {
			v[i] = exactNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = exactNumbers(v[k])
		}
	}
	return v
}
