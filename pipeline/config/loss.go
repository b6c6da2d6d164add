package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/schemas"
)

// Loss is what a system is known to do to the values of a field: two values that
// are equal after it are the same value there. The zero Loss keeps everything.
type Loss struct {
	Truncate  int               // characters that are kept; 0: all
	Precision *int              // digits that are kept behind the point, half away from zero; nil: all
	Case      bool              // large and small letters are the same
	Trim      bool              // spaces at both ends are lost
	Set       bool              // order and repetition of a list's items are lost
	Aliases   map[string]string // values that stand for another one
}

// lossPart is Loss as it is written.
type lossPart struct {
	Truncate  int         `yaml:"truncate" help:"keeps so many characters"`
	Precision *int        `yaml:"precision" help:"rounds to so many digits behind the point"`
	Case      bool        `yaml:"case" help:"does not tell large from small letters"`
	Trim      bool        `yaml:"trim" help:"drops spaces at both ends"`
	Set       bool        `yaml:"set" help:"keeps neither order nor repetition of a list"`
	Aliases   Map[string] `yaml:"aliases" help:"shows one value for another: {shown: meant}"`
	At        Position
}

// FromNode keeps the place.
func (l *lossPart) FromNode(n Node) error {
	type plain lossPart
	var out plain
	err := n.Decode(&out)
	*l = lossPart(out)
	l.At = n.At()
	var problems Problems
	problems.take(n.At(), err)
	positive(&problems, n, "truncate", float64(out.Truncate))
	return problems.Err()
}

func (l lossPart) loss() Loss {
	out := Loss{Truncate: l.Truncate, Precision: l.Precision, Case: l.Case, Trim: l.Trim, Set: l.Set, Aliases: map[string]string{}}
	for _, a := range l.Aliases {
		out.Aliases[a.Key] = a.Value
	}
	return out
}

// losses checks what a write declares to be lost: of fields that the stream has,
// of types that can lose it, and that are mapped as they are, since a loss says
// what becomes of the system's own values.
func (b *builder) losses(st Stream, raw writePart) map[string]Loss {
	out := map[string]Loss{}
	for _, l := range raw.Lossy {
		f, ok := fieldAt(st.Extract.Fields, l.Key)
		if !ok {
			b.unknown(l.At, "path", l.Key, pathsOf(st.Extract.Fields))
			continue
		}
		if why := unfit(l.Value, f.Type); why != "" {
			b.problems.add(l.Value.At, fmt.Sprintf("%q has no effect", join(join(raw.Settings.Path(), "lossy"), l.Key)), why, "remove it")
			continue
		}
		if !mappedAsIs(st, f.Name) {
			b.problems.add(l.Value.At, fmt.Sprintf("%q cannot take effect", join(join(raw.Settings.Path(), "lossy"), l.Key)),
				"the field is mapped by no entity field as it is, or by an expression too", "map the field by its name alone, and let write.fields compute what is sent")
			continue
		}
		out[f.Name] = l.Value.loss()
	}
	return out
}

func unfit(l lossPart, t schemas.Type) string {
	text := t.Kind == schemas.String || t.Kind == schemas.Enum
	number := t.Kind == schemas.Decimal
	switch {
	case (l.Truncate > 0 || l.Case || l.Trim || len(l.Aliases) > 0) && !text:
		return fmt.Sprintf("it is %s, and only text loses that", t)
	case l.Precision != nil && !number:
		return fmt.Sprintf("it is %s, and only decimals lose precision", t)
	case l.Precision != nil && (*l.Precision < 0 || *l.Precision > int(t.Scale)):
		return fmt.Sprintf("it is %s", t)
	case l.Set && t.Kind != schemas.List:
		return fmt.Sprintf("it is %s, and only lists are sets", t)
	case l.Truncate == 0 && !l.Case && !l.Trim && len(l.Aliases) == 0 && l.Precision == nil && !l.Set:
		return "it declares no loss"
	}
	return ""
}

