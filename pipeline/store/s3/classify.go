package s3

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

var errNoRegion = errors.New("no region is given")

func configFailure(l Location, err error) error {
	return &fault.Error{
		Kind: fault.Permanent, Op: "open store", Where: fault.Place{Object: l.String()}, Err: err,
		Help: "give ?region= or ?profile= in the URL of the store, or AWS_REGION in the environment",
	}
}

// answer is what came back of a failed request.
type answer struct {
	status int    // 0: none came
	code   string // S3's, or ""
	why    error
	wait   time.Duration
}

// answerOf takes an error of the SDK apart. The text is made anew: it says what
// the store said and leaves out how the SDK wraps it.
func answerOf(err error) answer {
	a := answer{why: err}
	var apiErr smithy.APIError
	if errors.As(err, &apiErr) {
		a.code = apiErr.ErrorCode()
	}
	var response *awshttp.ResponseError
	if !errors.As(err, &response) || response.Response == nil || response.Response.Response == nil || response.HTTPStatusCode() == 0 {
		a.why = bare(err)
		return a
	}
	a.status = response.HTTPStatusCode()
	if seconds, bad := strconv.Atoi(response.Response.Header.Get("Retry-After")); bad == nil && seconds > 0 {
		a.wait = time.Duration(min(seconds, 3600)) * time.Second
	}
	said := ""
	if apiErr != nil {
		said = ", " + a.code + ": " + apiErr.ErrorMessage()
	}
	a.why = fmt.Errorf("the store answered %d %s%s (request %s)", a.status, http.StatusText(a.status), said, response.ServiceRequestID())
	return a
}

// bare takes the SDK's own layers off an error that came without an answer.
func bare(err error) error {
	var response *awshttp.ResponseError
	var operation *smithy.OperationError
	switch {
	case errors.As(err, &response) && response.Err != nil:
		return response.Err
	case errors.As(err, &operation):
		return operation.Err
	}
	return err
}

// failed classifies what went wrong in an exchange. A read changes nothing; a
// write may have taken effect as soon as it had a connection, unless the store
// said that it did not.
func (s *Store) failed(e *exchange, op, key string, write bool, err error) error {
	a := answerOf(err)
	kind := a.kind(write)
	if a.status == 0 {
		kind = e.kindWithoutAnswer(write, err)
		if silent := e.silence(); silent != nil {
			a.why = silent
		}
	}
	failure := &fault.Error{
		Kind: kind, Op: op, Where: fault.Place{Object: s.objectURL(key)},
		Err: a.why, RetryAfter: a.wait, Help: s.help(a, err),
	}
	if kind == fault.Unknown {
		failure.Note = "It may have been written: nobody answered."
	}
	return failure
}

func (s *Store) objectURL(key string) string {
	l := Location{Bucket: s.location.Bucket, Prefix: s.location.Prefix}
	return l.String() + "/" + key
}

// kind is what a status means. Stores answer a write with 4xx before they do
// anything, but for 408, and 400 RequestTimeout, which speak of the connection.
func (a answer) kind(write bool) fault.Kind {
	switch {
	case a.status == http.StatusNotImplemented:
		return fault.Permanent
	case a.status >= 500, a.status == http.StatusRequestTimeout, a.code == "RequestTimeout":
		if write {
			return fault.Unknown
		}
		return fault.Transient
	case a.status == http.StatusTooManyRequests, a.status == http.StatusTooEarly:
		return fault.Transient
	case a.status < 300 && write: // "done" that could not be read
		return fault.Unknown
	case a.status < 300:
		return fault.Transient
	}
	return fault.Permanent
}

func (e *exchange) kindWithoutAnswer(write bool, err error) fault.Kind {
	ended := e.context.Err() != nil && e.silence() == nil
	var network net.Error
	switch {
	case write && e.sent.Load():
		return fault.Unknown
	case ended:
		return fault.Canceled
	case e.sent.Load(), e.silence() != nil, errors.As(err, &network):
		return fault.Transient
	}
	return fault.Permanent // credentials, a name that cannot be signed
}

func (s *Store) help(a answer, err error) string {
	switch {
	case a.code == "NoSuchBucket":
		return "create the bucket " + s.location.Bucket + ", or correct the URL of the store"
	case a.status == http.StatusForbidden, a.status == http.StatusUnauthorized:
		return "check the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ?profile=) and what they may do: " +
			"list the bucket; get, put and delete objects; abort multipart uploads"
	case a.status >= 300 && a.status < 400:
		return "give the bucket's own region: ?region=name in the URL of the store"
	case a.status == http.StatusNotImplemented:
		return "the store does not know conditional writes; trueup doctor shows what it keeps"
	}
	var signing interface{ ErrorCode() string }
	var network net.Error
	if a.status == 0 && !errors.As(err, &network) && !errors.As(err, &signing) {
		return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile: ?profile=name in the URL of the store"
	}
	return ""
}

// conditional names the answers to a conditional put; other errors are failures.
func (s *Store) conditional(e *exchange, op, key string, err error) error {
	a := answerOf(err)
	switch {
	case a.status == http.StatusPreconditionFailed:
		return s.failure(fault.LostRace, op, key, store.ErrPrecondition)
	case a.status == http.StatusConflict:
		return s.failure(fault.Transient, op, key, store.ErrConflict)
	case a.status == http.StatusNotFound && a.code != "NoSuchBucket":
		return s.failure(fault.Permanent, op, key, store.ErrNotExist)
	}
	return s.failed(e, op, key, true, err)
}

// reading names the answers to a read.
func (s *Store) reading(e *exchange, op, key string, err error) error {
	if a := answerOf(err); a.status == http.StatusNotFound && a.code != "NoSuchBucket" {
		return s.failure(fault.Permanent, op, key, store.ErrNotExist)
	}
	return s.failed(e, op, key, false, err)
}
