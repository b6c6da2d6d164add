// Package tables declares every table of the lake: its columns, the version of
// that schema, its key and how rows of one key fold into one. It holds
// declarations only: it must never read, write or know a file.
package tables

import (
	"strings"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/schemas"
)

// Fold says which row of a key counts.
type Fold uint8

// The fold rules. Place is the order of the lake: the seq of the commit that
// added a file, the file's ordinal, the position in it.
const (
	Append  Fold = iota + 1 // every row counts; there is no key
	Newest                  // the row of the greatest place
	Ordered                 // the greatest (_version, _epoch, _asked_at, place); nulls lowest
)

// Table is the declaration of one table. Tables are values; do not change one.
type Table struct {
	Name    string // "replica/bookings/pms"
	Version int    // of the columns; a manifest names it, columns added later read as null
	Columns []schemas.Column
	Key     []string // columns that identify a row; empty with Append
	Fold    Fold
}

// ColumnNames lists the names of the columns, in order.
func (t Table) ColumnNames() []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

// Entity is the second part of the name of a table that belongs to an entity,
// else "".
func (t Table) Entity() string {
	parts := strings.Split(t.Name, "/")
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}

var (
	text      = schemas.Type{Kind: schemas.String}
	number    = schemas.Type{Kind: schemas.Int64}
	real      = schemas.Type{Kind: schemas.Double}
	boolean   = schemas.Type{Kind: schemas.Bool}
	timestamp = schemas.Type{Kind: schemas.Timestamp}
	document  = schemas.Type{Kind: schemas.JSON}
)

func col(name string, t schemas.Type) schemas.Column { return schemas.Column{Name: name, Type: t} }

// keyed begins the tables that are sorted by the hash of a record's key.
func keyed(more ...schemas.Column) []schemas.Column {
	return append([]schemas.Column{col(pipeline.ColKHash, number), col(pipeline.ColKey, text)}, more...)
}

// Replica is our history of a stream: one row per observation that told
// something new. fields are the stream's declared fields.
func Replica(s pipeline.StreamID, fields []schemas.Column) Table {
	columns := keyed(
		col(pipeline.ColID, text), col(pipeline.ColOp, text), col(pipeline.ColVersion, number),
		col(pipeline.ColETag, text), col(pipeline.ColHash, number), col(pipeline.ColPresent, text),
		col(pipeline.ColNulls, text), col(pipeline.ColRun, text), col(pipeline.ColEpoch, number),
		col(pipeline.ColAskedAt, timestamp))
	columns = append(columns, fields...)
	columns = append(columns, col(pipeline.ColExtra, document))
	return Table{Name: ReplicaName(s), Version: 1, Columns: columns,
		Key: []string{pipeline.ColKey, pipeline.ColID}, Fold: Ordered}
}

// ReplicaName is the name of a stream's replica.
func ReplicaName(s pipeline.StreamID) string { return "replica/" + s.Entity + "/" + s.System }

// SweepSeen is the narrow list of what sweeps saw of a stream: one row per
// record and run. Absence follows from it.
func SweepSeen(s pipeline.StreamID) Table {
	return Table{Name: "sweep/" + s.Entity + "/" + s.System, Version: 1, Fold: Append,
		Columns: keyed(col(pipeline.ColID, text), col("partition", text), col(pipeline.ColRun, text))}
}

// Kinds of rows of Checkpoints.
const (
	CheckpointCursor    = "cursor"    // where a partition of a stream stands
	CheckpointPass      = "pass"      // how the last pass over a partition ended
	CheckpointSweep     = "sweep"     // how far a sweep came in a partition: last_id is the run that began it, cursor_order when (microseconds), page a digest of its partitions
	CheckpointSwept     = "swept"     // the last sweep that ended: last_id is the run that began it (partition "")
	CheckpointScope     = "scope"     // the fingerprint of a stream's scope (partition "")
	CheckpointWatermark = "watermark" // up to which seq a reader took a stream or a table in (partition = reader)
)

// Checkpoints is where every partition and every reader stands.
func Checkpoints() Table {
	return Table{Name: "checkpoints", Version: 1, Fold: Newest,
		Key: []string{"kind", "entity", "system", "partition"},
		Columns: []schemas.Column{
			col("kind", text), col("entity", text), col("system", text), col("partition", text),
			col("cursor_literal", text), col("cursor_order", number), col("last_id", text), col("page", text),
			col("mode", text), col("state", text), // state: running, done, failed
			col("proven", boolean), col("reason", text), col("rows", number),
			col("lateness_us", number), col("fingerprint", text), col("seq", number),
			col("run", text), col("recorded_at", timestamp),
		}}
}

