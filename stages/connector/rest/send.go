package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/schemas"
)

// Send puts a request onto the wire once, as load.Target says. Retryable means
// that nothing happened. A time-out or a 5xx is InDoubt (or, without any answer,
// an error of kind Unknown) also under an idempotency key: there the caller may
// repeat it with the same key.
func (s *Stream) Send(ctx context.Context, req pipeline.Request, op pipeline.WriteOp, fence func() error) (pipeline.Answer, error) {
	pass, err := s.gate.Enter(ctx, pace.Urgent)
	if err != nil {
		return pipeline.Answer{}, s.notSent(req, err)
	}
	defer pass.Abandon() // does nothing after Leave
	ctx, cancel := context.WithTimeout(ctx, s.client.timeout)
	defer cancel()
	cred, err := s.client.auth.get(ctx)
	if err != nil {
		return pipeline.Answer{}, s.notSent(req, err)
	}
	x := &crossing{fence: fence}
	hr, err := s.wireRequest(x.watched(ctx), req, cred)
	if err != nil {
		return pipeline.Answer{}, s.sendError(fault.Permanent, req, err)
	}
	a := pipeline.Answer{At: s.client.now()}
	resp, err := s.client.writes.Do(hr)
	if err != nil {
		return pipeline.Answer{}, s.broken(ctx, pass, x, req, err)
	}
	body, broken := readBody(resp)
	hints := s.gate.Hints(resp.Header)
	throttled := resp.StatusCode == http.StatusTooManyRequests || hints.RetryAfter > 0
	pass.Leave(pace.Result{Status: resp.StatusCode, Failed: resp.StatusCode >= 500, Throttled: throttled, Hints: hints})
	a.Status, a.RetryAfter = resp.StatusCode, hints.RetryAfter
	if a.Status != http.StatusUnauthorized {
		s.client.auth.accepted(cred)
	}
	s.judgeWrite(&a, written{op: op, req: req, header: resp.Header, body: body, broken: broken, cred: cred})
	return a, nil
}

// wireRequest is a write as net/http cannot repeat it: no GetBody, and an
// idempotency key under a name that net/http does not know, since it takes a
// request with such a key for one that it may send again.
func (s *Stream) wireRequest(ctx context.Context, req pipeline.Request, cred credentials) (*http.Request, error) {
	u, err := s.client.address(req.Path, nil)
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if req.Body != "" {
		body = io.NopCloser(strings.NewReader(req.Body))
	}
	hr, err := http.NewRequestWithContext(ctx, req.Method, u.String(), body)
	if err != nil {
		return nil, errors.New("the request cannot be built")
	}
	hr.ContentLength, hr.GetBody = int64(len(req.Body)), nil
	hr.Header.Set("Accept", "application/json")
	hr.Header.Set("User-Agent", "trueup")
	for name, v := range s.client.headers {
		setHeader(hr.Header, name, v)
	}
	for name, v := range req.Header {
		setHeader(hr.Header, name, v)
	}
	s.client.authorize(hr, cred)
	return hr, nil
}

// setHeader hides the two names that make net/http repeat a request by itself.
// HTTP compares names without regard to case, so the server sees no difference.
func setHeader(h http.Header, name, v string) {
	switch canonical := http.CanonicalHeaderKey(name); canonical {
	case "Idempotency-Key", "X-Idempotency-Key":
		h[strings.ToLower(canonical)] = []string{v}
	default:
		h.Set(name, v)
	}
}

// broken is a write without an answer: fenced off, not sent, or unknown.
func (s *Stream) broken(ctx context.Context, pass *pace.Pass, x *crossing, req pipeline.Request, err error) error {
	sent, refused := x.state()
	switch {
	case refused != nil:
		pass.Abandon()
		return refused
	case !sent && ctx.Err() != nil:
		pass.Abandon()
		return s.notSent(req, err)
	case !sent:
		pass.Leave(pace.Result{Failed: true})
		return s.notSent(req, err)
	}
	pass.Leave(pace.Result{Failed: true})
	return s.sendError(fault.Unknown, req, fmt.Errorf("no answer: %w", s.client.clean(err))).
		WithNote("it may have taken effect; it is read back before anything else is sent")
}

func (s *Stream) notSent(req pipeline.Request, err error) error {
	kind := fault.Transient
	if k := fault.KindOf(err); k == fault.Permanent && errors.As(err, new(*fault.Error)) {
		kind = k // credentials that are refused will be refused again
	}
	return s.sendError(kind, req, s.client.clean(err)).WithRetryAfter(fault.RetryAfterOf(err)).WithNote("nothing was sent")
}

