package schemas

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseType reads a type as a project file writes it: "string", "decimal(12,2)",
// "enum(open,'not, yet')", "list(date)". The type it returns passes Check.
func ParseType(text string) (Type, error) {
	name, args, hasArgs, err := splitArgs(strings.TrimSpace(text))
	if err != nil {
		return Type{}, fmt.Errorf("type %q: %w", text, err)
	}
	t := Type{Kind: kindOf(name)}
	if t.Kind == 0 {
		return Type{}, fmt.Errorf("type %q is none of %s", text, typeForms)
	}
	switch {
	case t.Kind == Decimal:
		err = t.parseDigits(args)
	case t.Kind == Enum:
		t.Values, err = parseValues(args)
	case t.Kind == List:
		err = t.parseElem(args)
	case hasArgs:
		err = fmt.Errorf("%s takes nothing in parentheses", name)
	}
	if err != nil {
		return Type{}, fmt.Errorf("type %q: %w", text, err)
	}
	return t, t.Check()
}

const typeForms = "string, bool, int64, double, decimal(p,s), date, time, timestamp, json, enum(a,b), list(type)"

func kindOf(name string) Kind {
	for k, n := range kindNames {
		if n == name && n != "" {
			return Kind(k)
		}
	}
	return 0
}

// splitArgs cuts "name(args)".
func splitArgs(text string) (name, args string, hasArgs bool, err error) {
	name, args, hasArgs = strings.Cut(text, "(")
	if !hasArgs {
		return name, "", false, nil
	}
	args, closed := strings.CutSuffix(args, ")")
	if !closed {
		return "", "", true, fmt.Errorf("the closing parenthesis is missing")
	}
	return strings.TrimSpace(name), args, true, nil
}

func (t *Type) parseDigits(args string) error {
	precision, scale, two := strings.Cut(args, ",")
	p, err := strconv.ParseInt(strings.TrimSpace(precision), 10, 32)
	if err != nil || !two {
		return fmt.Errorf("a decimal needs its digits and how many are behind the point, as in decimal(12,2)")
	}
	s, err := strconv.ParseInt(strings.TrimSpace(scale), 10, 32)
	if err != nil {
		return fmt.Errorf("a decimal needs its digits and how many are behind the point, as in decimal(12,2)")
	}
	t.Precision, t.Scale = int32(p), int32(s)
	return nil
}

func (t *Type) parseElem(args string) error {
	if strings.TrimSpace(args) == "" {
		return fmt.Errorf("what it holds is missing, as in list(string)")
	}
	elem, err := ParseType(args)
	if err != nil {
		return err
	}
	t.Elem = &elem
	return nil
}

// parseValues reads values between commas; one in single quotes may hold
// anything, a quote in it doubled.
func parseValues(args string) ([]string, error) {
	var values []string
	for rest := args; ; {
		value, after, err := nextValue(strings.TrimLeft(rest, " \t"))
		if err != nil {
			return nil, err
		}
		values = append(values, value)
		if after == "" {
			return values, nil
		}
		rest = after[1:]
	}
}

// nextValue reads one value; after is empty or begins with the comma behind it.
func nextValue(s string) (value, after string, err error) {
	if !strings.HasPrefix(s, "'") {
		end := strings.IndexByte(s, ',')
		if end < 0 {
			end = len(s)
		}
		value = strings.TrimSpace(s[:end])
		if strings.ContainsAny(value, "'()") {
			return "", "", fmt.Errorf("value %q needs single quotes around it", value)
		}
		return value, s[end:], nil
	}
	var b strings.Builder
	for s = s[1:]; ; s = s[1:] {
		end := strings.IndexByte(s, '\'')
		if end < 0 {
			return "", "", fmt.Errorf("the closing quote of a value is missing")
		}
		b.WriteString(s[:end])
		s = s[end+1:]
		if !strings.HasPrefix(s, "'") {
			break
		}
		b.WriteByte('\'')
	}
	after = strings.TrimLeft(s, " \t")
	if after != "" && after[0] != ',' {
		return "", "", fmt.Errorf("a comma is missing after value %q", b.String())
	}
	return b.String(), after, nil
}
