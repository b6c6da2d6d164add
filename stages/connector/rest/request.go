package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/trueup-data/trueup/pipeline/config"
)

// request is a request with places, compiled.
type request struct {
	method  string
	path    template
	query   []named
	headers []named
	body    *bodyTemplate
}

type named struct {
	name string
	template
}

// compileRequest compiles and checks a request; names are the places it may use.
func compileRequest(s requestSettings, names []string) (request, error) {
	r := request{method: s.Method}
	if r.method == "" {
		r.method = http.MethodGet
	}
	problems := []error{checkPath(s.Path)}
	var err error
	r.path, err = parseTemplate(s.Path, names)
	problems = append(problems, err)
	r.query, err = compileNamed(s.Query, names)
	problems = append(problems, err)
	r.headers, err = compileNamed(s.Headers, names)
	problems = append(problems, err)
	if s.Body.Kind() != config.KindNone {
		if r.method == http.MethodGet {
			problems = append(problems, config.Problem(s.Body.At(), "a GET has no body", "", "use query, or method: POST"))
		}
		r.body, err = compileBody(s.Body, names)
		problems = append(problems, err)
	}
	return r, joinProblems(problems)
}

func compileNamed(m config.Map[config.Template], names []string) ([]named, error) {
	var out []named
	var problems []error
	for _, e := range m {
		t, err := parseTemplate(e.Value, names)
		problems = append(problems, err)
		out = append(out, named{e.Key, t})
	}
	return out, joinProblems(problems)
}

// parameters renders the query; one whose place is empty is left out.
func (r request) parameters(vals values) (url.Values, error) {
	q := url.Values{}
	for _, n := range r.query {
		text, empty, err := n.plain(vals)
		if err != nil {
			return nil, err
		}
		if !empty {
			q.Set(n.name, text)
		}
	}
	return q, nil
}

func renderHeaders(headers []named, vals values) (map[string]string, error) {
	out := make(map[string]string, len(headers))
	for _, n := range headers {
		text, empty, err := n.header(vals)
		if err != nil {
			return nil, err
		}
		if !empty {
			out[n.name] = text
		}
	}
	return out, nil
}

// call renders a read.
func (s *Stream) call(r request, vals values, op string) (call, error) {
	c := call{method: r.method, op: op, where: s.place()}
	path, err := r.path.path(vals)
	if err != nil {
		return c, err
	}
	q, err := r.parameters(vals)
	if err != nil {
		return c, err
	}
	if c.header, err = renderHeaders(r.headers, vals); err != nil {
		return c, err
	}
	if r.body != nil {
		if c.body, err = r.body.render(vals); err != nil {
			return c, err
		}
	}
	c.url, err = s.client.address(path, q)
	return c, err
}

// bodyTemplate is JSON whose texts have places. A text that is one place with
// the format json is replaced by the JSON itself.
type bodyTemplate struct {
	literal []byte // of a leaf without places
	text    *template
	list    []*bodyTemplate
	names   []string // of an object, sorted
	members map[string]*bodyTemplate
}

func compileBody(n config.Node, names []string) (*bodyTemplate, error) {
	b := &bodyTemplate{}
	switch n.Kind() {
	case config.KindList:
		b.list = []*bodyTemplate{}
		for _, item := range n.Items() {
			child, err := compileBody(item, names)
			if err != nil {
				return nil, err
			}
			b.list = append(b.list, child)
		}
		return b, nil
	case config.KindMap:
		b.members = map[string]*bodyTemplate{}
		for _, e := range n.Entries() {
			child, err := compileBody(e.Value, names)
			if err != nil {
				return nil, err
			}
			b.names, b.members[e.Key] = append(b.names, e.Key), child
		}
		sort.Strings(b.names)
		return b, nil
	}
	text, isText := n.Value().(string)
	if !isText {
		b.literal = []byte(fmt.Sprint(n.Value()))
		if n.Value() == nil {
			b.literal = []byte("null")
		}
		return b, nil
	}
	t, err := parseTemplate(config.Template{Text: text, At: n.At()}, names)
	b.text = &t
	return b, err
}

// render gives one JSON text, the same for the same values.
func (b *bodyTemplate) render(vals values) (string, error) {
	var out strings.Builder
	if err := b.write(&out, vals); err != nil {
		return "", err
	}
	if !jsontext.Value(out.String()).IsValid() {
		return "", fmt.Errorf("the body is not JSON: %s", head([]byte(out.String()), 80))
	}
	return out.String(), nil
}

func (b *bodyTemplate) write(out *strings.Builder, vals values) error {
	switch {
	case b.literal != nil:
		out.Write(b.literal)
	case b.text != nil:
		return b.leaf(out, vals)
	case b.list != nil:
		return between(out, '[', ']', len(b.list), func(i int) error { return b.list[i].write(out, vals) })
	default:
		return between(out, '{', '}', len(b.names), func(i int) error {
			out.WriteString(quoteJSON(b.names[i]) + ":")
			return b.members[b.names[i]].write(out, vals)
		})
	}
	return nil
}

func between(out *strings.Builder, open, end byte, n int, each func(int) error) error {
	out.WriteByte(open)
	for i := range n {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := each(i); err != nil {
			return err
		}
	}
	out.WriteByte(end)
	return nil
}

func (b *bodyTemplate) leaf(out *strings.Builder, vals values) error {
	if p := b.text.parts; len(p) == 1 && p[0].name != "" && p[0].format == asJSON {
		v := vals[p[0].name]
		if !v.set() {
			out.WriteString("null")
			return nil
		}
		s, err := v.format(asJSON)
		out.WriteString(s)
		return err
	}
	s, _, err := b.text.render(vals, func(s string, f format) (string, error) { return urlencoded(s, f), nil })
	out.WriteString(quoteJSON(s))
	return err
}

// uses reports whether a template has a place.
func (t template) uses(name string) bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.name == name })
}
