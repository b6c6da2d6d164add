package reconcile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/reconcile/merge"
)

var (
	textType  = schemas.Type{Kind: schemas.String}
	centsType = schemas.Type{Kind: schemas.Int64}
	priceType = schemas.Type{Kind: schemas.Decimal, Precision: 12, Scale: 2}
)

// mapping is one expression, written twice: in SQL, and in Go over canonical
// texts. Go gives false where the expression fails; nil is null.
type mapping struct {
	name  string
	sql   string
	reads []string
	eval  func(in map[string]*string) (*string, bool)
}

func same(name, from string) mapping {
	return mapping{name, `"` + from + `"`, []string{from}, func(in map[string]*string) (*string, bool) { return in[from], true }}
}

func of(name, sql, from string, eval func(text string) (string, bool)) mapping {
	return mapping{name, sql, []string{from}, func(in map[string]*string) (*string, bool) {
		if in[from] == nil {
			return nil, true
		}
		out, ok := eval(*in[from])
		return &out, ok
	}}
}

// style is a kind of system of the test world: its columns and mappings.
type style struct {
	columns   []schemas.Field
	maps      []mapping
	writes    []mapping
	versioned bool
}

// holds reports whether the field is a column of its own, as it is.
func (st style) holds(field string) bool {
	return slices.ContainsFunc(st.maps, func(m mapping) bool { return m.name == field && m.sql == `"`+field+`"` })
}

func columns(list ...string) []schemas.Field {
	var out []schemas.Field
	for _, c := range list {
		name, kind, _ := strings.Cut(c, ":")
		t := textType
		switch kind {
		case "cents":
			t = centsType
		case "price":
			t = priceType
		case "fine":
			t = schemas.Type{Kind: schemas.Decimal, Precision: 15, Scale: 5}
		case "time":
			t = schemas.Type{Kind: schemas.Timestamp}
		}
		out = append(out, schemas.Field{Name: name, Type: t})
	}
	return out
}

func cents(text string) (string, bool) {
	n, err := strconv.Atoi(strings.Replace(text, ".", "", 1))
	return strconv.Itoa(n), err == nil
}

func fromCents(text string) (string, bool) {
	n, err := strconv.Atoi(text)
	return fmt.Sprintf("%d.%02d", n/100, n%100), err == nil
}

// styles are the kinds of systems: one that holds the fields as they are, one
// with other units that keeps only the beginning of a name, and one that folds
// two fields into one text and keeps prices as text that may be no number.
var styles = map[string]style{
	"pms": {versioned: true, columns: columns("id", "code", "guest", "price:price", "note", "changed:time"),
		maps:   []mapping{same("code", "code"), same("guest", "guest"), same("price", "price"), same("note", "note")},
		writes: []mapping{same("code", "code"), same("guest", "guest"), same("price", "price"), same("note", "note")}},
	"air": {columns: columns("id", "confirmation", "total_cents:cents", "guest_name", "memo"),
		maps: []mapping{same("code", "confirmation"), of("price", "total_cents * 0.01", "total_cents", fromCents), same("guest", "guest_name"), same("note", "memo")},
		writes: []mapping{same("confirmation", "code"), of("total_cents", "price * 100", "price", cents),
			of("guest_name", "left(guest, 3)", "guest", func(s string) (string, bool) { return s[:min(3, len(s))], true })}},
	"task": {versioned: true, columns: columns("id", "ref", "title", "cost", "label", "changed:time"),
		maps: []mapping{same("code", "ref"),
			of("guest", "split_part(title, '|', 1)", "title", func(s string) (string, bool) { head, _, _ := strings.Cut(s, "|"); return head, true }),
			of("price", "cost", "cost", func(s string) (string, bool) { return s, s != "n/a" }),
			{"note", "nullif(split_part(title, '|', 2), '')", []string{"title"}, tail}},
		writes: []mapping{same("ref", "code"), same("label", "guest"),
			{name: "title", sql: "guest || '|' || coalesce(note, '')", reads: []string{"guest", "note"}, eval: func(in map[string]*string) (*string, bool) {
				if in["guest"] == nil {
					return nil, true
				}
				out := *in["guest"] + "|" + str(in["note"])
				return &out, true
			}},
			of("cost", "CAST(price AS VARCHAR)", "price", func(s string) (string, bool) { return s, true })}},
}

// tail is what stands behind the bar; nothing there is null.
func tail(in map[string]*string) (*string, bool) {
	_, behind, _ := strings.Cut(str(in["title"]), "|")
	if behind == "" {
		return nil, true
	}
	return &behind, true
}

// evaluate runs mappings over canonical values with their states.
func evaluate(mappings []mapping, in merge.Fields, missing func(merge.Val) bool, absent merge.State) merge.Fields {
	plain := map[string]*string{}
	for name, v := range in {
		plain[name] = v.Pointer()
	}
	out := merge.Fields{}
	for _, m := range mappings {
		gone := false
		for _, r := range m.reads {
			gone = gone || missing(in.Get(r))
		}
		v, ok := m.eval(plain)
		switch {
		case gone:
			out[m.name] = merge.Val{State: absent}
		case !ok:
			out[m.name] = merge.Val{State: merge.Unknown}
		case v == nil:
			out[m.name] = merge.Val{State: merge.Null}
		default:
			out[m.name] = merge.Of(*v)
		}
	}
	return out
}

// oracleSystem is the style as the oracle sees it.
func oracleSystem(name string, st style, scope func(merge.Fields) bool) merge.System {
	s := merge.System{Name: name, Reads: map[string][]string{}, Feeds: map[string][]string{}, Scope: scope}
	for _, m := range st.maps {
		s.Reads[m.name] = m.reads
	}
	for _, m := range st.writes {
		s.Feeds[m.name] = m.reads
	}
	s.Map = func(stream merge.Fields) merge.Fields {
		return evaluate(st.maps, stream, func(v merge.Val) bool { return !v.Set() }, merge.Absent)
	}
	s.Write = func(golden merge.Fields) merge.Fields {
		out := evaluate(st.writes, golden, func(v merge.Val) bool { return !v.Set() }, merge.Unset)
		for name, v := range out {
			if !v.Set() {
				delete(out, name)
			}
		}
		return out
	}
	return s
}

// stream is the style as a project file would say it.
func projectStream(name string, st style, scope string) config.Stream {
	out := config.Stream{System: name, Extract: config.Extract{PrimaryKey: []string{"id"}, Fields: st.columns}, Write: &config.Write{}}
	for _, m := range st.maps {
		out.Map = append(out.Map, config.Mapping{Name: m.name, Expr: config.Expr{SQL: m.sql}})
	}
	for _, m := range st.writes {
		out.Write.Fields = append(out.Write.Fields, config.Mapping{Name: m.name, Expr: config.Expr{SQL: m.sql}})
	}
	if scope != "" {
		out.Write.Scope = &config.Expr{SQL: scope}
	}
	return out
}
