package merge

import (
	"strings"

	"github.com/trueup-data/trueup/pipeline"
)

// observe finds, for every system, whether it is known, which record it shows,
// and what that says in entity fields.
func (j *judging) observe() {
	j.each(func(s *side) {
		live, missing := j.ids(s)
		s.unknown = j.whyUnknown(s, live, missing)
		switch s.unknown {
		case "twins":
			j.find("twins", "high", s.sys.Name, strings.Join(idsOf(live), " "))
		case "stale":
			j.find("stale", "low", s.sys.Name, live[0].ID)
		}
		if s.unknown != "" {
			s.gone, s.moved = false, false
			return
		}
		if len(live) == 1 {
			s.row, s.gone, s.moved, s.told = live[0], false, false, live[0].ID
			s.old = j.ofAnOldLife(s)
			s.first = s.base == nil || s.base.ID != s.row.ID
			s.seen = j.shown(s)
		}
	})
}

// ofAnOldLife: a tombstone names the ID, it was there all the time since, and
// it is not the record of the present life.
func (j *judging) ofAnOldLife(s *side) bool {
	state := j.links[[2]string{s.sys.Name, s.row.ID}].State
	present := j.golden != nil && j.golden.Live && s.base != nil && s.base.ID == s.row.ID
	return j.tombstone.names(s.sys.Name, s.row.ID) && state != "gone" && state != "deleted" && !present
}

// ids sorts a system's records of the key. An ID that was proven gone, or that
// we deleted, is live again only by a page asked for after the listings have settled.
func (j *judging) ids(s *side) (live []*Row, missing bool) {
	for i := range j.in.Rows {
		r := &j.in.Rows[i]
		if r.System != s.sys.Name {
			continue
		}
		link := j.links[[2]string{r.System, r.ID}]
		ended := link.State == "gone" || link.State == "deleted"
		switch r.Op {
		case pipeline.Upsert, pipeline.Touch:
			if ended && r.AskedUS <= link.AtUS+s.sys.SettleUS {
				s.gone = true
			} else {
				live = append(live, r)
			}
		case pipeline.Missing:
			missing = missing || !ended
		case pipeline.Moved:
			s.moved = true
		case pipeline.Delete:
			s.gone = true
		}
	}
	return live, missing
}

// whyUnknown: a system takes no part, and gets no write, while we cannot know
// what it holds. The reasons, strongest first.
func (j *judging) whyUnknown(s *side, live []*Row, missing bool) string {
	switch {
	case j.inDoubt(s):
		return "in_doubt"
	case s.sys.Quarantined:
		return "quarantined"
	case j.unread(s):
		return "unread"
	case j.deadLetter(s):
		return "dead_letter"
	case missing:
		return "missing"
	case len(live) > 1:
		return "twins"
	case len(live) == 1 && older(live[0], s.base):
		return "stale"
	}
	return ""
}

// inDoubt: a write is on its way, or nobody can tell what became of it.
func (j *judging) inDoubt(s *side) bool {
	for _, c := range j.in.Changes {
		if c.System == s.sys.Name && (c.State == "sent" || c.State == "in_doubt" || c.State == "held" && c.Attempt > 0) {
			return true
		}
	}
	return false
}

// unread: it was due and not read to its end in this run, or it never was. A
// record that this run did see is known all the same.
func (j *judging) unread(s *side) bool {
	if s.sys.Complete || s.sys.Joined && !s.sys.Due {
		return false
	}
	for _, r := range j.in.Rows {
		if r.System == s.sys.Name && r.ThisRun && s.sys.Joined {
			return false
		}
	}
	return true
}

// deadLetter: the newest thing that the system said of the record could not be read.
func (j *judging) deadLetter(s *side) bool {
	for _, l := range j.in.Letters {
		if l.System != s.sys.Name {
			continue
		}
		newest := int64(-1)
		for _, r := range j.in.Rows {
			if r.System == l.System && (l.ID == "" || r.ID == l.ID) {
				newest = max(newest, r.AskedUS)
			}
		}
		if l.AskedUS >= newest {
			return true
		}
	}
	return false
}

// older: an observation older than the one judged last is no news, never base.
func older(r *Row, base *Base) bool {
	return base != nil && base.ID == r.ID && base.Version != nil && r.Version != nil && *r.Version < *base.Version
}

// shown is the live record in entity fields: a null that nobody was seen to
// put there is unset, and a field that lags behind our own write stays the answer.
func (j *judging) shown(s *side) Fields {
	seen := s.sys.Shows(s.row.Stream)
	s.lagging = map[string]bool{}
	for field, v := range seen {
		base := Val{State: Unset}
		if s.base != nil {
			base = s.base.Fields.Get(field)
		}
		if v.State == Null && (!base.Set() || s.first) {
			seen[field] = Val{State: Unset}
		}
		if j.lags(s, field) && seen[field] != base {
			if seen[field], s.lagging[field] = base, true; base.State == Unsure {
				seen[field] = Val{State: Unset}
			}
		}
	}
	return seen
}

// lags: a page asked for before the listings have settled says nothing about
// the fields that we sent, unless it is newer by the system's own version.
func (j *judging) lags(s *side, field string) bool {
	if s.base == nil || s.base.ID != s.row.ID {
		return false
	}
	if s.row.Version != nil && s.base.Version != nil && *s.row.Version > *s.base.Version {
		return false
	}
	for _, c := range j.in.Changes {
		if c.System != s.sys.Name || c.RecordID != s.row.ID || c.State != "applied" || s.row.AskedUS < c.AtUS || s.row.AskedUS >= c.AtUS+s.sys.SettleUS {
			continue
		}
		if overlap(s.sys.Reads[field], func(column string) bool { _, ok := c.After[column]; return ok }) {
			return true
		}
	}
	return false
}

func idsOf(rows []*Row) []string {
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}
