package rest

import (
	"net/http"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// notJSON stands for an answer that says 200 and is something else.
const notJSON = -1

// help says what to do about an answer, by its status.
func (s *Stream) help(status int) string {
	system := "systems." + s.client.name
	switch {
	case status == fault.NoAnswer:
		return "check that base_url of " + system + " can be reached from here: trueup doctor"
	case status == notJSON:
		return "base_url of " + system + " may lead to a proxy or a web page: open it, and check what answers"
	case status == http.StatusUnauthorized:
		return "check auth of " + system + ": the credentials are not accepted"
	case status == http.StatusForbidden:
		return "check what the account in auth of " + system + " may read and write"
	case status == http.StatusNotFound || status == http.StatusGone || status == http.StatusMethodNotAllowed:
		return "check the paths and methods of " + s.id.String() + " against the documentation of the API"
	case status == http.StatusTooManyRequests:
		return "lower limits.requests_per_second of " + system + ", or run again when its quota is back"
	case status >= 500:
		return "nothing here can mend it: run again when " + s.client.name + " is well"
	case status >= 300 && status < 400:
		return "set base_url of " + system + " to where the API is"
	default:
		return "compare the request of " + s.id.String() + " with the documentation of the API"
	}
}

// pageHelp is what to do about pages that cannot be right.
func (s *Stream) pageHelp() string {
	return "compare extract.paginate of " + s.id.String() + " with the documentation of the API; --log-level debug shows every request"
}
