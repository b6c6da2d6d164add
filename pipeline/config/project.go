package config

import (
	"fmt"
	"time"

	"github.com/trueup-data/trueup/schemas"
)

// Position is where something stands in a project file; lines and columns count from 1.
type Position struct {
	File   string
	Line   int
	Column int
}

// String is "file:line:column".
func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Expr is DuckDB SQL, with its place for messages.
type Expr struct {
	SQL string
	At  Position

	lines []Position // of a block text: where each line begins
}

// Template is text with {{ places }}, with its place for messages.
type Template struct {
	Text string
	At   Position
}

// Project is a decoded, defaulted and checked project file. It is read-only.
type Project struct {
	Name       string
	Store      string   // URL
	Systems    []System // in file order, as all lists here
	Entities   []Entity
	Lease      time.Duration // default 1m
	Checkpoint CheckpointEvery
	Schedules  []Schedule
	Monitors   Monitors
	Hash       string   // sha256 of the canonical form of the project without secrets' values
	Secrets    []string // every value that came from ${...}, for redaction
}

// CheckpointEvery bounds how much work a crash can cost; the first bound reached counts.
type CheckpointEvery struct {
	Records int           // default 50000
	Bytes   int64         // default 64 MiB
	Every   time.Duration // default 30s
}

// System is one external system. Exactly one of the connector nodes is set; the
// connector decodes it itself.
type System struct {
	Name      string
	Connector string // "rest" or "postgres"
	Settings  Node   // the connector's own part
	Limits    Limits
	At        Position
}

// Limits bound the requests to one system, for all readers and writers together.
type Limits struct {
	RequestsPerSecond float64       // default 10
	Burst             int           // default 2x
	Concurrency       int           // default 4
	Adaptive          bool          // default true
	Timeout           time.Duration // per request; default 30s
}

// Entity is a canonical record type.
type Entity struct {
	Name    string
	Key     []string
	Fields  []EntityField
	Streams []Stream
	Resolve Resolve
	Groups  [][]string // fields that are judged as one, each taken from one side
	Checks  []Check
	Guards  Guards
	At      Position
}

// EntityField is a typed field of an entity.
type EntityField struct {
	Name      string
	Type      schemas.Type
	Normalize []string // trim, upper, lower: applied in this order to strings
	Ref       string   // another entity, or ""
	At        Position
}

// Stream is an entity in a system.
type Stream struct {
	System  string
	Extract Extract
	Map     []Mapping // SQL over the stream's fields -> entity field, in entity order; complete: fields of the same name are in it too
	Write   *Write    // nil: the system is only read
	Join    string    // adopt
	At      Position
}

// Mapping is one line of map or of write.fields.
type Mapping struct {
	Name string // the entity field, or with write the path of a system's field
	Expr Expr
}

// Extract is what every connector has in common; Settings holds the rest (request, paginate, table, ...).
type Extract struct {
	PrimaryKey  []string
	Fields      []schemas.Field
	Version     string // field that is monotonic per record; default: the cursor field
	Incremental *IncrementalRead
	Covers      *Expr // absence means something only where this is true
	Tombstone   *Expr // deletes.tombstone
	Absence     bool  // deletes.absence: absence in a proven sweep, confirmed by ID; default true where read is declared
	Settings    Node  // the connector's own part of extract
	At          Position
}

// IncrementalRead says how a stream is read since a cursor.
type IncrementalRead struct {
	CursorField string
	Lookback    time.Duration // default 10m
	NullCursor  string        // read (default: refused rows would vanish), fail
}

// Write says how golden records get into a system.
type Write struct {
	Scope        *Expr     // over entity fields; nil: every record
	Fields       []Mapping // SQL over entity fields -> system's field, by path
	Create       bool      // declared operations; how is in Settings
	Update       bool
	Delete       bool
	Settle       time.Duration // default 0
	Idempotency  time.Duration // retention of an idempotency key; 0: none is offered
	Precondition bool
	Lossy        map[string]Loss // by stream field
	TakesLossy   bool            // lossy_news: take; default: an edit of a value that is shown only in part waits for a person
	Leave        string          // keep (default), delete, hold: what becomes of a record that leaves the scope
	Verify       string          // read (default without preconditions), none
	Settings     Node            // the connector's own part of write
	At           Position
}

// Check is a condition over golden; a merge that breaks one that held before waits for a person.
type Check struct {
	Name string
	Expr Expr
}

// Resolve says who is right.
type Resolve struct {
	Default Rule
	Fields  map[string]Rule
	Deletes DeleteRule
}

// Rule is a rule for a field: exactly one of authority, latest, priority, hold.
type Rule struct {
	Authority []string // a value rule: systems whose news counts, best first
	Latest    *Latest  // a conflict rule: the newest edit
	Priority  []string // a conflict rule: systems, best first
	Hold      bool     // a conflict rule: a person decides
	At        Position
}

// Latest is the rule that the newest edit counts.
type Latest struct {
	Skew time.Duration // how far two clocks may be apart; default 2m
	Then []string      // who counts where nobody can tell which edit is newer, best first
}

// Kinds of rules.
const (
	RuleAuthority = "authority"
	RuleLatest    = "latest"
	RulePriority  = "priority"
	RuleHold      = "hold"
)

// DefaultSkew is how far the clocks of two systems may be apart unless a rule says so.
const DefaultSkew = 2 * time.Minute

// Kind is the rule's name.
func (r Rule) Kind() string {
	switch {
	case r.Latest != nil:
		return RuleLatest
	case len(r.Priority) > 0:
		return RulePriority
	case r.Hold:
		return RuleHold
	}
	return RuleAuthority
}

// Order lists the systems that the rule names, best first.
func (r Rule) Order() []string {
	switch r.Kind() {
	case RuleLatest:
		return r.Latest.Then
	case RulePriority:
		return r.Priority
	}
	return r.Authority
}

// Skew is how far the clocks of two systems may be apart.
func (r Rule) Skew() time.Duration {
	if r.Latest != nil {
		return r.Latest.Skew
	}
	return DefaultSkew
}

// DeleteRule says whose deletes count.
type DeleteRule struct {
	Authority     []string // systems whose delete makes golden go; empty: the default rule's
	AgainstUpdate string   // hold (default), update, delete
	Recreate      string   // hold (default), create
}

// Guards stop what is too much at once: kinds of changes of a system, and a
// stream that says too much that is new.
type Guards struct {
	MaxDeletes Limit
	MaxChanges Limit         // of updates
	MaxCreates Limit         // default: MaxChanges
	Input      InputGuards   // default: MaxDeletes and MaxChanges
	Window     time.Duration // default 24h
}

// InputGuards put a stream into quarantine.
type InputGuards struct {
	MaxDeletes Limit // records that are gone, and records whose version went back
	MaxChanges Limit // records with news
	MaxNulls   Limit // records with a field that was cleared; default: MaxChanges
}

// Limit trips above the larger of the two.
type Limit struct {
	Percent float64
	AtLeast int
}