func (s *Stream) sendError(kind fault.Kind, req pipeline.Request, err error) *fault.Error {
	place := s.place()
	place.Object = req.Method + " " + req.Path
	help := fault.HelpOf(err)
	if help == "" && kind != fault.Permanent {
		help = s.help(fault.NoAnswer)
	}
	return fault.New(kind, "send", err).WithWhere(place).WithHelp(help)
}

// written is a write with its answer.
type written struct {
	op     pipeline.WriteOp
	req    pipeline.Request
	header http.Header
	body   []byte
	broken error // the answer broke off
	cred   credentials
}

// judgeWrite fills in the outcome.
func (s *Stream) judgeWrite(a *pipeline.Answer, w written) {
	if len(w.body) > 0 {
		sum := sha256.Sum256(w.body)
		a.Digest = hex.EncodeToString(sum[:])
	}
	a.Evidence = s.refusal(&reply{status: a.Status, body: nil}).Error()
	protocol := s.Protocol(w.op)
	verdict := fault.Classify(w.req.Method, a.Status, protocol, keyFact(protocol, a.Status, w.body))
	switch {
	case verdict == fault.Done && w.broken != nil:
		a.Outcome = pipeline.InDoubt
		a.Evidence += ", and the answer broke off"
	case verdict == fault.Done && strings.HasPrefix(w.header.Get("Content-Type"), "text/html"):
		a.Outcome = pipeline.InDoubt
		a.Evidence += " with a page of HTML: something else than the API answered"
	case verdict == fault.Done:
		a.Outcome = pipeline.Applied
		s.readAnswer(a, w)
	case verdict == fault.AuthRefresh && s.client.auth.refused(w.cred):
		a.Outcome = pipeline.Retryable
	default:
		a.Outcome = s.outcome(verdict, w.op, a.Status)
		a.Evidence = s.refusal(&reply{status: a.Status, body: w.body}).Error()
	}
}

// keyFact finds out whether an answer speaks of the idempotency key itself.
func keyFact(p pipeline.Protocol, status int, body []byte) fault.Fact {
	if p != pipeline.ByIdempotencyKey || status < 400 || status > 499 || !strings.Contains(strings.ToLower(string(body)), "idempot") {
		return 0
	}
	if status == http.StatusConflict {
		return fault.KeyInFlight
	}
	return fault.KeyReused
}

// outcome is what a verdict means for a change.
func (s *Stream) outcome(v fault.Verdict, op pipeline.WriteOp, status int) pipeline.Outcome {
	switch v {
	case fault.InDoubt:
		return pipeline.InDoubt
	case fault.Retry:
		if status >= 500 || status == http.StatusRequestTimeout || status == http.StatusConflict {
			return pipeline.InDoubt // safe to repeat, but perhaps done, or still being done
		}
		return pipeline.Retryable
	case fault.NotFound:
		switch op {
		case pipeline.OpDelete:
			return pipeline.AlreadyTrue
		case pipeline.OpUpdate:
			return pipeline.Stale
		}
		return pipeline.Rejected
	case fault.Precondition:
		return pipeline.Stale
	case fault.Duplicate:
		if op == pipeline.OpCreate && s.search != nil {
			return pipeline.AlreadyTrue
		}
	}
	return pipeline.Rejected
}

// readAnswer takes the record and its ID out of the answer, where the file says
// that they are. An answer without them is still "done".
func (s *Stream) readAnswer(a *pipeline.Answer, w written) {
	if s.write.answer == nil || len(w.body) == 0 || w.op == pipeline.OpDelete {
		return
	}
	raw, ok := find(w.body, s.write.answer.Record)
	if !ok || raw.Kind() != '{' || checkJSON(w.body) != nil {
		a.Evidence += ", and the answer has no record where the file says"
		return
	}
	if path := s.write.answer.ID; path != "" {
		if a.ID = scalar(raw, path); a.ID == "" {
			a.ID = scalar(w.body, path)
		}
	}
	dec, err := schemas.NewDecoder(s.decode)
	if err != nil {
		return
	}
	meta := schemas.RowMeta{AskedAt: a.At, ETag: s.etagFrom(reply{header: w.header}, raw)}
	if refusal := dec.Append(raw, meta); refusal != nil {
		a.Evidence += fmt.Sprintf(", and the record in the answer does not fit: field %s: %s", refusal.Field, s.client.redact.Text(refusal.Reason))
		return
	}
	a.Record = &pipeline.Batch{Rows: dec.Flush()}
	if a.ID == "" {
		a.ID = idOf(a.Record.Rows, 0)
	}
}
