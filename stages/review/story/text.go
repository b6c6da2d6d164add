package story

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Difference renders what a change does to a record's fields, in the order of
// their names: "note: - -> late, price: 100.00 -> 120.00".
func Difference(before, after map[string]*string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if was, had := before[name]; had {
			parts = append(parts, fmt.Sprintf("%s: %s -> %s", name, value(was), value(after[name])))
		} else {
			parts = append(parts, fmt.Sprintf("%s: %s", name, value(after[name])))
		}
	}
	return strings.Join(parts, ", ")
}

// value renders a field: "-" is null; text that could be misread is quoted.
func value(v *string) string {
	if v == nil {
		return "-"
	}
	if *v == "" || *v == "-" || strings.ContainsAny(*v, " ,\"\n\t:") {
		return strconv.Quote(*v)
	}
	return *v
}

// show renders a value of DuckDB.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case []byte:
		return string(v)
	default:
		return fmt.Sprint(v)
	}
}
