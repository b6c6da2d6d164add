package world

import (
	"slices"
	"time"
)

// The rules for edits that had not seen each other.
const (
	Latest   = "latest"   // the newer one stands
	Priority = "priority" // the one of the first system in the order stands
	Hold     = "hold"     // a person decides
)

// Conflict says who wins where two edits of a field had not seen each other. The
// zero value has no such rule: the authority decides.
type Conflict struct {
	Rule  string        // Latest, Priority or Hold; "" is none
	Skew  time.Duration // of Latest: what lies within it is not ordered, and either may win
	Order []string      // of Priority: systems, best first
}

// Conflicts is the conflict rule of a field in the demo's project file.
func Conflicts(entity, field string) Conflict {
	if e := entityNamed(entity); e != nil {
		return e.conflicts[field]
	}
	return Conflict{}
}

// fateByRule is the fate of an edit that a system does not show, where a conflict
// rule has the word. It may lose to an edit whose author had seen it, or to one that
// the rule prefers; to nothing else. An edit that the same system's people replaced
// answers for nothing: the later one does.
func (v *verifier) fateByRule(rule Conflict, ent *entity, at subject, e Edit, field string, now *string) fate {
	worst := lost
	for _, other := range v.byKey[at] {
		value, set := other.After[field]
		switch {
		case !set || other.Seq == e.Seq:
		case other.System == e.System && other.Seq > e.Seq:
			return replaced
		case !ent.agrees(field, value, now):
		case other.Seq > e.Seq && v.saw(ent, other, e, field):
			return replaced
		case (other.Seq > e.Seq || !v.saw(ent, e, other, field)) && v.prefers(rule, ent, other, e, field):
			worst = overridden
		}
	}
	return worst
}

// saw reports whether the author of an edit had been shown another one's value:
// its record had it at any time in between.
func (v *verifier) saw(ent *entity, author, shown Edit, field string) bool {
	r := v.recordOf(author)
	return r != nil && slices.ContainsFunc(r.Versions, func(version Version) bool {
		return version.Number > shown.Version && version.Number < author.Version && ent.agrees(field, version.Values[field], shown.After[field])
	})
}

// prefers reports whether a rule may let one of two edits win over the other.
func (v *verifier) prefers(rule Conflict, ent *entity, winner, loser Edit, field string) bool {
	switch rule.Rule {
	case Priority:
		return slices.Index(rule.Order, winner.System) < slices.Index(rule.Order, loser.System)
	case Latest:
		// Times are as the systems' own clocks stamped them, since nothing else tells a
		// client; one that lies in the future loses.
		until, since := v.stamped(ent, winner, field), v.stampOf(loser)
		return since.After(loser.At.Add(rule.Skew)) || !until.Before(since.Add(-rule.Skew))
	}
	return false
}

// stampOf is the time that the system gave an edit.
func (v *verifier) stampOf(e Edit) time.Time {
	if r := v.recordOf(e); r != nil {
		for _, version := range r.Versions {
			if version.Number == e.Version {
				return version.UpdatedAt
			}
		}
	}
	return e.At
}

// stamped is the latest time under which the system showed an edit's value: an
// edit of another field moves it.
func (v *verifier) stamped(ent *entity, e Edit, field string) time.Time {
	last := v.stampOf(e)
	r := v.recordOf(e)
	if r == nil {
		return last
	}
	for _, version := range r.Versions {
		if version.Number >= e.Version && ent.agrees(field, version.Values[field], e.After[field]) && version.UpdatedAt.After(last) {
			last = version.UpdatedAt
		}
	}
	return last
}
