package rest

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/fault"
)

func mustParse(t interface{ Fatal(...any) }, s string) template {
	out, err := parseTemplate(config.Template{Text: s}, []string{"id", "at", "x"})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFormatsOfPlaces(t *testing.T) {
	at := instant(1_740_830_461_999_999, "the system's own text") // 2025-03-01T12:01:01.999999Z
	early := instant(-1, "")
	for _, c := range []struct {
		text string
		v    value
		want string
	}{
		{"{{ x }}", at, "the system's own text"},
		{"{{ x }}", instant(0, ""), "1970-01-01T00:00:00Z"},
		{"a{{x|rfc3339}}b", at, "a2025-03-01T12:01:01Zb"},
		{"{{ x | epoch_s }}", at, "1740830461"},
		{"{{ x | epoch_ms }}", at, "1740830461999"},
		{"{{ x | epoch_s }}", early, "-1"}, // down, also before 1970
		{"{{ x | epoch_ms }}", early, "-1"},
		{"{{ x | %d/%m/%Y %H:%M:%S.%f %% %j }}", at, "01/03/2025 12:01:01.999999 % 060"},
		{"{{ x | %F }}", text("2025-03-01"), "2025-03-01"},
		{"{{ x | epoch_s }}", text("2025-03-01T00:00:00+01:00"), "1740783600"},
		{"{{ x | json }}", text("a\"b\n"), `"a\"b\n"`},
		{"{{ x | json }}", value{raw: []byte(`{"a":1}`)}, `{"a":1}`},
		{"no places", value{}, "no places"},
	} {
		got, _, err := mustParse(t, c.text).plain(values{"x": c.v})
		if err != nil || got != c.want {
			t.Errorf("%s of %+v = %q, %v; want %q", c.text, c.v, got, err, c.want)
		}
	}
	if _, _, err := mustParse(t, "{{ x | epoch_s }}").plain(values{"x": text("soon")}); err == nil {
		t.Error("a text that is no time is written as one")
	}
}

func TestTemplateErrorsAreAtTheirPlace(t *testing.T) {
	at := config.Position{File: "trueup.yaml", Line: 7, Column: 10}
	for text, want := range map[string]struct {
		line, column int
		help         string
	}{
		"/a/{{ idd }}":           {7, 13, "did you mean {{ id }}?"},
		"{{ id":                  {7, 10, "close it"},
		"é{{ id | epoch }}":      {7, 11, "formats are"},
		"one\ntwo {{ id | %Q }}": {8, 5, "formats are"},
	} {
		_, err := parseTemplate(config.Template{Text: text, At: at}, []string{"id", "cursor"})
		var f *fault.Error
		if !errors.As(err, &f) || f.Where.Line != want.line || f.Where.Column != want.column && want.line == 7 || !strings.Contains(f.Help, want.help) {
			t.Errorf("%q: %v; want %d:%d, help %q", text, err, want.line, want.column, want.help)
		}
	}
}

func TestAQueryParameterWhosePlaceIsEmptyIsLeftOut(t *testing.T) {
	r, err := compileRequest(requestSettings{Path: config.Template{Text: "/x"}, Query: config.Map[config.Template]{
		{Key: "since", Value: config.Template{Text: "{{ cursor }}"}}, {Key: "state", Value: config.Template{Text: "all"}}}}, []string{"cursor"})
	if err != nil {
		t.Fatal(err)
	}
	if q, err := r.parameters(values{}); err != nil || q.Encode() != "state=all" {
		t.Errorf("%v, %v", q, err)
	}
	if _, err := mustParse(t, "/x/{{ id }}").path(values{}); err == nil {
		t.Error("a path with a hole is accepted")
	}
}

// Whatever a value holds, it stays the value: it adds no segment, parameter,
// header or member, and nothing of it is lost.
func TestNoInjectionIsPossible(t *testing.T) {
	base, _ := url.Parse("https://api.example.com/v2")
	c := &Client{base: base}
	hostile := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"..", ".", "../../admin", "a/b", "a?b=c", "a#b", "%2e%2e", "a\r\nX-Evil: 1", `","admin":true,"`, "{{ x }}", "//evil.com", "@evil.com"}))
	body, err := compileRequestBody(t)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		v := hostile.Draw(t, "value")
		vals := values{"id": text(v)}
		if path, err := mustParse(t, "/items/{{ id }}/notes").path(vals); err == nil {
			u, err := c.address(path, url.Values{"q": {v}})
			if err != nil {
				t.Fatalf("%q: %v", path, err)
			}
			segments := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/v2/items/"), "/")
			got, err := url.PathUnescape(segments[0])
			if len(segments) != 2 || err != nil || got != v || u.Host != "api.example.com" || len(u.Query()) != 1 || u.Query().Get("q") != v {
				t.Fatalf("%q became %s", v, u)
			}
			if again := u.JoinPath(); again.EscapedPath() != u.EscapedPath() {
				t.Fatalf("%q: cleaning the path changes it: %s", v, again)
			}
		}
		if h, _, err := mustParse(t, "x {{ id }}").header(vals); err == nil && strings.ContainsAny(h, "\r\n\x00") {
			t.Fatalf("%q breaks a header", v)
		}
		if v == "" {
			return
		}
		out, err := body.render(vals)
		want := strings.ToValidUTF8(v, "\ufffd")
		if err != nil || !jsontext.Value(out).IsValid() || scalar([]byte(out), "a") != want || scalar([]byte(out), "b") != "x"+want {
			t.Fatalf("%q became %s (%v)", v, out, err)
		}
	})
}

func compileRequestBody(t *testing.T) (*bodyTemplate, error) {
	_, err := loadProject(t, strings.Replace(parts{}.yaml("http://h"), "create: {path: /v2/items}",
		`create: {path: /v2/items, body: {a: "{{ id }}", b: "x{{ id }}"}}`, 1))
	if err == nil || !strings.Contains(err.Error(), "unknown place {{ id }}") {
		t.Fatalf("a create knows an ID: %v", err)
	}
	project, err := loadProject(t, strings.Replace(parts{}.yaml("http://h"), `update: {path: "/v2/items/{{ id }}"}`,
		`update: {path: "/v2/items/{{ id }}", method: `+http.MethodPost+`, body: {a: "{{ id | json }}", b: "x{{ id }}"}}`, 1))
	if err != nil {
		t.Fatal(err)
	}
	n := project.Entities[0].Streams[0].Write.Settings.Get("update").Get("body")
	return compileBody(n, []string{"id"})
}