// mappedAsIs: some entity field is the stream's field, and no expression reads it.
func mappedAsIs(st Stream, name string) bool {
	is := false
	for _, m := range st.Map {
		sql := strings.TrimSpace(m.Expr.SQL)
		if sql == name || sql == `"`+name+`"` {
			is = true
		}
	}
	return is
}

func fieldAt(fields []schemas.Field, path string) (schemas.Field, bool) {
	i := slices.IndexFunc(fields, func(f schemas.Field) bool { return or(f.Path, f.Name) == path })
	if i < 0 {
		return schemas.Field{}, false
	}
	return fields[i], true
}

func pathsOf(fields []schemas.Field) []string {
	var out []string
	for _, f := range fields {
		out = append(out, or(f.Path, f.Name))
	}
	return out
}

// Fold is a canonical value after the loss: values whose folds are equal are the
// same there. t is the value's type.
func (l Loss) Fold(t schemas.Type, text string) string {
	if to, ok := l.Aliases[text]; ok {
		text = to
	}
	if l.Trim {
		text = strings.Trim(text, " ")
	}
	if l.Case {
		text = strings.ToLower(text)
	}
	if r := []rune(text); l.Truncate > 0 && len(r) > l.Truncate {
		text = string(r[:l.Truncate])
	}
	if l.Precision != nil {
		text = rounded(text, *l.Precision, int(t.Scale))
	}
	if l.Set {
		text = asSet(text)
	}
	return text
}

// rounded rounds a canonical decimal to digits behind the point, half away from
// zero, and writes it with its scale again.
func rounded(text string, digits, scale int) string {
	negative := strings.HasPrefix(text, "-")
	whole, behind, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	n, ok := new(big.Int).SetString(whole+(behind + strings.Repeat("0", scale))[:scale], 10)
	if !ok || digits >= scale {
		return text
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale-digits)), nil)
	n.Add(n, new(big.Int).Div(unit, big.NewInt(2))).Div(n, unit).Mul(n, unit)
	s := fmt.Sprintf("%0*s", scale+1, n.String())
	out := s[:len(s)-scale] + "." + s[len(s)-scale:]
	if negative && n.Sign() != 0 {
		return "-" + out
	}
	return out
}

// asSet is a canonical list in the order of its items' texts, each once.
func asSet(text string) string {
	var items []json.RawMessage
	if json.Unmarshal([]byte(text), &items) != nil {
		return text
	}
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = string(item)
	}
	slices.Sort(texts)
	return "[" + strings.Join(slices.Compact(texts), ",") + "]"
}

// Words is the part of a loss that drops nothing: the same said in another way.
// What a full loss makes of a value beyond it cannot be got back.
func (l Loss) Words() Loss { return Loss{Case: l.Case, Trim: l.Trim, Aliases: l.Aliases} }

// FoldSQL is Fold as a DuckDB expression over a typed value.
func (l Loss) FoldSQL(t schemas.Type, value string) string {
	if l.Precision != nil {
		value = fmt.Sprintf("CAST(round(%s, %d) AS %s)", value, *l.Precision, t.DuckDB())
	}
	text := schemas.CanonicalSQL(t, value)
	if len(l.Aliases) > 0 {
		cases := ""
		for _, from := range slices.Sorted(maps.Keys(l.Aliases)) {
			cases += fmt.Sprintf(" WHEN %s THEN %s", sqlText(from), sqlText(l.Aliases[from]))
		}
		text = fmt.Sprintf("CASE %s%s ELSE %s END", text, cases, text)
	}
	if l.Trim {
		text = "trim(" + text + ")"
	}
	if l.Case {
		text = "lower(" + text + ")"
	}
	if l.Truncate > 0 {
		text = fmt.Sprintf("left(%s, %d)", text, l.Truncate)
	}
	if l.Set {
		text = fmt.Sprintf("'[' || array_to_string(list_sort(list_distinct(CAST(json_extract(%s, '$[*]') AS VARCHAR[]))), ',') || ']'", text)
	}
	return text
}

func sqlText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