// Golden is the resolved truth of an entity, with the bases inside. For every
// system s the row has the columns of GoldenBase(s): what was judged last.
func Golden(entity string, fields []schemas.Column, systems []string) Table {
	columns := keyed(
		col("_live", boolean),         // false: deleted; a tombstone names its IDs
		col("_version", number),       // rises with every change of a value or of presence
		col("_changed_at", timestamp), // run_at of that change
		col(pipeline.ColNulls, text),  // FieldSet of the fields that are null; other nulls are unset
		col("_sources", document),     // {field: systems, or "person"}: where each value came from; the winner first, then who agreed
		col("_edited", document),      // {field: {"since": us, "until": us}}: when the edit was made, where the rule asks
	)
	columns = append(columns, fields...)
	for _, s := range systems {
		b := GoldenBase(s)
		columns = append(columns, col(b.ID, text), col(b.Hash, number), col(b.ETag, text),
			col(b.Version, number), col(b.Fields, document))
	}
	return Table{Name: "golden/" + entity, Version: 2, Columns: columns,
		Key: []string{pipeline.ColKey}, Fold: Newest}
}

// BaseColumns are the names of one system's base columns in a golden row. ID
// null: the system never held the key, or holds it no more.
type BaseColumns struct {
	ID, Hash, ETag, Version string // of the observation judged last

	// Fields is {field: {"state": "value|null|unset|unsure", "value": text, "version": n, "frozen": true}}
	// for the fields whose base differs from golden, was judged under another version than
	// the record, or is frozen by a hold; every other field's base is golden, under Version.
	Fields string
}

// GoldenBase names the base columns of a system.
func GoldenBase(system string) BaseColumns {
	p := "_base_" + system
	return BaseColumns{ID: p + "_id", Hash: p + "_hash", ETag: p + "_etag", Version: p + "_version", Fields: p + "_fields"}
}

// Crosswalk is which ID in which system is which key. Only records in it are
// ever deleted in a system.
func Crosswalk(entity string) Table {
	return Table{Name: "crosswalk/" + entity, Version: 2, Fold: Newest,
		Key: []string{pipeline.ColKey, "system", "id"},
		Columns: keyed(col("system", text), col("id", text),
			col("state", text), // live, missing, gone (proven or by tombstone), deleted (by us), moved
			col("run", text), col("recorded_at", timestamp),
			col("told_at", timestamp))} // run_at when the system last had news of it; since version 2
}

// Tombstones are the keys that golden gave up, with the IDs that held them.
func Tombstones(entity string) Table {
	return Table{Name: "tombstones/" + entity, Version: 1, Fold: Newest,
		Key: []string{pipeline.ColKey},
		Columns: keyed(col("ids", document), // {system: [id, ...]}
			col("source", text), col("live", boolean), // live false: a new life ended it
			col("run", text), col("recorded_at", timestamp))}
}

// States of a change.
const (
	ChangePlanned    = "planned"    // waits for the approval of its plan
	ChangeReady      = "ready"      // may be sent
	ChangeHeld       = "held"       // stopped by a guard, or cannot be settled without a person
	ChangeSent       = "sent"       // an intent is committed
	ChangeInDoubt    = "in_doubt"   // sent, without a known outcome
	ChangeApplied    = "applied"    // done, or already true
	ChangeFailed     = "failed"     // rejected, refused, stale, not kept: reason says which
	ChangeSuperseded = "superseded" // no longer what golden wants
	ChangeRejected   = "rejected"   // by a person
)

// Changes is where each change of an entity stands.
func Changes(entity string) Table {
	return Table{Name: "changes/" + entity, Version: 1, Fold: Newest,
		Key: []string{"change"},
		Columns: keyed(col("change", text), // hash of effect and the observation corrected
			col("system", text), col("op", text), col("id", text),
			col("before", document), col("after", document), // {stream field: canonical text or null}
			col("effect", text), // digest of system, key, op, before and after: what an approval binds to
			col("observed_hash", number), col("observed_version", number), col("observed_etag", text),
			col("golden_version", number),
			col("state", text), col("reason", text), col("plan", text),
			col("attempt", number), col("generation", number),
			col("run", text), col("recorded_at", timestamp))}
}

// Kinds of rows of Journal.
const (
	JournalIntent  = "intent"  // about to be sent
	JournalOutcome = "outcome" // the answer
	JournalSettled = "settled" // what a read back found after a doubt
)

// Journal is what became of every change. It is append-only.
func Journal() Table {
	return Table{Name: "journal", Version: 1, Fold: Append,
		Columns: []schemas.Column{
			col("change", text), col("entity", text), col("system", text), col("key", text), col("id", text),
			col("op", text), col("kind", text), col("attempt", number), col("generation", number),
			col("epoch", number), col("committer", text), col("run", text), col("recorded_at", timestamp),
			col("protocol", text), col("idempotency_key", text), col("request", document),
			col("observed_hash", number), col("before", document), col("after", document),
			col("status", number), col("outcome", text), col("answer_digest", text),
			col("fields", document), // {field: outcome}
			col("evidence", text),
		}}
}

