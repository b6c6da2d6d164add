package merge

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"github.com/trueup-data/trueup/pipeline"
)

// Limit is a guard: it trips above the larger of the two.
type Limit struct {
	AtLeast int
	Percent float64
}

// Standing is what the change set of an entity stands on.
type Standing struct {
	Plan    string                     // under which unapproved changes wait
	Yes     bool                       // the first plan is approved as it is
	Words   map[string]string          // effect -> approve or reject, as a person said last
	Limits  map[string]Limit           // creates, updates, deletes; a kind without one is not guarded
	Records map[string]int             // live records of a system
	Recent  map[string]map[string]bool // "system kind" -> keys already touched in the window
}

// Judged is a key with what came of it.
type Judged struct {
	Key     string
	Changes []Change
	Verdict Verdict
	Held    bool
}

// Planned is a change as it stands afterwards.
type Planned struct {
	ID, Key, State, Plan string
	Want                 Want
	Effect               string

	approved bool
}

// Kind is the guard's class of a change: creates, updates, deletes.
func (w Want) Kind() string { return string(w.Op) + "s" }

// Plan makes the change set of what is wanted: what may be sent, and what
// waits for a person. It returns the changes that stand afterwards, and the
// open ones that no longer do.
func Plan(rules *Rules, on Standing, all []Judged) (stands []Planned, superseded []string) {
	for _, judged := range all {
		wanted := map[string]bool{}
		for _, w := range judged.Verdict.Wants {
			if p, ok := rules.propose(on, judged, w); ok {
				stands = append(stands, p)
				wanted[p.ID] = true
			}
		}
		for _, c := range judged.Changes {
			if c.open() && !wanted[c.ID] {
				superseded = append(superseded, c.ID)
			}
		}
	}
	guard(on, stands)
	return stands, superseded
}

// open: not sent yet, and not settled either.
func (c Change) open() bool {
	return c.State == "planned" || c.State == "ready" || c.State == "held" && c.Attempt == 0
}

func (r *Rules) propose(on Standing, judged Judged, w Want) (Planned, bool) {
	p := Planned{Key: judged.Key, Want: w, Effect: Effect(w.System, judged.Key, w.Op, w.Before, w.After)}
	p.ID = changeID(p.Effect, w)
	waiting := false
	for _, c := range judged.Changes {
		if c.ID == p.ID && !c.open() && c.State != "superseded" && c.State != "failed" {
			return p, false // it was sent in this form
		}
		if c.System == w.System && c.State == "planned" {
			p.Plan, waiting = max(p.Plan, c.Plan), true
		}
	}
	for _, s := range r.Systems {
		if s.Name == w.System && (!s.Joined || w.Unjoined) && !waiting {
			p.Plan, waiting = on.Plan, true
		}
	}
	switch {
	case on.Words[p.Effect] == "reject":
		p.State = "rejected"
	case on.Words[p.Effect] == "approve" || waiting && on.Yes:
		p.State, p.approved = "ready", true
	case waiting:
		p.State = "planned"
	case w.Asks:
		p.State = "held"
	default:
		p.State = "ready"
	}
	return p, true
}

// changeID tells a change by its effect and by the observation that it corrects.
func changeID(effect string, w Want) string {
	corrects := fmt.Sprintf("create:%d", w.LinkUS)
	if w.Op != pipeline.OpCreate {
		version := ""
		if w.Seen.Version != nil {
			version = fmt.Sprint(*w.Seen.Version)
		}
		corrects = strings.Join([]string{w.ID, fmt.Sprint(w.Seen.Hash), version, fmt.Sprint(w.Seen.AskedUS)}, ":")
	}
	sum := sha256.Sum256([]byte(effect + "\x1f" + corrects))
	return hex.EncodeToString(sum[:])
}

// guard holds every unapproved change of a kind where there are too many keys.
func guard(on Standing, stands []Planned) {
	keys := map[string]map[string]bool{}
	for name, recent := range on.Recent {
		keys[name] = map[string]bool{}
		for k := range recent {
			keys[name][k] = true
		}
	}
	for _, p := range stands {
		if name := p.Want.System + " " + p.Want.Kind(); p.State == "ready" && !p.approved {
			if keys[name] == nil {
				keys[name] = map[string]bool{}
			}
			keys[name][p.Key] = true
		}
	}
	for i, p := range stands {
		limit, guarded := on.Limits[p.Want.Kind()]
		most := math.Max(float64(limit.AtLeast), limit.Percent*float64(on.Records[p.Want.System])/100)
		if guarded && p.State == "ready" && !p.approved && float64(len(keys[p.Want.System+" "+p.Want.Kind()])) > most {
			stands[i].State = "held"
		}
	}
}
