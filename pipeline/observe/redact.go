// Package observe is how a run shows what it does: logs without secrets, and
// figures that become rows. It must never keep state outside the values it
// hands out, write a secret, or change what the observed code does.
package observe

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"sort"
	"strings"
	"sync/atomic"
)

// Mask stands where a secret was.
const Mask = "[redacted]"

// minSecret is the shortest value that is looked for inside other text: shorter
// ones would blank out ordinary words. They are still masked where they are a
// whole value, and by the name of their key.
const minSecret = 4

// Redactor removes secrets from text. It is safe for concurrent use.
type Redactor struct {
	state atomic.Pointer[redaction]
}

type redaction struct {
	whole    map[string]bool
	replacer *strings.Replacer
}

// NewRedactor knows the given secret values, as they are and as they appear in
// URLs, JSON and base64 (HTTP basic authentication).
func NewRedactor(secrets ...string) *Redactor {
	r := &Redactor{}
	r.state.Store(build(map[string]bool{}, nil))
	r.Add(secrets...)
	return r
}

// Add makes more values secret from now on: tokens that a system hands out
// while it is used.
func (r *Redactor) Add(secrets ...string) {
	for {
		old := r.state.Load()
		if r.state.CompareAndSwap(old, build(old.whole, secrets)) {
			return
		}
	}
}

func build(known map[string]bool, more []string) *redaction {
	whole := make(map[string]bool, len(known)+len(more))
	for s := range known {
		whole[s] = true
	}
	for _, s := range more {
		if s != "" {
			whole[s] = true
		}
	}
	var forms []string
	for s := range whole {
		if len(s) >= minSecret {
			forms = append(forms, encodings(s)...)
		}
	}
	// The longest first: a secret may contain another one.
	sort.Slice(forms, func(i, j int) bool {
		if len(forms[i]) != len(forms[j]) {
			return len(forms[i]) > len(forms[j])
		}
		return forms[i] < forms[j]
	})
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range forms {
		pairs = append(pairs, f, Mask)
	}
	return &redaction{whole: whole, replacer: strings.NewReplacer(pairs...)}
}

// encodings are the ways in which a secret may stand in text.
func encodings(s string) []string {
	forms := []string{s, url.QueryEscape(s), url.PathEscape(s)}
	if b, err := json.Marshal(s); err == nil {
		forms = append(forms, strings.Trim(string(b), `"`))
	}
	return append(forms, base64Forms(s)...)
}

// base64Forms are the characters that encode s alone, for each of the three
// places in which s may begin within a group of the encoding.
func base64Forms(s string) []string {
	if len(s) < 8 {
		return nil // what would remain is too short to be told from other text
	}
	var forms []string
	for shift := range 3 {
		padded := strings.Repeat("x", shift) + s
		from := (shift*8 + 5) / 6
		to := len(padded) * 8 / 6
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			forms = append(forms, e.EncodeToString([]byte(padded))[from:to])
		}
	}
	return forms
}

// Credentials that nobody told us of: the password of a URL, an Authorization
// value in running text.
func shapes() []shape {
	return []shape{
		{regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`), "${1}" + Mask + "@"},
		{regexp.MustCompile(`(?i)\b(authorization:\s*\w+)\s+[A-Za-z0-9._~+/=-]+`), "${1} " + Mask},
		{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{16,}`), "${1} " + Mask}, // shorter ones may be words
		{regexp.MustCompile(`(?i)\b((?:access_token|refresh_token|client_secret|api_key|apikey|password|x-amz-signature)=)[^&\s"]+`), "${1}" + Mask},
	}
}

type shape struct {
	find *regexp.Regexp
	with string
}

var credentialShapes = shapes() // compiled once; never changed

// Text masks every secret in text.
func (r *Redactor) Text(text string) string {
	st := r.state.Load()
	if st.whole[text] {
		return Mask
	}
	text = st.replacer.Replace(text)
	for _, s := range credentialShapes {
		text = s.find.ReplaceAllString(text, s.with)
	}
	return text
}

// SecretKey reports whether a header, parameter or attribute of this name holds
// credentials, whatever its value.
func SecretKey(name string) bool {
	n := strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	switch n {
	case "authorization", "proxy_authorization", "cookie", "set_cookie", "dsn", "token", "secret",
		"password", "passwd", "api_key", "apikey", "x_api_key", "access_token", "refresh_token", "client_secret", "id_token":
		return true
	}
	return strings.HasSuffix(n, "_password") || strings.HasSuffix(n, "_secret") || strings.HasSuffix(n, "_token") || strings.HasSuffix(n, "_api_key")
}
