package merge

import (
	"maps"
	"slices"

	"github.com/trueup-data/trueup/pipeline"
)

// Rules are what the project file says of an entity.
type Rules struct {
	Fields        []string
	Units         []Unit // every field is in one
	Checks        []Check
	Systems       []System // in file order
	Deletes       []string // systems whose delete makes golden go
	AgainstUpdate string   // hold, update, delete
	Recreate      bool     // what a system without that authority deleted is created again
	Run           string   // of this judgement
	NowUS         int64    // its pinned clock
	WindowUS      int64    // of the guards
}

// System is one stream of the entity: its mappings as functions, and what may be written.
type System struct {
	Name                   string
	Map                    func(stream Fields) Fields // entity fields that it maps: Value, Null, Absent or Unknown
	Loss                   map[string]Loss            // entity field -> what the system is declared to lose of it
	Write                  func(golden Fields) Fields // stream fields that it writes; without those that an unset field feeds
	Reads                  map[string][]string        // entity field -> the stream fields that its mapping reads
	Feeds                  map[string][]string        // written stream field -> the entity fields that its expression reads
	Scope                  func(golden Fields) bool
	Create, Update, Delete bool
	TakesLossy             bool     // an edit of a value that it shows only in part is taken
	Leave                  string   // what becomes of a record that leaves the scope: keep, delete, hold
	ScopeReads             []string // entity fields that the scope reads
	SettleUS               int64
	Checked                bool  // every write is compared right before it is sent
	Timed                  bool  // its versions are times
	Joined                 bool  // its first plan is approved
	Quarantined            bool  // it says too much at once: nothing that it says is judged
	ApprovedUS             int64 // what it had said up to then, a person approved
	Due, Complete          bool  // of this run's read
}

// Loss is what a system does to the values of a field that is its own column as it
// is: values that fold to the same are the same there.
type Loss struct {
	Column string
	Text   bool // golden takes the column's text, not its fold
	Fold   func(text string) string
	Words  func(text string) string // the part of Fold that drops nothing
}

// Shows is the record in entity fields, after the declared loss: the one equality
// for news, agreement, and the question whether to send.
func (s System) Shows(stream Fields) Fields {
	out := s.Map(stream)
	for field, loss := range s.Loss {
		if v := out.Get(field); v.State == Value {
			out[field] = Of(loss.Fold(v.Text))
		}
	}
	return out
}

// maps reports whether the system maps the entity field at all.
func (s System) maps(field string) bool { _, ok := s.Reads[field]; return ok }

// writes reports whether a write can change what the system shows for the field.
func (s System) writes(field string) bool {
	return overlap(s.Reads[field], func(column string) bool { _, ok := s.Feeds[column]; return ok })
}

// View is what the system would show if it held golden: golden as it writes
// it, laid over its newest record, and mapped back.
func (s System) View(golden, stream Fields) Fields {
	laid := stream.clone()
	for column, v := range s.Write(golden) {
		laid[column] = v
	}
	mapped, view := s.Shows(laid), Fields{}
	for field := range s.Reads {
		switch {
		case !golden.Get(field).Set():
			view[field] = Val{State: Unset}
		case !s.writes(field):
			view[field] = golden.Get(field)
		default:
			view[field] = mapped.Get(field)
		}
	}
	return view
}

// Row is the newest observation of an ID.
type Row struct {
	System  string
	ID      string
	Op      pipeline.Op
	Version *int64
	ETag    string
	Hash    int64
	AskedUS int64
	ThisRun bool              // stored by this run
	Present pipeline.FieldSet // the stream fields that this payload carried
	Stream  Fields
}

// carried reports whether the payload had everything that the field is mapped from.
func (r *Row) carried(reads []string) bool {
	return !slices.ContainsFunc(reads, func(column string) bool { return !r.Present.Has(column) })
}

// Golden is the resolved record with its bases.
type Golden struct {
	Live    bool
	Version int64
	Fields  Fields
	Sources map[string]string // field -> systems, the winner first, or "person"
	Edited  map[string]Edit   // field -> when the edit was made, where the rule asks
	Bases   map[string]*Base  // by system; nil: it holds the key no more, or never did
}

// Edit is when an edit was made: later than Since, not later than Until. Nil: nobody knows.
type Edit struct {
	Since *int64 `json:"since"`
	Until *int64 `json:"until"`
}

// Base is what was judged last of a system.
type Base struct {
	ID       string
	Hash     int64
	ETag     string
	Version  *int64
	Fields   Fields
	Versions map[string]*int64 // field -> the version under which it was judged
	Frozen   map[string]bool   // fields that contend in a hold
}

// set judges a field under a version.
func (b *Base) set(field string, v Val, version *int64) {
	b.Fields[field], b.Versions[field] = v, version
}

