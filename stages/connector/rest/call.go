package rest

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/pace"
)

// call is a read, ready to be sent but for its credentials.
type call struct {
	method string
	url    *url.URL
	header map[string]string
	body   string
	gone   []int       // statuses that are an answer and no failure
	where  fault.Place // for errors
	op     string      // "read page"
}

// reply is the answer to a read: whole, and of JSON unless it says gone.
type reply struct {
	url    *url.URL
	status int
	header http.Header
	body   []byte
	gone   bool
	asked  time.Time // when the request that was answered began
}

// ask sends a read through the gate, with retries where they are safe. What is
// not a whole JSON answer is a failure, never an empty one.
func (s *Stream) ask(ctx context.Context, class pace.Class, c call) (reply, error) {
	var out reply
	err := s.gate.Do(ctx, class, s.policy, func(ctx context.Context) pace.Attempt {
		var a pace.Attempt
		out, a = s.askOnce(ctx, c)
		return a
	})
	return out, err
}

func (s *Stream) askOnce(ctx context.Context, c call) (reply, pace.Attempt) {
	ctx, cancel := context.WithTimeout(ctx, s.client.timeout)
	defer cancel()
	cred, err := s.client.auth.get(ctx)
	if err != nil {
		return reply{}, pace.Attempt{Err: err}
	}
	req, err := s.request(ctx, c, cred)
	if err != nil {
		return reply{}, pace.Attempt{Err: s.fail(c, fault.Permanent, err)}
	}
	out := reply{url: c.url, asked: s.client.now()}
	resp, err := s.client.reads.Do(req)
	if err != nil {
		return out, s.noAnswer(c, err)
	}
	out.status, out.header = resp.StatusCode, resp.Header
	out.body, err = readBody(resp)
	hints := s.gate.Hints(resp.Header)
	if err != nil {
		a := s.noAnswer(c, fmt.Errorf("the answer broke off: %w", err))
		a.Hints = hints
		return out, a
	}
	return out, s.judge(c, &out, cred, hints)
}

func (s *Stream) request(ctx context.Context, c call, cred credentials) (*http.Request, error) {
	u := *c.url
	var body *strings.Reader
	req, err := http.NewRequestWithContext(ctx, c.method, u.String(), nil)
	if err != nil {
		return nil, errors.New("the request cannot be built")
	}
	if c.body != "" {
		body = strings.NewReader(c.body)
		if req, err = http.NewRequestWithContext(ctx, c.method, u.String(), body); err != nil {
			return nil, errors.New("the request cannot be built")
		}
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "trueup")
	for name, v := range s.client.headers {
		req.Header.Set(name, v)
	}
	for name, v := range c.header {
		req.Header.Set(name, v)
	}
	s.client.authorize(req, cred)
	return req, nil
}

// noAnswer is a read without an answer. A listing by POST is not repeated: only
// the file's author could know that it changes nothing.
func (s *Stream) noAnswer(c call, err error) pace.Attempt {
	again := fault.Classify(c.method, fault.NoAnswer, pipeline.ByNothing) == fault.Retry
	return pace.Attempt{Err: s.fail(c, fault.Transient, s.client.clean(err)).WithCode(fault.CodeUnreachable).WithHelp(s.help(fault.NoAnswer)), Again: again, Result: pace.Result{Failed: true}}
}

// judge says what an answer means by its status and its form.
func (s *Stream) judge(c call, r *reply, cred credentials, hints pace.Hints) pace.Attempt {
	a := pace.Attempt{Result: pace.Result{Status: r.status, Hints: hints}}
	if r.status != http.StatusUnauthorized {
		s.client.auth.accepted(cred)
	} else if s.client.auth.refused(cred) {
		a.Err, a.Again = s.fail(c, fault.Transient, s.refusal(r)).WithCode(fault.CodeOfStatus(r.status)).WithHelp(s.help(r.status)), true
		return a
	}
	for _, gone := range c.gone {
		if r.status == gone {
			r.gone = true
			return a
		}
	}
	switch verdict := fault.Classify(c.method, r.status, pipeline.ByNothing, fault.Refreshed); verdict {
	case fault.Done:
		if err := s.wholeJSON(r); err != nil {
			a.Err, a.Again, a.Failed = s.fail(c, fault.Transient, err).WithCode(fault.CodeSystemAnswer).WithHelp(s.help(notJSON)), true, true
		}
	case fault.Retry, fault.InDoubt:
		a.Throttled = r.status == http.StatusTooManyRequests || hints.RetryAfter > 0
		a.Failed = r.status >= 500
		a.Again = verdict == fault.Retry
		a.Err = s.fail(c, fault.Transient, s.refusal(r)).WithRetryAfter(hints.RetryAfter).WithCode(fault.CodeOfStatus(r.status)).WithHelp(s.help(r.status))
	default:
		a.Err = s.fail(c, fault.Permanent, s.refusal(r)).WithCode(fault.CodeOfStatus(r.status)).WithHelp(s.help(r.status))
	}
	return a
}

// wholeJSON refuses what proxies, captive portals and broken connections put in
// the place of an answer.
func (s *Stream) wholeJSON(r *reply) error {
	if r.status != http.StatusOK && r.status != http.StatusNonAuthoritativeInfo {
		return fmt.Errorf("status %d where 200 was expected", r.status)
	}
	if t := r.header.Get("Content-Type"); t != "" && !isJSON(t) {
		return fmt.Errorf("status 200 with content type %q where JSON was expected", s.client.redact.Text(t))
	}
	err := checkJSON(r.body)
	if errors.Is(err, errNotJSON) {
		return fmt.Errorf("%w, it begins with %q", err, s.client.head(r.body, 40))
	}
	return err
}

func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (strings.HasSuffix(t, "/json") || strings.HasSuffix(t, "+json"))
}

// refusal describes an answer that is none, with the head of its body: most APIs
// say there what they do not like.
func (s *Stream) refusal(r *reply) error {
	text := fmt.Sprintf("status %d %s", r.status, http.StatusText(r.status))
	if r.status >= 300 && r.status < 400 {
		return errors.New(text + ", and redirects are not followed: set base_url to where the API is")
	}
	if h := strings.Join(strings.Fields(s.client.head(r.body, 200)), " "); h != "" {
		text += ": " + h
	}
	return errors.New(text)
}

// fail places an error.
func (s *Stream) fail(c call, kind fault.Kind, err error) *fault.Error {
	place := c.where
	if place.Page == "" {
		place.Object = c.method + " " + s.client.public(c.url)
	}
	return fault.New(kind, c.op, err).WithWhere(place).WithNote("nothing was changed; what is stored stays")
}
