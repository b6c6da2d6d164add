package world

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// form is how a value stands in JSON.
type form struct {
	out func(text string) any                     // canonical text -> JSON value
	in  func(raw json.RawMessage) (string, error) // JSON value, not null -> canonical text
}

// words are texts as they are.
func words() form { return form{func(text string) any { return text }, fromText} }

func fromText(raw json.RawMessage) (string, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", errors.New("must be text")
	}
	return s, nil
}

// through makes a form of texts that are rewritten both ways.
func through(out func(string) string, in func(string) (string, error)) form {
	return form{func(text string) any { return out(text) }, func(raw json.RawMessage) (string, error) {
		s, err := fromText(raw)
		if err != nil {
			return "", err
		}
		return in(s)
	}}
}

// amountText is "120.5" or "120.50": an amount as text, of at most two places.
func amountText() form { return form{words().out, fromDecimalText} }

func fromDecimalText(raw json.RawMessage) (string, error) {
	s, err := fromText(raw)
	if err != nil {
		return "", err
	}
	return places(s)
}

// places gives an amount its two decimal places.
func places(s string) (string, error) {
	whole, part, _ := strings.Cut(s, ".")
	if len(part) > 2 {
		return "", fmt.Errorf("%q has more than two decimal places", s)
	}
	n, err := cents(whole + "." + part + strings.Repeat("0", 2-len(part)))
	if err != nil {
		return "", err
	}
	return decimal(n), nil
}

// amountNumber is an amount as a JSON number: 120.5.
func amountNumber() form {
	return form{func(text string) any { return json.Number(strings.TrimSuffix(strings.TrimRight(text, "0"), ".")) },
		func(raw json.RawMessage) (string, error) {
			if !json.Valid(raw) || strings.ContainsAny(string(raw), `"eE[{tfn`) {
				return "", errors.New("must be a number")
			}
			return places(string(raw))
		}}
}

func centsNumber() form {
	return form{func(text string) any {
		n, err := cents(text)
		if err != nil { // stored amounts were checked
			return text
		}
		return n
	}, func(raw json.RawMessage) (string, error) {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return "", errors.New("must be a whole number of cents")
		}
		return decimal(n), nil
	}}
}

func number() form {
	return form{func(text string) any { return json.Number(text) }, func(raw json.RawMessage) (string, error) {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return "", errors.New("must be a whole number")
		}
		return strconv.FormatInt(n, 10), nil
	}}
}

func boolean() form {
	return form{func(text string) any { return text == "true" }, func(raw json.RawMessage) (string, error) {
		if s := string(raw); s == "true" || s == "false" {
			return s, nil
		}
		return "", errors.New("must be true or false")
	}}
}

// letters is a flag as one of two texts.
func letters(yes, no string) form { return renamed(map[string]string{"true": yes, "false": no}) }

// renamed is a text of which some values have other names here.
func renamed(names map[string]string) form {
	return through(func(text string) string {
		if here, ok := names[text]; ok {
			return here
		}
		return text
	}, func(text string) (string, error) {
		for canonical, here := range names {
			if here == text {
				return canonical, nil
			}
		}
		if here, ok := names[text]; ok {
			return "", fmt.Errorf("%q is called %q here", text, here)
		}
		return text, nil
	})
}

// capitals is a text in capitals here, and in small letters elsewhere.
func capitals() form {
	return through(strings.ToUpper, func(text string) (string, error) {
		if text != strings.ToUpper(text) {
			return "", fmt.Errorf("%q is not in capitals", text)
		}
		return strings.ToLower(text), nil
	})
}

// prefixed is a code that has another prefix here.
func prefixed(there, here string) form {
	return through(func(text string) string { return here + strings.TrimPrefix(text, there) }, func(text string) (string, error) {
		rest, ok := strings.CutPrefix(text, here)
		if !ok {
			return "", fmt.Errorf("%q does not begin with %s", text, here)
		}
		return there + rest, nil
	})
}

const slashLayout = "02/01/2006"

func slashDate() form {
	return through(func(text string) string { return relaid(text, time.DateOnly, slashLayout) }, func(text string) (string, error) {
		d, err := time.Parse(slashLayout, text)
		if err != nil {
			return "", fmt.Errorf("%q is no date of the form dd/mm/yyyy", text)
		}
		return d.Format(time.DateOnly), nil
	})
}

// relaid writes a time in another layout; stored times were checked.
func relaid(text, from, to string) string {
	d, err := time.Parse(from, text)
	if err != nil {
		return text
	}
	return d.Format(to)
}

// momentText is a time with its offset, in any precision.
func momentText() form {
	return through(func(text string) string { return text }, func(text string) (string, error) {
		at, err := readRFC3339(text)
		if err != nil {
			return "", err
		}
		return at.UTC().Format(stampLayout), nil
	})
}

func momentMillis() form {
	return form{func(text string) any {
		at, err := time.Parse(stampLayout, text)
		if err != nil { // stored times were checked
			return text
		}
		return at.UnixMilli()
	}, func(raw json.RawMessage) (string, error) {
		at, err := readMillis(string(raw))
		if err != nil {
			return "", err
		}
		return at.UTC().Format(stampLayout), nil
	}}
}
