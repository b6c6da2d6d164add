package merge

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/trueup-data/trueup/pipeline"
)

// learn takes the outcomes of our own writes into base before anything new is
// judged, so that no write of ours is ever taken for somebody's news.
func (j *judging) learn() {
	j.each(func(s *side) {
		for _, o := range j.in.Outcomes {
			if o.System == s.sys.Name {
				j.learnFrom(s, o)
			}
		}
		j.learnFlapping(s)
	})
}

func (j *judging) learnFrom(s *side, o Outcome) {
	switch o.Op {
	case pipeline.OpCreate:
		j.learnCreate(s, o)
	case pipeline.OpUpdate:
		j.learnUpdate(s, o)
	case pipeline.OpDelete:
		j.learnDelete(o)
	}
	j.learnRefusal(o)
}

// learnCreate: the answer to a create is base for all its fields. What we did
// not send are the system's defaults: golden takes them where it has nothing.
// Where only a look after a doubt showed the record, and not as it was sent, ours
// was altered or somebody has edited it since: its base is unsure, and it waits for a person.
func (j *judging) learnCreate(s *side, o Outcome) {
	if !done(o.Outcome) || o.Answer == nil || j.golden == nil {
		return
	}
	j.link(o.System, o.Answer.ID, "live", o.AtUS)
	base := baseOf(o.Answer)
	mapped := s.sys.Shows(o.Answer.Stream)
	for field, reads := range s.sys.Reads {
		v := mapped.Get(field)
		unsure := overlap(reads, func(column string) bool { return o.column(column) == unproven })
		switch {
		case unsure:
			base.set(field, Val{State: Unsure}, nil)
		case v.State == Value:
			base.set(field, v, base.Version)
			if j.golden.Live && !j.golden.Fields.Get(field).Set() {
				j.golden.Fields[field], j.golden.Sources[field] = v, o.System
			}
		case v.State == Null && j.golden.Fields.Get(field).State == Null:
			base.set(field, v, base.Version)
		default:
			base.set(field, Val{State: Unset}, base.Version)
		}
	}
	j.golden.Bases[o.System] = base
	if !j.golden.Live && j.tombstone != nil {
		j.tombstone = j.tombstone.with(o.System, o.Answer.ID) // it was on its way when golden gave the key up
	}
}

// learnUpdate: base takes the fields sent, with the answered values. A write that
// did not send a field does not move the version of its base.
func (j *judging) learnUpdate(s *side, o Outcome) {
	if !done(o.Outcome) || o.Answer == nil || j.golden == nil {
		return
	}
	base := j.golden.Bases[o.System]
	if base == nil || base.ID != o.Answer.ID {
		return
	}
	mapped := s.sys.Shows(o.Answer.Stream)
	for field, reads := range s.sys.Reads {
		sent := overlap(reads, func(column string) bool {
			_, ok := o.After[column]
			return ok && (done(o.column(column)) || o.column(column) == altered)
		})
		if v := mapped.Get(field); sent && v.Set() {
			base.set(field, v, o.Answer.Version)
		}
	}
	base.Hash, base.Version, base.ETag = o.Answer.Hash, o.Answer.Version, o.Answer.ETag
}

// learnDelete: a record that we deleted is as if the system had never held it.
func (j *judging) learnDelete(o Outcome) {
	if !done(o.Outcome) || o.Outcome == pipeline.NotKept {
		return
	}
	key := [2]string{o.System, o.ID}
	j.links[key] = Link{System: o.System, ID: o.ID, State: "deleted", AtUS: o.AtUS, ToldUS: j.links[key].ToldUS}
	if j.golden == nil {
		return
	}
	if base := j.golden.Bases[o.System]; base != nil && base.ID == o.ID {
		delete(j.golden.Bases, o.System)
	}
}

// learnRefusal: what a system will not take is a known difference until either
// side changes; it is not proposed again in the same form.
func (j *judging) learnRefusal(o Outcome) {
	if o.Op != pipeline.OpUpdate {
		if declined(o.Outcome) {
			effect := o.Effect
			j.differ(Difference{System: o.System, Kind: "refused", Golden: &effect, Reason: string(o.Outcome)})
		}
		return
	}
	for _, column := range sortedKeys(o.After) {
		outcome := o.column(column)
		if !declined(outcome) && outcome != altered {
			continue
		}
		seen := o.Before[column]
		if (outcome == pipeline.NotKept || outcome == altered) && o.Answer != nil {
			seen = o.Answer.Stream.Get(column).Pointer()
		}
		j.differ(Difference{System: o.System, Field: column, Kind: "refused", Golden: o.After[column], Seen: seen, Reason: string(outcome)})
	}
}

// flapping is why a value is not sent again.
const flapping = "sent three times and not kept"

// learnFlapping: where the same write of a field was done three times within the
// guards' window, the system sets it back by itself: it is a known difference
// until either side changes.
func (j *judging) learnFlapping(s *side) {
	type write struct{ column, before, after string }
	times := map[write]int{}
	for _, c := range j.in.Changes {
		if c.System != s.sys.Name || c.State != "applied" || c.Op != pipeline.OpUpdate || c.AtUS <= j.rules.NowUS-j.rules.WindowUS {
			continue
		}
		for column, to := range c.After {
			from := c.Before[column]
			w := write{column, ValuesJSON(pipeline.Values{"": from}), ValuesJSON(pipeline.Values{"": to})}
			if times[w]++; times[w] == 3 && !j.declinedNow(s, column) {
				j.differ(Difference{System: s.sys.Name, Field: column, Kind: "refused", Golden: to, Seen: from, Reason: flapping})
			}
		}
	}
}

// declinedNow reports whether the last write told of the column that it was not taken.
func (j *judging) declinedNow(s *side, column string) bool {
	for _, o := range j.in.Outcomes {
		_, sent := o.After[column]
		if o.System == s.sys.Name && o.Op == pipeline.OpUpdate && sent && (declined(o.column(column)) || o.column(column) == altered) {
			return true
		}
	}
	return false
}

// altered: of one field of a write, the system shows neither what was sent nor
// what was there before.
const altered pipeline.Outcome = "altered"

// unproven: a look after a doubt showed of a field of a write something else than
// what was sent.
const unproven pipeline.Outcome = "unknown"

// column is the outcome of one field of the write.
func (o Outcome) column(name string) pipeline.Outcome {
	if of, ok := o.Columns[name]; ok {
		return of
	}
	return o.Outcome
}

func baseOf(r *Row) *Base {
	return &Base{ID: r.ID, Hash: r.Hash, ETag: r.ETag, Version: r.Version, Fields: Fields{}, Versions: map[string]*int64{}, Frozen: map[string]bool{}}
}

// Effect is what an approval or a refusal binds to: the system, the key, the
// operation, and before and after of the fields that change.
func Effect(system, key string, op pipeline.WriteOp, before, after pipeline.Values) string {
	text := strings.Join([]string{system, key, string(op), ValuesJSON(before), ValuesJSON(after)}, "\x1f")
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// ValuesJSON is a change's before or after as it is stored: an object of
// canonical texts, sorted by name.
func ValuesJSON(values pipeline.Values) string {
	b := []byte{'{'}
	for i, name := range sortedKeys(values) {
		if i > 0 {
			b = append(b, ',')
		}
		b, _ = jsontext.AppendQuote(b, name) // only invalid UTF-8 fails, and it is replaced
		b = append(b, ':')
		if v := values[name]; v == nil {
			b = append(b, "null"...)
		} else {
			b, _ = jsontext.AppendQuote(b, *v)
		}
	}
	return string(append(b, '}'))
}
