package schemas

import (
	"fmt"
	"strings"
	"unicode"
)

// Steps of Normalize.
const (
	StepTrim  = "trim"  // white space off both ends
	StepUpper = "upper" // capitals, for the letters a to z only
	StepLower = "lower" // small letters, for the letters A to Z only
)

// blanks are what trim takes off, in Go and in SQL alike.
const blanks = " \t\n\r"

// CheckSteps refuses a step that does not exist.
func CheckSteps(steps []string) error {
	for _, s := range steps {
		if s != StepTrim && s != StepUpper && s != StepLower {
			return fmt.Errorf("there is no step %q; known are trim, upper and lower", s)
		}
	}
	return nil
}

// Normalize takes the steps in order. NormalizeSQL does the same in DuckDB.
func Normalize(value string, steps []string) (string, error) {
	if err := CheckSteps(steps); err != nil {
		return "", err
	}
	for _, s := range steps {
		switch s {
		case StepTrim:
			value = strings.Trim(value, blanks)
		case StepUpper:
			value = strings.Map(upperASCII, value)
		case StepLower:
			value = strings.Map(lowerASCII, value)
		}
	}
	return value, nil
}

func upperASCII(r rune) rune {
	if r > unicode.MaxASCII {
		return r
	}
	return unicode.ToUpper(r)
}

func lowerASCII(r rune) rune {
	if r > unicode.MaxASCII {
		return r
	}
	return unicode.ToLower(r)
}

// NormalizeSQL is an expression that takes the steps on the text of expr.
func NormalizeSQL(expr string, steps []string) string {
	for _, s := range steps {
		switch s {
		case StepTrim:
			expr = `trim(` + expr + `, E' \t\n\r')`
		case StepUpper:
			expr = `translate(` + expr + `, '` + small + `', '` + capital + `')`
		case StepLower:
			expr = `translate(` + expr + `, '` + capital + `', '` + small + `')`
		}
	}
	return expr
}

const (
	small   = "abcdefghijklmnopqrstuvwxyz"
	capital = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)
