package rest

import (
	"strings"
	"testing"
)

// Every mistake is an error with its line, before any request is sent.
func TestASettingThatCannotTakeEffectIsAnError(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"base_url: http://h/api", "base_url: ftp://h", "base_url is not a plain http(s) URL"},
		{"base_url: http://h/api", "base_url: http://user:pw@h", "base_url is not a plain http(s) URL"},
		{"records: data", "recods: data", `did you mean "records"`},
		{"request: {path: /v2/items", "request: {path: v2/items", "a path begins with /"},
		{"request: {path: /v2/items", "request: {path: /v2/items?a=b", "a path has no ?"},
		{"request: {path: /v2/items", "request: {body: {a: 1}, path: /v2/items", "a GET has no body"},
		{"{{ cursor | epoch_ms }}", "{{ curser }}", "did you mean {{ cursor }}?"},
		{"{{ cursor | epoch_ms }}", "{{ cursor | epoch }}", `unknown format "epoch"`},
		{"cursor: {next: meta.next, param: cursor}", "link: true, next_url: a", "paginate names 2 styles"},
		{"cursor_field: updated_at", "cursor_field: note", "field note cannot be the cursor field"},
		{"records: data", "records: data\n          partition: {param: p}", "partition names 0 lists"},
		{"records: data", "records: data\n          partition: {param: p, from: listings}", "not built yet"},
		{"records: data", "records: data\n          partition: {windows: {from: soon, size: 30d}}", "partition.windows.from is not a day"},
		{"records: data", "records: data\n          partition: {windows: {from: 2020-01-01, size: 1s}}", "size is too small"},
		{"delete: {path", "delete: {method: PUT, path", "delete cannot be a PUT"},
		{"answer: {record: data, id: id}", "precondition: {header: If-Match, from: {}}", "precondition.from needs header or field"},
		{"answer: {record: data, id: id}", "precondition: {header: If-Match, from: {field: revision}}", `precondition.from.field "revision" is not declared`},
		{"    rest:\n", "    rest:\n      auth: {bearer: a, basic: {user: u, password: p}}\n", "auth names 2 ways"},
		{"    rest:\n", "    rest:\n      auth: {api_key: {value: v}}\n", "auth.api_key needs header or query"},
	} {
		yaml := parts{}.yaml("http://h")
		changed := strings.Replace(yaml, c.from, c.to, 1)
		if changed == yaml {
			t.Fatalf("%q is not in the project file", c.from)
		}
		project, err := loadProject(t, changed)
		if err == nil {
			_, err = New(project.Systems[0], project.Entities[0], project.Entities[0].Streams[0], Deps{Gate: quickGate()})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "trueup.yaml:") {
			t.Errorf("%s: %v\nwant %q with its place", c.to, err, c.want)
		}
	}
}