// Conflicts keeps both sides of every disagreement that a rule decided.
func Conflicts(entity string) Table {
	return Table{Name: "conflicts/" + entity, Version: 1, Fold: Append,
		Columns: keyed(col("field", text), // "" is the presence of the record
			col("kind", text), // overridden, presence, replaced
			col("system", text), col("base", text), col("seen", text), col("golden", text),
			col("chosen", text), col("reason", text), col("run", text), col("recorded_at", timestamp))}
}

// DeadLetters are the records that did not fit their types. One with an ID
// makes its key unknown until a later observation of that ID fits.
func DeadLetters() Table {
	return Table{Name: "dead_letters", Version: 1, Fold: Newest,
		Key: []string{"entity", "system", "letter"},
		Columns: []schemas.Column{
			col("entity", text), col("system", text), col("letter", text), // the ID, or a hash of the payload
			col("partition", text), col("id", text), col("key", text), col("field", text),
			col("reason", text), col("payload", text), col("open", boolean),
			col("run", text), col("asked_at", timestamp),
		}}
}

// Findings are things that a person should know.
func Findings() Table {
	return Table{Name: "findings", Version: 2, Fold: Newest,
		Key: []string{"finding"},
		Columns: []schemas.Column{
			col("finding", text),                     // hash of kind, entity, system, field and key: the same thing again is the same finding
			col("kind", text), col("severity", text), // high, low
			col("entity", text), col("system", text), col("field", text), col("key", text),
			col("observed", text), col("expected", text), col("evidence", text), col("help", text),
			col("state", text), // open, resolved
			col("first_run", text), col("run", text), col("first_seen", timestamp), col("last_seen", timestamp),
			col("incident", text), // the finding that names the cause; its own, where it has none
		}}
}

// Differences are the pairs that agree, or stay apart, because it was decided so.
func Differences() Table {
	return Table{Name: "differences", Version: 1, Fold: Newest,
		Key: []string{"entity", "key", "system", "field"},
		Columns: []schemas.Column{
			col("entity", text), col("key", text), col("system", text), col("field", text), // field "" is presence
			col("kind", text), // rejected, refused, overridden
			col("golden", text), col("seen", text), col("reason", text), col("open", boolean),
			col("run", text), col("recorded_at", timestamp),
		}}
}

// States of a hold.
const (
	HoldOpen   = "open"   // waits for a person
	HoldClosed = "closed" // decided, or nobody contends any more
)

// Holds are the fields, and the presences, that wait for a person.
func Holds() Table {
	return Table{Name: "holds", Version: 1, Fold: Newest,
		Key: []string{"hold"},
		Columns: keyed(col("hold", text), // hash of entity, key and field: the same thing again is the same hold
			col("entity", text), col("field", text), // the fields of a group joined by commas; "" is the presence of the record
			col("kind", text),                                              // why it is held: hold (the rule), check, presence, ...
			col("golden", document),                                        // {field: {"state", "value", "source"}}
			col("contenders", document),                                    // {system: {"id", "version", "hash", "fields": {field: {"base_state", "base", "state", "value"}}}}: their bases are frozen
			col("reason", text), col("state", text), col("decision", text), // the last one on it
			col("first_run", text), col("first_at", timestamp), col("run", text), col("recorded_at", timestamp))}
}

// Decisions are what people decided. Kind: approve, reject, decide.
func Decisions() Table {
	return Table{Name: "decisions", Version: 2, Fold: Newest,
		Key: []string{"decision"},
		Columns: []schemas.Column{
			col("decision", text), col("kind", text), col("target", text), // plan, change or hold
			col("effects", document), // the digests of the effects it covers
			col("shown", document), col("person", text), col("reason", text),
			col("recorded_at", timestamp), col("expires_at", timestamp),
			col("choice", document), // of a hold: {"take": system, golden, base, keep or delete; "value": {field: text or null}} or {"leave": true}
		}}
}

// Runs has a row per run and state.
func Runs() Table {
	return Table{Name: "runs", Version: 1, Fold: Newest,
		Key: []string{"run"},
		Columns: []schemas.Column{
			col("run", text), col("mode", text), col("state", text), // running, done, failed, attention, interrupted
			col("epoch", number), col("run_at", timestamp), col("started_at", timestamp), col("ended_at", timestamp),
			col("project", text), col("exit_code", number), col("summary", document),
		}}
}

// Metrics are the figures of a run; zero is stored as 0.
func Metrics() Table {
	return Table{Name: "metrics", Version: 1, Fold: Append,
		Columns: []schemas.Column{
			col("run", text), col("name", text), col("entity", text), col("system", text), col("field", text),
			col("value", real), col("recorded_at", timestamp),
		}}
}
