package merge

import (
	"maps"
	"slices"

	"github.com/trueup-data/trueup/pipeline"
)

// judging is the work on one key: the situation, what became of it so far, and
// what each system says.
type judging struct {
	rules *Rules
	in    Situation

	golden      *Golden // as it becomes
	old         *Golden // as it was when the fields were decided
	before      *Golden // as it was once the outcomes were taken in; nil: there was none
	tombstone   *Tombstone
	links       map[[2]string]Link
	differences map[[2]string]Difference
	holds       map[string]Hold // by field, as they become
	sides       map[string]*side
	held        bool // a presence conflict waits for a person: nothing moves
	waits       bool // nobody can tell now whether a side of it changed
	overruled   bool // a delete stands against an update that had not seen it
	born        bool // golden comes into being, or a new life begins
	out         Verdict
}

// side is one system in the judging of one key.
type side struct {
	sys     System
	unknown string // why it takes no part; "" if it is known
	row     *Row   // its live record; nil: it shows none
	gone    bool   // it shows none, and one that it held is proven gone
	moved   bool   // the ID that it held lives under another key now
	old     bool   // its live record belongs to a life that golden gave up
	base    *Base  // what was judged last, after the outcomes; nil: it never held the key
	seen    Fields // its live record in entity fields, settled as of now
	lagging map[string]bool
	first   bool   // shown for the first time, or under a new ID
	lost    bool   // delete news: it held the live key, and is proven to hold it no more
	told    string // the ID that it shows or lost
	news    map[string]bool
	unseen  map[string]bool // of its news: it had not seen golden
	view    Fields          // what it would show if it held golden as it was
	frozen  map[string]bool // fields in which it contends in a hold
}

// takesPart reports whether the system has a say in the fields.
func (s *side) takesPart() bool { return s.unknown == "" && s.row != nil && !s.old }

// addressed reports whether the system may be written to in this run: one that
// was not due only if every write is compared with what it holds.
func (s *side) addressed() bool { return s.unknown == "" && (s.sys.Due || s.sys.Checked) }

// Judge is the merge of one key: who says what, who is right, and what would
// have to be written where. It changes nothing of its input.
func Judge(rules *Rules, in Situation) Verdict {
	j := begin(rules, in)
	j.learn()
	j.people()
	j.stand()
	j.observe()
	j.presence()
	if j.held {
		j.stay()
	} else {
		j.fields()
	}
	j.pin()
	j.freeze()
	if !j.held {
		j.follow()
		j.send()
	}
	j.tally()
	j.noted()
	return j.verdict()
}

// stand takes golden as it is before anything new is judged.
func (j *judging) stand() {
	j.before = j.golden.clone()
	j.each(func(s *side) {
		if j.golden != nil {
			s.base = j.golden.Bases[s.sys.Name]
		}
	})
}

func begin(rules *Rules, in Situation) *judging {
	j := &judging{rules: rules, in: in, golden: in.Golden.clone(), tombstone: in.Tombstone,
		links: map[[2]string]Link{}, differences: map[[2]string]Difference{}, holds: map[string]Hold{}, sides: map[string]*side{}}
	for _, l := range in.Links {
		j.links[[2]string{l.System, l.ID}] = l
	}
	for _, d := range in.Differences {
		j.differences[[2]string{d.System, d.Field}] = d
	}
	for _, s := range rules.Systems {
		j.sides[s.Name] = &side{sys: s, news: map[string]bool{}, unseen: map[string]bool{}, lagging: map[string]bool{}, frozen: map[string]bool{}}
	}
	return j
}

func (g *Golden) clone() *Golden {
	if g == nil {
		return nil
	}
	c := newGolden(g.Version)
	c.Live, c.Fields = g.Live, g.Fields.clone()
	maps.Copy(c.Sources, g.Sources)
	maps.Copy(c.Edited, g.Edited)
	for s, b := range g.Bases {
		if b != nil {
			copied := *b
			copied.Fields, copied.Versions, copied.Frozen = b.Fields.clone(), maps.Clone(b.Versions), maps.Clone(b.Frozen)
			c.Bases[s] = &copied
		}
	}
	return c
}

func newGolden(version int64) *Golden {
	return &Golden{Live: true, Version: version, Fields: Fields{}, Sources: map[string]string{}, Edited: map[string]Edit{}, Bases: map[string]*Base{}}
}

// each walks the systems in the order of the project file.
func (j *judging) each(visit func(s *side)) {
	for _, s := range j.rules.Systems {
		visit(j.sides[s.Name])
	}
}

func (j *judging) link(system, id, state string, at int64) {
	key := [2]string{system, id}
	if old, ok := j.links[key]; !ok || old.State != state {
		j.links[key] = Link{System: system, ID: id, State: state, AtUS: at, ToldUS: old.ToldUS}
	}
}

func (j *judging) differ(d Difference) { j.differences[[2]string{d.System, d.Field}] = d }

func (j *judging) find(kind, severity, system, observed string) {
	j.out.Findings = append(j.out.Findings, Finding{Kind: kind, Severity: severity, System: system, Observed: observed})
}

// verdict collects what stands afterwards. A finding about a system that is not
// spoken to now is neither confirmed nor resolved.
func (j *judging) verdict() Verdict {
	if j.golden != nil && j.changed() {
		j.golden.Version++
	}
	j.out.Golden, j.out.Tombstone = j.golden, j.tombstone
	for _, key := range sortedPairs(j.links) {
		j.out.Links = append(j.out.Links, j.links[key])
	}
	for _, key := range sortedPairs(j.differences) {
		j.out.Differences = append(j.out.Differences, j.differences[key])
	}
	j.out.Holds = j.holdsAfter()
	j.out.Unknown = map[string]string{}
	j.each(func(s *side) {
		if s.unknown != "" {
			j.out.Unknown[s.sys.Name] = s.unknown
		}
	})
	for _, f := range j.in.Findings {
		s, ok := j.sides[f.System]
		wanted := slices.ContainsFunc(j.out.Findings, func(w Finding) bool { return w.Kind == f.Kind && w.System == f.System })
		if !wanted && ok && !s.addressed() {
			j.out.Findings = append(j.out.Findings, f)
		}
	}
	return j.out
}

func sortedPairs[V any](m map[[2]string]V) [][2]string {
	keys := make([][2]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	return keys
}

// done reports whether an outcome means that the system holds what was sent.
func done(o pipeline.Outcome) bool {
	return o == pipeline.Applied || o == pipeline.AppliedPartly || o == pipeline.AlreadyTrue || o == pipeline.NotKept
}

// declined reports whether the system will not take it in this form.
func declined(o pipeline.Outcome) bool {
	return o == pipeline.Rejected || o == pipeline.Refused || o == pipeline.NotKept
}

// changed reports whether golden differs from what is stored.
func (j *judging) changed() bool {
	if j.in.Golden == nil || j.in.Golden.Live != j.golden.Live {
		return true
	}
	return slices.ContainsFunc(j.rules.Fields, func(f string) bool {
		return j.golden.Fields.Get(f) != j.in.Golden.Fields.Get(f)
	})
}
