package stagetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
)

// Protocol is what the system was told to offer.
func (s *System) Protocol(pipeline.WriteOp) pipeline.Protocol { return s.By }

// CanWrite is true of every operation.
func (s *System) CanWrite(pipeline.WriteOp) bool { return true }

// Prepare renders a write as JSON.
func (s *System) Prepare(w pipeline.Write) (pipeline.Request, error) {
	values, whole := w.After, s.Whole && w.Op == pipeline.OpUpdate
	if whole {
		if w.Base == nil {
			return pipeline.Request{}, pipeline.ErrNeedsRead
		}
		values = laid(w)
	}
	body, err := json.Marshal(values)
	if err != nil {
		return pipeline.Request{}, err
	}
	r := pipeline.Request{Method: string(w.Op), Path: w.ID, Body: string(body), Header: map[string]string{}, Whole: whole}
	if s.By == pipeline.ByIdempotencyKey {
		r.Header["key"] = w.IdempotencyKey
	}
	if s.By == pipeline.ByPrecondition && w.Version != nil {
		r.Header["version"] = strconv.FormatInt(*w.Version, 10)
	}
	return r, nil
}

// laid is the newest record with what changes laid over it.
func laid(w pipeline.Write) pipeline.Values {
	out := pipeline.Values{}
	for _, f := range Fields() {
		column := w.Base.Rows.Column(w.Base.Rows.Schema().FieldIndices(f.Name)[0])
		if text, ok := f.Type.Canonical(column, 0); ok && f.Name != "id" && f.Name != "updated_at" {
			out[f.Name] = &text
		}
	}
	maps.Copy(out, w.After)
	return out
}

// Send does a write, or what OnSend says instead.
func (s *System) Send(_ context.Context, r pipeline.Request, op pipeline.WriteOp, fence func() error) (pipeline.Answer, error) {
	if err := fence(); err != nil {
		return pipeline.Answer{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Sends++
	what := Fine
	if s.OnSend != nil {
		what = s.OnSend(s.Sends)
	}
	at := s.Clock.Now()
	switch what {
	case LostBefore:
		return pipeline.Answer{}, lost()
	case Refuse:
		return pipeline.Answer{Outcome: pipeline.Rejected, Status: 422, Evidence: "422 no", At: at}, nil
	case LandsLate:
		s.late = append(s.late, func() { _, _ = s.effect(r, op) }) // nobody hears the answer
		return pipeline.Answer{}, lost()
	case Busy:
		return pipeline.Answer{Outcome: pipeline.Retryable, Status: 429, Evidence: "429", At: at}, nil
	}
	answer, err := s.effect(r, op)
	answer.At = at
	if s.NoStatus {
		answer.Status = 0
	}
	if what == LostAfter {
		return pipeline.Answer{}, lost()
	}
	return answer, err
}

// Land does what still executes.
func (s *System) Land() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, write := range s.late {
		write()
	}
	s.late = nil
}

func lost() error {
	return &fault.Error{Kind: fault.Unknown, Op: "send", Err: errors.New("connection reset")}
}

func (s *System) effect(r pipeline.Request, op pipeline.WriteOp) (pipeline.Answer, error) {
	if key := r.Header["key"]; key != "" {
		if saved, ok := s.keys[key]; ok {
			return s.shown(saved), nil
		}
	}
	var values pipeline.Values
	if err := json.Unmarshal([]byte(r.Body), &values); err != nil {
		return pipeline.Answer{}, err
	}
	id := r.Path
	if op != pipeline.OpCreate && s.records[id] == nil {
		return pipeline.Answer{Outcome: pipeline.AlreadyTrue, Status: 404, Evidence: "404"}, nil
	}
	if v, ok := r.Header["version"]; ok && op != pipeline.OpCreate && v != strconv.FormatInt(s.version[id], 10) {
		return pipeline.Answer{Outcome: pipeline.Stale, Status: 412, Evidence: "412"}, nil
	}
	if op == pipeline.OpCreate {
		s.nextID++
		id = fmt.Sprintf("%s-new-%d", s.Name, s.nextID)
	}
	if op == pipeline.OpDelete {
		delete(s.records, id)
	} else {
		for field, v := range values {
			if v != nil && s.Lose != nil {
				lost := s.Lose(field, *v)
				values[field] = &lost
			}
		}
		s.set(id, values)
	}
	s.Effects = append(s.Effects, fmt.Sprintf("%s %s %s", op, id, r.Body))
	answer := pipeline.Answer{Outcome: pipeline.Applied, Status: 200, ID: id, Evidence: "200"}
	if key := r.Header["key"]; key != "" {
		s.keys[key] = answer
	}
	return s.shown(answer), nil
}

// shown adds the record as it is now.
func (s *System) shown(a pipeline.Answer) pipeline.Answer {
	if s.records[a.ID] != nil {
		rows, _ := s.batch([]string{a.ID})
		a.Record = &pipeline.Batch{Rows: rows}
	}
	return a
}

// Search finds records by code.
func (s *System) Search(_ context.Context, key map[string]string) (pipeline.Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, id := range s.ids() {
		if c := s.records[id]["code"]; c != nil && *c == key["code"] {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return pipeline.Batch{}, nil
	}
	rows, _ := s.batch(ids)
	return pipeline.Batch{Rows: rows}, nil
}
