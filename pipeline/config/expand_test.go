package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// expanded is the text and the public form of one scalar under a key, and the
// secrets found in it.
func expanded(t *testing.T, yaml string, env map[string]string) (text, public string, secrets []string) {
	t.Helper()
	tree, problems := parse("x.yaml", []byte(yaml))
	x := &expander{env: func(n string) (string, bool) { v, ok := env[n]; return v, ok }, readFile: os.ReadFile}
	x.tree(tree)
	if problems = append(problems, x.problems...); len(problems) > 0 {
		t.Fatal(problems)
	}
	n := tree
	for len(n.pairs) > 0 {
		n = n.pairs[0].value
	}
	return n.text, n.public, x.secrets
}

func TestReferences(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"A": "x", "EMPTY": "", "TOKEN": "canary-token"}
	for yaml, want := range map[string]string{
		`k: ${A}`:                  "x",
		`k: a${A}b${A}c`:           "axbxc",
		`k: ${A:-d}`:               "x",
		`k: ${EMPTY:-d}`:           "d",
		`k: "[${EMPTY}]"`:          "[]",
		`k: ${NONE:-}`:             "",
		`k: ${NONE:-a:-b}`:         "a:-b",
		`k: ${NONE:-${A}/${B:-y}}`: "x/y",
		`k: $${A}`:                 "${A}",
		`k: a $5 {b}`:              "a $5 {b}",
		`k: ${file:` + file + `}`:  "from-a-file",
		`k: "Bearer ${TOKEN}"`:     "Bearer canary-token",
	} {
		if got, _, _ := expanded(t, yaml, env); got != want {
			t.Errorf("%s: %q, want %q", yaml, got, want)
		}
	}
}

func TestAValueOfAReferenceIsNotExpandedAgain(t *testing.T) {
	got, _, _ := expanded(t, `k: ${A}`, map[string]string{"A": "${B} {{ x }}"})
	if got != "${B} {{ x }}" {
		t.Errorf("%q", got)
	}
}

func TestSecretsAreRecordedAndLeftOutOfThePublicForm(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, []byte("canary-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		yaml, value string
		secrets     []string
		public      string
	}{
		"token":             {`k: ${A}`, "canary-token", []string{"canary-token"}, "${A}"},
		"within a text":     {`k: "Token ${A}"`, "canary-token", []string{"canary-token"}, "Token ${A}"},
		"file":              {`k: ${file:` + file + `}`, "", []string{"canary-file"}, "${file:" + file + "}"},
		"short":             {`k: ${A}`, "dev", nil, "dev"},
		"path":              {`k: ${A}`, "/var/lib/trueup", nil, "/var/lib/trueup"},
		"URL":               {`k: ${A}`, "https://api.example/v2?x=1", nil, "https://api.example/v2?x=1"},
		"URL with password": {`k: ${A}`, "postgres://me:canary-pw@db/x", []string{"postgres://me:canary-pw@db/x", "canary-pw"}, "postgres://me:xxxxx@db/x"},
		"escaped password":  {`k: ${A}`, "postgres://me:canary%2Fpw@db/x", []string{"postgres://me:canary%2Fpw@db/x", "canary/pw", "canary%2Fpw"}, "postgres://me:xxxxx@db/x"},
		"password alone":    {`k: "postgres://me:${A}@db/x"`, "canary-pw", []string{"canary-pw"}, "postgres://me:${A}@db/x"},
		"literal DSN":       {`k: "host=db password='canary pw' user=me"`, "", []string{"canary pw"}, "host=db password='***' user=me"},
		"literal URL":       {`k: "https://me:canary-pw@api.example"`, "", []string{"canary-pw"}, "https://me:***@api.example"},
		"key in a query":    {`k: ${A}`, "https://x.example/?api_key=canary-key", []string{"https://x.example/?api_key=canary-key", "canary-key"}, "https://x.example/?api_key=***"},
		"literal bearer":    {`auth: {bearer: canary-token}`, "", []string{"canary-token"}, "***"},
		"literal password":  {`basic: {password: canary-pw}`, "", []string{"canary-pw"}, "***"},
		"page token":        {`paginate: {token: meta.next_token}`, "", nil, "meta.next_token"},
	} {
		t.Run(name, func(t *testing.T) {
			_, public, secrets := expanded(t, c.yaml, map[string]string{"A": c.value})
			slices.Sort(secrets)
			slices.Sort(c.secrets)
			if diff := cmp.Diff(c.secrets, secrets); diff != "" {
				t.Error(diff)
			}
			if public != c.public {
				t.Errorf("public %q, want %q", public, c.public)
			}
			for _, s := range secrets {
				if strings.Contains(public, s) {
					t.Errorf("%q shows %q", public, s)
				}
			}
		})
	}
}

// Invariant: no secret in an error.
func TestNoSecretInAProblem(t *testing.T) {
	text := string(readFile(t, rentals))
	wrong := strings.NewReplacer(
		"timeout: 30s", `timeout: "${AIRBNB_TOKEN}"`, "against_update: hold", "against_update: '${AIRBNB_TOKEN}'", "engine: local", "engine: ${PMS_DSN}",
		"check_in:   date", "check_in: ${AIRBNB_TOKEN}", "window: 24h", "window: '${PMS_DSN}'", "join: adopt", "join: ${AIRBNB_TOKEN}",
		"cursor_field: updated_at}\n        write", "cursor_field: '${AIRBNB_TOKEN}'}\n        write", "name: rentals", "name: ${AIRBNB_TOKEN}",
		"store: ${TRUEUP_STORE", "store: ${AIRBNB_TOKEN",
	).Replace(text)
	path := filepath.Join(t.TempDir(), "trueup.yaml")
	if err := os.WriteFile(path, []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path, environment, testKnown())
	if err == nil || strings.Count(err.Error(), "\n") < 7 {
		t.Fatalf("want many problems: %v", err)
	}
	if strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}
