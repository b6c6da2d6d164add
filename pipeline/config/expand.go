package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// minSecret is the shortest text that is taken for a secret: redacting shorter
// ones would eat ordinary text.
const minSecret = 6

// variable is the name in ${NAME}.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// keyword DSNs: "host=db password=x" and "password='a b'".
var dsnPassword = regexp.MustCompile(`(?i)\bpassword\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']+)`)

// credential matches the paths under which a literal value is a secret.
var credential = regexp.MustCompile(`(?i)(^|\.)(password|client_secret)$|(^|\.)auth\..*\b(bearer|token|secret|access_token|refresh_token|api_key|key|value)$`)

// secretParam names the query parameters of a URL that carry secrets.
var secretParam = regexp.MustCompile(`(?i)(key|token|secret|password|sig|signature)$`)

// expander replaces ${...} in the scalars of a tree and collects secrets.
type expander struct {
	env      func(string) (string, bool)
	readFile func(string) ([]byte, error)
	secrets  []string
	problems Problems
}

// tree expands every scalar below n.
func (x *expander) tree(n *node) {
	if n.kind == KindScalar {
		if strings.Contains(n.text, "${") {
			n.text, n.public = x.text(n, n.text)
			n.plain = true
		}
		n.public = x.inspect(n)
	}
	for _, p := range n.pairs {
		x.tree(p.value)
	}
	for _, item := range n.items {
		x.tree(item)
	}
}

// text expands the references of one text; public is the same with secrets left
// as the references they came from.
func (x *expander) text(n *node, text string) (expanded, public string) {
	var out, pub strings.Builder
	rest := text
	for {
		i := strings.Index(rest, "${")
		if i < 0 {
			break
		}
		if i > 0 && rest[i-1] == '$' { // $${ is a literal ${
			out.WriteString(rest[:i-1] + "${")
			pub.WriteString(rest[:i-1] + "${")
			rest = rest[i+2:]
			continue
		}
		out.WriteString(rest[:i])
		pub.WriteString(rest[:i])
		end := closing(rest[i:])
		if end < 0 {
			x.problems.add(n.at, "a ${ is not closed", "", "add the }, or write $${ for the two characters")
			rest = rest[i+2:]
			continue
		}
		value, shown := x.reference(n, rest[i:i+end+1])
		out.WriteString(value)
		pub.WriteString(shown)
		rest = rest[i+end+1:]
	}
	out.WriteString(rest)
	pub.WriteString(rest)
	return out.String(), pub.String()
}

// closing is the index of the } that closes the ${ at the start of text.
func closing(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "${"):
			depth++
		case text[i] == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// reference is the value of one ${...} and what of it may be shown.
func (x *expander) reference(n *node, ref string) (value, public string) {
	body := ref[2 : len(ref)-1]
	if path, ok := strings.CutPrefix(body, "file:"); ok {
		return x.file(n, path, ref)
	}
	name, fallback, hasFallback := strings.Cut(body, ":-")
	if !variable.MatchString(name) {
		x.problems.add(n.at, fmt.Sprintf("%q is not a reference", ref), "there are ${NAME}, ${NAME:-default} and ${file:/path}", "write $${ for the two characters ${")
		return "", ref
	}
	value, set := x.env(name)
	switch {
	case set && (value != "" || !hasFallback):
		return value, x.outside(value, ref)
	case hasFallback:
		return x.text(n, fallback)
	}
	x.problems.add(n.at, fmt.Sprintf("environment variable %s is not set", name), fmt.Sprintf("%s needs it", n.path),
		fmt.Sprintf("set %s, or give a default: ${%s:-...}", name, name))
	return "", ref
}

func (x *expander) file(n *node, path, ref string) (value, public string) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(n.at.File), path)
	}
	raw, err := x.readFile(path)
	if err != nil {
		why := err.Error()
		if os.IsNotExist(err) {
			why = "there is no such file"
		}
		x.problems.add(n.at, fmt.Sprintf("%s cannot be read", ref), why, "create the file, or make it readable for this user")
		return "", ref
	}
	value = strings.TrimRight(string(raw), "\r\n")
	return value, x.outside(value, ref)
}

// outside judges a value that came from the environment or a file: a location
// without credentials may be shown, everything else of some length is a secret.
func (x *expander) outside(value, ref string) string {
	if len(value) < minSecret || location(value) {
		return value
	}
	x.secret(value)
	if u, err := url.Parse(value); err == nil && u.Host != "" {
		return u.Redacted()
	}
	return ref
}

// location reports whether text is a path, or a URL without credentials.
func location(text string) bool {
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../") {
		return !strings.ContainsAny(text, " \t\n")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || (u.Host == "" && u.Path == "") || u.User != nil || !strings.Contains(text, "://") {
		return false
	}
	for name := range u.Query() {
		if secretParam.MatchString(name) {
			return false
		}
	}
	return true
}

// inspect finds the credentials within a scalar, whatever it came from: the
// password of a URL or DSN, and literals under a credential's name. It returns
// the public form without them.
func (x *expander) inspect(n *node) string {
	public := n.public
	if credential.MatchString(n.path) && len(n.text) >= minSecret {
		x.secret(n.text)
		public = strings.ReplaceAll(public, n.text, "***")
	}
	var found []string
	if u, err := url.Parse(n.text); err == nil && u.Host != "" {
		if password, ok := u.User.Password(); ok {
			found = append(found, password)
			_, userinfo, _ := strings.Cut(n.text[:max(0, strings.LastIndex(n.text, "@"))], "://")
			_, escaped, _ := strings.Cut(userinfo, ":")
			found = append(found, escaped)
		}
		for name, values := range u.Query() {
			if secretParam.MatchString(name) {
				found = append(found, values...)
			}
		}
	}
	for _, m := range dsnPassword.FindAllStringSubmatch(n.text, -1) {
		found = append(found, strings.Trim(m[1], "'"))
	}
	for _, secret := range found {
		if len(secret) >= 4 { // a password this short would redact ordinary words
			x.secret(secret)
		}
		if secret != "" {
			public = strings.ReplaceAll(public, secret, "***")
		}
	}
	return public
}

func (x *expander) secret(value string) {
	if value != "" && !slices.Contains(x.secrets, value) {
		x.secrets = append(x.secrets, value)
	}
}
