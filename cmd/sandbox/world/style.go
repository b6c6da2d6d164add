package world

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// system describes how one system holds records and what its API looks like.
// Everything that differs between two systems is said here; serve.go and its
// neighbours serve any of them.
type system struct {
	name, about string // about is for people
	staff       []string
	collections []collection

	auth   auth
	fail   func(status int, title, detail string) any // the body of a refusal
	denied int                                        // status for a wrong credential

	nulls   bool // nulls are shown; otherwise they are left out
	stamp   func(time.Time) any
	created string // member with the time of the first version; may be ""
	updated string // member with the time of the newest version
	since   since
	pages   pages
	usual   int // rows of a page
	most    int // rows that a client may ask for

	etags   bool   // single records carry an ETag, and If-Match is honoured
	version string // member with the number of the version, which If-Match takes; "" where there is none
	keys    bool   // Idempotency-Key is honoured
	update  string // PATCH changes some members, PUT replaces the record; "PATCH PUT" offers both
	removed string // member that tells of a deleted record in listings since a time; "" deletes silently
	lasting bool   // nothing can be deleted

	lodgings string // path of the list of lodgings; "" where there is none
}

// auth is how a request carries the system's credential.
type auth func(c *call, secret string) bool

func byHeader(name, prefix string) auth {
	return func(c *call, secret string) bool { return equal(c.header.Get(name), prefix+secret) }
}

func byBasic() auth {
	return func(c *call, secret string) bool {
		return equal(c.header.Get("Authorization"), "Basic "+base64.StdEncoding.EncodeToString([]byte(secret)))
	}
}

func byQuery(name string) auth {
	return func(c *call, secret string) bool { return equal(c.query.Get(name), secret) }
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// since is how a listing is narrowed to what changed.
type since struct {
	param     string
	read      func(text string) (time.Time, error)
	inclusive bool
}

// pages is how a listing is cut into pages. By keyset, every page begins behind
// the last row of the one before; otherwise it begins at a count of rows, and rows
// shift between pages when people edit.
type pages struct {
	param   string // the query parameter that says where a page begins
	keyset  bool
	ordinal bool // the parameter counts pages from 1, not rows from 0
	show    func(p page, doc map[string]any, h http.Header)
}

// page is what an answer tells of the page that it shows.
type page struct {
	next                 string // the parameter of the next page; "" at the end
	url                  string // of the next page; "" at the end
	total, offset, limit int
}

// collection is how a system holds one entity.
type collection struct {
	entity  string
	root    string
	list    string // member with the rows; "" where the answer is the list
	one     string // member with a single record; "" where the answer is the record
	id      func(number int64) any
	members []member
	ignored []string          // members that a write may repeat and that are ignored
	extra   map[string]any    // members that every record shows
	fixed   Values            // what holds for all records here and is not shown
	ours    func(Values) bool // which records of the world belong here; nil: all
	filters map[string]string // query parameter -> field
	search  map[string]string // query parameter -> key field
	unique  bool              // a second live record with one key is refused
	noun    string            // for messages
}

// member is how one canonical field stands in a system's JSON.
type member struct {
	path  string // dotted
	field string
	form  form
}

// shows reports whether a collection can tell the value of a field.
func (c *collection) shows(field string) bool {
	if _, ok := c.fixed[field]; ok {
		return true
	}
	for _, m := range c.members {
		if m.field == field {
			return true
		}
	}
	return false
}

// holds reports whether a record of the world belongs here.
func (c *collection) holds(v Values) bool { return c.ours == nil || c.ours(v) }

func ofChannel(name string) func(Values) bool {
	return func(v Values) bool { return v.Get(Channel) == name }
}

// plainly makes members that have the names of their fields.
func plainly(forms map[string]form, fields ...string) []member {
	var all []member
	for _, f := range fields {
		m := member{f, f, words()}
		if special, ok := forms[f]; ok {
			m.form = special
		}
		all = append(all, m)
	}
	return all
}

const milliseconds = "2006-01-02T15:04:05.000Z07:00"

func rfc3339(at *time.Location) func(time.Time) any {
	return func(t time.Time) any { return t.In(at).Format(milliseconds) }
}

func epochMillis(t time.Time) any { return t.UnixMilli() }

func epochSeconds(t time.Time) any { return t.Unix() }

func readRFC3339(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, fmt.Errorf("%q is no RFC 3339 time", text)
	}
	return at, nil
}

func readMillis(text string) (time.Time, error) {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no number of milliseconds", text)
	}
	return time.UnixMilli(ms), nil
}

func readSeconds(text string) (time.Time, error) {
	s, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no number of seconds", text)
	}
	return time.Unix(s, 0), nil
}

func numbers() func(int64) any { return func(n int64) any { return n } }

func named(format string) func(int64) any {
	return func(n int64) any { return fmt.Sprintf(format, n) }
}

// keysetToken names a place in the order of a listing.
func keysetToken(r row) string {
	text := fmt.Sprintf("%d/%d", r.version.UpdatedAt.UnixMilli(), r.number)
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func readKeysetToken(token string) (at time.Time, number int64, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return at, 0, errors.New("it is not one of ours")
	}
	var ms int64
	if _, err := fmt.Sscanf(string(raw), "%d/%d", &ms, &number); err != nil {
		return at, 0, errors.New("it is not one of ours")
	}
	return time.UnixMilli(ms), number, nil
}

// offers reports whether updates are made by a method.
func (s *system) offers(method string) bool {
	return strings.Contains(" "+s.update+" ", " "+method+" ")
}

// gone is what the system makes of a deleted record.
func (s *system) gone() State {
	if s.removed != "" {
		return Deleted
	}
	return Vanished
}

// FieldOf is the canonical field that a system calls by a name: the path of a
// member, or its first or last part, also as a column would be called (min_los for
// minLos). What it does not know is given back.
func FieldOf(entity, system, name string) string {
	for _, s := range systems() {
		if s.name != system {
			continue
		}
		for _, c := range s.collections {
			if c.entity != entity {
				continue
			}
			for _, m := range c.members {
				if slices.Contains(calledBy(m.path), name) {
					return m.field
				}
			}
		}
	}
	return name
}

var capital = regexp.MustCompile(`[A-Z]`)

func calledBy(path string) []string {
	parts := strings.Split(path, ".")
	snake := capital.ReplaceAllStringFunc(strings.ReplaceAll(path, ".", "_"), func(c string) string { return "_" + strings.ToLower(c) })
	return []string{path, parts[0], parts[len(parts)-1], snake}
}
