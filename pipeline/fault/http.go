package fault

import (
	"net/http"

	"github.com/trueup-data/trueup/pipeline"
)

// Verdict is what an HTTP answer, or its absence, means for the request.
type Verdict uint8

// The verdicts. The zero value is InDoubt, so that what nobody classified is
// read back and never repeated blindly.
const (
	InDoubt      Verdict = iota // it may have taken effect: read back before anything else
	Done                        // it took effect, or the read is answered
	Retry                       // nothing happened, or repeating is safe: the same request again
	Reject                      // nothing happened and nothing will
	NotFound                    // there is no such record: 404, 410
	Precondition                // nothing happened: the record has another version, 412
	Duplicate                   // nothing happened: the target has such a record, 409
	AuthRefresh                 // nothing happened: refresh the credentials once, then again, 401
)

// String is the verdict's name in logs.
func (v Verdict) String() string {
	names := [...]string{"in doubt", "done", "retry", "reject", "not found", "precondition", "duplicate", "auth refresh"}
	if int(v) < len(names) {
		return names[v]
	}
	return names[InDoubt]
}

// NoAnswer is the status of a request that got none: a time-out or a reset
// after the first byte was sent.
const NoAnswer = 0

// Fact is what the caller knows beside the status; facts are combined with |.
type Fact uint8

// The facts that change what a status means.
const (
	LostBefore  Fact = 1 << iota // an earlier try of this very request got no clear answer
	Refreshed                    // the credentials were refreshed for this request already
	KeyInFlight                  // the answer says: the first request with this key is still running
	KeyReused                    // the answer says: this key was used with other content
	SameTwice                    // the same 5xx with the same body came before under the same key
	anything    Fact = 0
)

// Exceptions are what the project file says of single statuses of one API.
// They come before the table.
type Exceptions map[int]Verdict

// Classify is what an answer means by the table alone.
func Classify(method string, status int, p pipeline.Protocol, facts ...Fact) Verdict {
	return Exceptions(nil).Classify(method, status, p, facts...)
}

// Classify is what an answer means: an exception if there is one for status,
// else the first row of the table that fits.
func (x Exceptions) Classify(method string, status int, p pipeline.Protocol, facts ...Fact) Verdict {
	if v, ok := x[status]; ok {
		return v
	}
	var known Fact
	for _, f := range facts {
		known |= f
	}
	verb := verbOf(method)
	for _, r := range table() {
		if r.fits(verb, status, p, known) {
			return r.verdict
		}
	}
	if verb == read {
		return Reject
	}
	return InDoubt
}

// verb groups the methods that the table tells apart.
type verb uint8

const (
	read   verb = 1 << iota // GET, HEAD, OPTIONS: repeating changes nothing
	post                    // POST: each one may make another record
	modify                  // PUT, PATCH, DELETE: of one named record
	write  = post | modify
	either = read | write
)

func verbOf(method string) verb {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return read
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		return modify
	}
	return post
}

// row is one line of the table: for these verbs, from..to inclusive, under this
// protocol ("" is any), when all of these facts are known.
type row struct {
	verbs    verb
	from, to int
	protocol pipeline.Protocol
	needs    Fact
	verdict  Verdict
}

func (r row) fits(v verb, status int, p pipeline.Protocol, known Fact) bool {
	return r.verbs&v != 0 && status >= r.from && status <= r.to &&
		(r.protocol == "" || r.protocol == p) && known&r.needs == r.needs
}

// table is read from the top; the first row that fits decides.
func table() []row {
	const key, version = pipeline.ByIdempotencyKey, pipeline.ByPrecondition
	return []row{
		// Answers that speak of the idempotency key itself. Content that was refused
		// under a used key says nothing of what the first request did.
		{write, 400, 499, key, KeyReused, InDoubt},
		{write, 409, 409, key, KeyInFlight, Retry},

		// Accepted, or "see elsewhere", is not done: whether it happens is read back.
		{write, 202, 202, "", anything, InDoubt},
		{write, 303, 304, "", anything, InDoubt},
		{read, 304, 304, "", anything, Done},
		{either, 200, 299, "", anything, Done},
		{either, 300, 399, "", anything, Reject}, // writes follow no redirect: a POST would become a GET

		{either, 401, 401, "", Refreshed, Reject},
		{either, 401, 401, "", anything, AuthRefresh},
		{either, 404, 404, "", anything, NotFound},
		{either, 410, 410, "", anything, NotFound},

		// The version may have moved because of our own earlier try.
		{write, 412, 412, "", LostBefore, InDoubt},
		{either, 412, 412, "", anything, Precondition},

		// A record that exists may be the one that our own earlier try made, unless the
		// target tells ours by a key of ours.
		{write, 409, 409, pipeline.ByNothing, LostBefore, InDoubt},
		{post, 409, 409, "", anything, Duplicate},
		{modify, 409, 409, version, LostBefore, InDoubt},
		{modify, 409, 409, version, anything, Precondition},
		{modify, 409, 409, pipeline.ByUniqueKey, anything, Duplicate},
		{modify, 409, 409, pipeline.BySearchableKey, anything, Duplicate},

		// Not processed, by definition of the status.
		{either, 421, 421, "", anything, Retry},
		{either, 423, 423, "", anything, Retry},
		{either, 425, 425, "", anything, Retry},
		{either, 429, 429, "", anything, Retry},

		// Not supported is not a hiccup.
		{either, 501, 501, "", anything, Reject},
		{either, 505, 505, "", anything, Reject},

		// No clear answer: time-outs on either side, resets, every other 5xx. Only a
		// read, or a write under a retained key, may be repeated without looking; a
		// saved 500 that is replayed under the key shows as the same answer twice.
		{write, 500, 599, key, SameTwice, InDoubt},
		{read, NoAnswer, NoAnswer, "", anything, Retry},
		{read, 408, 408, "", anything, Retry},
		{read, 499, 599, "", anything, Retry},
		{write, NoAnswer, NoAnswer, key, anything, Retry},
		{write, 408, 408, key, anything, Retry},
		{write, 499, 599, key, anything, Retry},
		{write, NoAnswer, NoAnswer, "", anything, InDoubt},
		{write, 408, 408, "", anything, InDoubt},
		{write, 499, 599, "", anything, InDoubt},

		{either, 400, 498, "", anything, Reject},
	}
}
