package rest

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trueup-data/trueup/pipeline/config"
)

// template is text with {{ name | format }} places, compiled. It is read-only.
type template struct {
	parts []part
	at    config.Position
}

// part is a literal, or a place.
type part struct {
	literal string
	name    string // "" for a literal
	format  format
	at      config.Position
}

// parseTemplate compiles a template and refuses places that nobody fills. names
// are those that will have values when it is rendered.
func parseTemplate(t config.Template, names []string) (template, error) {
	out := template{at: t.At}
	rest, offset := t.Text, 0
	for {
		open := strings.Index(rest, "{{")
		if open < 0 {
			out.literal(rest)
			return out, nil
		}
		at := positionAt(t, offset+open)
		end := strings.Index(rest[open:], "}}")
		if end < 0 {
			return out, config.Problem(at, "a place is not closed", "{{ without }}", "close it, as in {{ id }}")
		}
		out.literal(rest[:open])
		p, err := parsePlace(rest[open+2:open+end], at, names)
		if err != nil {
			return out, err
		}
		out.parts = append(out.parts, p)
		offset += open + end + 2
		rest = rest[open+end+2:]
	}
}

func (t *template) literal(text string) {
	if text != "" {
		t.parts = append(t.parts, part{literal: text})
	}
}

func parsePlace(text string, at config.Position, names []string) (part, error) {
	name, formatText, has := strings.Cut(text, "|")
	p := part{name: strings.TrimSpace(name), at: at}
	if !slices.Contains(names, p.name) {
		help := "places here: " + strings.Join(names, ", ")
		if near := config.Nearest(p.name, names); near != "" {
			help = fmt.Sprintf("did you mean {{ %s }}?", near)
		}
		return p, config.Problem(at, fmt.Sprintf("unknown place {{ %s }}", p.name), "", help)
	}
	if !has {
		return p, nil
	}
	var err error
	if p.format, err = parseFormat(strings.TrimSpace(formatText)); err != nil {
		return p, config.Problem(at, fmt.Sprintf("place {{ %s }}", strings.TrimSpace(text)), err.Error(),
			"formats are rfc3339, epoch_s, epoch_ms, json, urlencode and strftime patterns such as %Y-%m-%d")
	}
	return p, nil
}

// positionAt is where the byte at offset of a template stands in the file.
func positionAt(t config.Template, offset int) config.Position {
	before := t.Text[:offset]
	at := t.At
	if i := strings.LastIndexByte(before, '\n'); i >= 0 {
		at.Line += strings.Count(before, "\n")
		before = before[i+1:]
	}
	at.Column += utf8.RuneCountInString(before)
	return at
}

// render fills the places. escape makes each value safe for where it stands;
// literals are the author's and stay. empty: a place has no value.
func (t template) render(vals values, escape func(string, format) (string, error)) (text string, empty bool, err error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.name == "" {
			b.WriteString(p.literal)
			continue
		}
		v := vals[p.name]
		if !v.set() {
			empty = true
			continue
		}
		s, err := v.format(p.format)
		if err == nil {
			s, err = escape(s, p.format)
		}
		if err != nil {
			return "", false, config.Problem(p.at, fmt.Sprintf("place {{ %s }} cannot be filled", p.name), err.Error(), "")
		}
		b.WriteString(s)
	}
	return b.String(), empty, nil
}

// path renders a URL path. Every value is one segment or a part of one: it can
// neither add a segment nor climb out of the path.
func (t template) path(vals values) (string, error) {
	text, empty, err := t.render(vals, escapePath)
	if err == nil && empty {
		err = config.Problem(t.at, "a path has a place without a value", "", "")
	}
	return text, err
}

func escapePath(s string, _ format) (string, error) {
	if strings.Trim(s, ".") == "" {
		return "", fmt.Errorf("%q in a path would name another resource", s)
	}
	return url.PathEscape(s), nil
}

// plain renders a query parameter, which is escaped as a whole when the URL is built.
func (t template) plain(vals values) (text string, empty bool, err error) {
	return t.render(vals, func(s string, _ format) (string, error) { return s, nil })
}

// header renders a header's value.
func (t template) header(vals values) (text string, empty bool, err error) {
	return t.render(vals, func(s string, f format) (string, error) {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return "", fmt.Errorf("a header cannot hold control characters")
		}
		return urlencoded(s, f), nil
	})
}

// checkPath refuses paths that would be read otherwise than they look.
func checkPath(t config.Template) error {
	switch {
	case !strings.HasPrefix(t.Text, "/"):
		return config.Problem(t.At, "a path begins with /", fmt.Sprintf("found %q", t.Text), "base_url goes before it")
	case strings.ContainsAny(t.Text, "?#"):
		return config.Problem(t.At, "a path has no ? and no #", "", "put parameters under query")
	}
	return nil
}