// Link is a row of the crosswalk.
type Link struct {
	System, ID, State string // live, missing, gone, deleted, moved
	AtUS              int64
	ToldUS            int64 // when the system last told something new of it; 0: never
}

// Tombstone names the IDs that held a key when golden gave it up.
type Tombstone struct {
	IDs    map[string][]string
	Source string
	Live   bool
}

func (t *Tombstone) names(system, id string) bool {
	return t != nil && slices.Contains(t.IDs[system], id)
}

// with is the tombstone with one more ID.
func (t *Tombstone) with(system, id string) *Tombstone {
	if t.names(system, id) {
		return t
	}
	ids := maps.Clone(t.IDs)
	ids[system] = slices.Sorted(slices.Values(append(slices.Clone(ids[system]), id)))
	return &Tombstone{IDs: ids, Source: t.Source, Live: t.Live}
}

// Outcome is what became of a change since the last reconcile.
type Outcome struct {
	Change, System, ID string
	Op                 pipeline.WriteOp
	Outcome            pipeline.Outcome
	Before, After      pipeline.Values
	Effect             string
	Columns            map[string]pipeline.Outcome // by stream field; missing: as the whole
	AtUS               int64
	Answer             *Row // what the system answered, or nil
}

// Change is where an earlier change stands.
type Change struct {
	ID, System, RecordID string
	Op                   pipeline.WriteOp
	Effect, State        string
	Plan                 string
	Before, After        pipeline.Values
	Attempt, Generation  int64
	AtUS                 int64
}

// Letter is an open dead letter of the key.
type Letter struct {
	System, ID string // ID "" where it could not be read
	AskedUS    int64
}

// Difference is a pair that stays apart because it was decided so.
type Difference struct {
	System, Field, Kind, Reason string
	Golden, Seen                *string
}

// Finding is something about the record that a person should know.
type Finding struct {
	Kind, Severity, System, Observed string
}

// Hold is a field, the fields of a group, or a presence that waits for a person.
type Hold struct {
	Field      string // joined by commas; "" is the presence
	Kind       string // why it is held
	Golden     map[string]Shown
	Contenders map[string]Contender // by system
	Reason     string
	State      string // open, closed
	Decision   string // the last one on it
	FirstRun   string
}

// Shown is a value with its state, as a hold keeps it.
type Shown struct {
	State  string  `json:"state"`
	Value  *string `json:"value"`
	Source *string `json:"source,omitempty"` // of golden's
}

// Contender is a side of a hold, as it was last shown.
type Contender struct {
	ID      string              `json:"id"`
	Version *int64              `json:"version"`
	Hash    int64               `json:"hash"`
	Fields  map[string]Contends `json:"fields"`
}

// Contends is what a contender shows of a field, and its frozen base.
type Contends struct {
	BaseState string  `json:"base_state"`
	Base      *string `json:"base"`
	State     string  `json:"state"`
	Value     *string `json:"value"`
}

// Decision is what a person said of a hold since the last reconcile.
type Decision struct {
	ID     string
	Field  string // of the hold
	Shown  map[string]Contender
	Choice Choice
	AtUS   int64
}

// Choice is what a person chose: a side, values, or to leave the difference.
type Choice struct {
	Take  string             `json:"take"` // a system, golden, base, keep, delete
	Value map[string]*string `json:"value"`
	Leave bool               `json:"leave"`
}

// Conflict keeps the sides of a disagreement that was decided.
type Conflict struct {
	Field, Kind, System        string
	Base, Seen, Golden, Chosen *string
	Reason                     string
}

// Want is a write that would make a system agree with golden.
type Want struct {
	System, ID    string
	Op            pipeline.WriteOp
	Before, After pipeline.Values
	Seen          *Row  // the observation that it corrects; nil for a create
	LinkUS        int64 // of a create: when the system last had the key, or 0
	Asks          bool  // it leaves the scope, and a person is to say whether it is deleted
	Unjoined      bool  // only systems whose plan is not approved hold the record
}

// Situation is everything that is known of one key.
type Situation struct {
	Key         string
	Golden      *Golden
	Tombstone   *Tombstone
	Links       []Link
	Rows        []Row
	Outcomes    []Outcome
	Changes     []Change
	Letters     []Letter
	Differences []Difference
	Findings    []Finding // open ones of the kinds that reconcile makes
	Holds       []Hold    // open and closed
	Decisions   []Decision
	WentBack    []string // systems that showed an older version than they had shown before
}

// Verdict is what follows. Golden, Links, Tombstone and Differences are whole,
// as they stand afterwards.
type Verdict struct {
	Golden      *Golden
	Tombstone   *Tombstone
	Links       []Link
	Differences []Difference
	Findings    []Finding // open afterwards
	Conflicts   []Conflict
	Wants       []Want
	Holds       []Hold
	Unknown     map[string]string // system -> why it takes no part
	Input       []Input           // how much each system told
}
