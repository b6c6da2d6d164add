package config

import (
	"time"

	"github.com/trueup-data/trueup/schemas"
)

// projectFile is the shape of a project file, as users write it. The tags are
// the whole truth about its keys: strictness, messages and the JSON Schema come
// from them. Keys tagged unbuilt are known and refused by name.
type projectFile struct {
	Version    int               `yaml:"version,required" help:"the version of this format: 1"`
	Name       Name              `yaml:"name,required" help:"the project's name"`
	Store      string            `yaml:"store" help:"where the lake lives: file://path or s3://bucket/prefix"`
	Engine     engineChoice      `yaml:"engine" help:"what runs the tasks: local"`
	Lease      time.Duration     `yaml:"lease" help:"how long a run that died keeps others out"`
	Retention  Node              `yaml:"retention" unbuilt:"history is kept for good"`
	Checkpoint checkpointPart    `yaml:"checkpoint" help:"how much work a crash can cost; the first bound reached counts"`
	Systems    Map[systemPart]   `yaml:"systems,required" help:"what holds records, by name"`
	Entities   Map[entityPart]   `yaml:"entities,required" help:"the canonical record types, by name"`
	Monitors   monitorsPart      `yaml:"monitors" help:"how runs are watched"`
	Schedules  Map[schedulePart] `yaml:"schedules" help:"when trueup serve runs, by name"`
}

// engineChoice is "local", or {temporal: ...}, which is refused by name.
type engineChoice string

// FromNode takes the scalar form, or the mapping of an engine that is not built.
func (e *engineChoice) FromNode(n Node) error {
	if n.Kind() == KindMap {
		return n.Decode(&struct {
			Temporal Node `yaml:"temporal" unbuilt:"tasks run in this process only"`
		}{})
	}
	if n.Kind() != KindScalar || n.Text() != "local" {
		p := wrongShape(n.n, "local")
		p.Help = "write engine: local"
		return Problems{p}
	}
	*e = "local"
	return nil
}

type checkpointPart struct {
	Records int           `yaml:"records" help:"records between checkpoints"`
	Bytes   Size          `yaml:"bytes" help:"bytes between checkpoints, such as 64MiB"`
	Every   time.Duration `yaml:"every" help:"time between checkpoints"`
}

// systemPart has its limits and exactly one connector's key.
type systemPart struct {
	Limits    *limitsPart `yaml:"limits" help:"bounds of the requests, for all readers and writers together"`
	Files     Node        `yaml:"files" unbuilt:"folders of files cannot be read yet"`
	Connector Node        `yaml:",rest"`
}

type limitsPart struct {
	RequestsPerSecond float64       `yaml:"requests_per_second" help:"default 10"`
	Burst             int           `yaml:"burst" help:"default twice requests_per_second"`
	Concurrency       int           `yaml:"concurrency" help:"requests at the same time; default 4"`
	Adaptive          bool          `yaml:"adaptive" help:"slow down by itself when the system does; default true"`
	Timeout           time.Duration `yaml:"timeout" help:"per request; default 30s"`
}

type entityPart struct {
	Key     Names           `yaml:"key,required" help:"the fields that name a record"`
	Fields  Map[fieldPart]  `yaml:"fields,required" help:"the fields of golden, by name"`
	Streams Map[streamPart] `yaml:"streams,required" help:"how each system holds this entity, by system"`
	Resolve resolvePart     `yaml:"resolve" help:"who is right"`
	Guards  *guardsPart     `yaml:"guards" help:"stop kinds of changes that are too many"`
	Groups  []groupPart     `yaml:"groups" help:"lists of fields that are judged as one, and taken from one side"`
	Checks  Map[Expr]       `yaml:"checks" help:"SQL over the entity's fields, by name; a merge that breaks one that held before waits for a person"`
}

// groupPart is a list of fields.
type groupPart struct {
	Fields Names
	At     Position
}

// FromNode takes the list.
func (g *groupPart) FromNode(n Node) error {
	g.At = n.At()
	return n.Decode(&g.Fields)
}

// fieldPart is a type, or a mapping with one.
type fieldPart struct {
	Type      schemas.Type
	Normalize []string
	Ref       Name
	At        Position
}

type longField struct {
	Type      Name     `yaml:"type,required" help:"string, bool, int64, double, decimal(p,s), date, time, timestamp, json, list(type)"`
	Enum      []string `yaml:"enum" help:"the values that a string may have"`
	Normalize []string `yaml:"normalize" enum:"trim|upper|lower" help:"applied in this order"`
	Ref       Name     `yaml:"ref" help:"another entity of the file whose key this is"`
}

// FromNode takes both forms.
func (f *fieldPart) FromNode(n Node) error {
	f.At = n.At()
	if n.Kind() != KindMap {
		return n.Decode(&f.Type)
	}
	var long longField
	if err := n.Decode(&long); err != nil {
		return err
	}
	f.Normalize, f.Ref = long.Normalize, long.Ref
	var err error
	f.Type, err = typeOf(long.Type, long.Enum)
	return err
}

type streamPart struct {
	Extract extractPart `yaml:"extract,required" help:"how records are read"`
	Map     Map[Expr]   `yaml:"map" help:"SQL over the stream's fields, by entity field; default: the field of the same name"`
	Write   *writePart  `yaml:"write" help:"how golden records get into the system; without it, it is only read"`
	Join    joinChoice  `yaml:"join" help:"what its records mean on the first day: adopt"`
}

// joinChoice is "adopt"; the others are refused by name.
type joinChoice string

// FromNode takes the scalar.
func (j *joinChoice) FromNode(n Node) error {
	switch text := n.Text(); {
	case n.Kind() == KindScalar && text == "adopt":
		*j = "adopt"
	case n.Kind() == KindScalar && (text == "trust" || text == "hold"):
		return Problems{Problem(n.At(), "join "+text+" is not built yet", "only adopt is", "write join: adopt, or remove it")}
	default:
		p := wrongShape(n.n, "adopt")
		p.Help = "write join: adopt, or remove it"
		return Problems{p}
	}
	return nil
}

type extractPart struct {
	PrimaryKey  Names                `yaml:"primary_key,required" help:"the stream's fields that are the record's ID in the system"`
	Fields      Map[streamFieldPart] `yaml:"fields,required" help:"the fields that the system shows, by name"`
	Version     Name                 `yaml:"version" help:"a field that only rises per record; default: the cursor field"`
	Incremental *incrementalPart     `yaml:"incremental" help:"read only what changed since a cursor"`
	Covers      *Expr                `yaml:"covers" help:"SQL: absence means something only where this is true"`
	Deletes     deletesPart          `yaml:"deletes" help:"how the system shows that a record is gone"`
	Settings    Node                 `yaml:",rest"`
}

// streamFieldPart is a type, or a mapping with one.
type streamFieldPart struct {
	Field schemas.Field
	At    Position
}

type longStreamField struct {
	Type   Name       `yaml:"type,required" help:"string, bool, int64, double, decimal(p,s), date, time, timestamp, json, list(type)"`
	Enum   []string   `yaml:"enum" help:"the values that a string may have"`
	Path   string     `yaml:"path" help:"where it is in the record, joined by dots; default: its name"`
	Format string     `yaml:"format" help:"epoch_s, epoch_ms, epoch_us, a strftime pattern, text, number"`
	Zone   string     `yaml:"zone" help:"IANA zone of times that carry none"`
	Absent absentMode `yaml:"absent" help:"null: this system leaves out nulls; by default absent means unchanged"`
	Ignore bool       `yaml:"ignore" help:"a change of it is no change of the record"`
	Strict bool       `yaml:"strict" help:"no conversion from text"`
}

// absentMode is true where a field that a payload leaves out is null.
type absentMode bool

// FromNode takes null or unchanged.
func (a *absentMode) FromNode(n Node) error {
	switch {
	case n.Kind() == KindNull || n.Text() == "null":
		*a = true
	case n.Kind() == KindScalar && n.Text() == "unchanged":
	default:
		p := wrongShape(n.n, "null or unchanged")
		return Problems{p}
	}
	return nil
}

// FromNode takes both forms.
func (f *streamFieldPart) FromNode(n Node) error {
	f.At = n.At()
	if n.Kind() != KindMap {
		return n.Decode(&f.Field.Type)
	}
	var long longStreamField
	if err := n.Decode(&long); err != nil {
		return err
	}
	t, err := typeOf(long.Type, long.Enum)
	f.Field = schemas.Field{
		Type: t, Path: long.Path, Format: long.Format, Zone: long.Zone,
		AbsentNull: bool(long.Absent), Ignore: long.Ignore, Strict: long.Strict,
	}
	return err
}

type incrementalPart struct {
	CursorField Name           `yaml:"cursor_field,required" help:"the field that says when a record changed"`
	Lookback    *time.Duration `yaml:"lookback_window" help:"how far behind the cursor a read starts again; default 10m"`
	NullCursor  string         `yaml:"null_cursor" enum:"read|fail" help:"records without a cursor; default read"`
}

type deletesPart struct {
	Tombstone *Expr   `yaml:"tombstone" help:"SQL over the stream's fields: true for a record that is gone"`
	Absence   *toggle `yaml:"absence" help:"a record that a proven sweep did not show is read by ID; default true where that is possible"`
	Feed      Node    `yaml:"feed" unbuilt:"deletes are seen by tombstone and by absence"`
}

// toggle is a bool with its place.
type toggle struct {
	On bool
	At Position
}

// FromNode takes true or false.
func (f *toggle) FromNode(n Node) error {
	f.At = n.At()
	return n.Decode(&f.On)
}

type writePart struct {
	Scope     *Expr          `yaml:"scope" help:"SQL over the entity's fields: which golden records belong in this system; default all"`
	Fields    Map[Expr]      `yaml:"fields" help:"SQL over the entity's fields, by the path of the system's field"`
	Settle    *time.Duration `yaml:"settle" help:"how long its listings may lag behind its writes; default 0"`
	Verify    string         `yaml:"verify" enum:"read|none" help:"read the record right before each write; default read where there is no precondition"`
	Lossy     Map[lossPart]  `yaml:"lossy" help:"what the system does to values that it is sent, by the path of its field: what differs by no more is the same"`
	Rewrites  Node           `yaml:"rewrites" unbuilt:"other letters and spaces are learnt; what else a system makes of values is declared by lossy"`
	LossyNews string         `yaml:"lossy_news" enum:"hold|take" help:"an edit in this system of a value of which it shows only a part: asked about, or taken as it is shown; default hold"`
	Leave     string         `yaml:"leave" enum:"keep|delete|hold" help:"what becomes of a record that leaves write.scope: kept there with a finding, deleted there, or asked about; default keep"`
	Recreate  Node           `yaml:"recreate" unbuilt:"it is resolve.deletes.recreate so far, for all systems of the entity"`
	Protect   Node           `yaml:"protect" unbuilt:"no field is protected"`
	Settings  Node           `yaml:",rest"`
}

type resolvePart struct {
	Default *rulePart     `yaml:"default" help:"the rule of every field without one of its own"`
	Fields  Map[rulePart] `yaml:"fields" help:"rules by entity field"`
	Deletes deletesRule   `yaml:"deletes" help:"whose deletes count"`
}

// rulePart is one rule; those that are not built are refused by name.
type rulePart struct {
	Authority Names
	Latest    *latestPart
	Priority  Names
	Hold      bool
	At        Position
}

type longRule struct {
	Authority Names       `yaml:"authority" help:"a value rule: the system whose news counts, or several, the best first"`
	Latest    *latestPart `yaml:"latest" help:"a conflict rule: the newest edit counts"`
	Priority  Names       `yaml:"priority" help:"a conflict rule: the first of these systems counts"`
	Hold      *toggle     `yaml:"hold" help:"a conflict rule: a person decides"`
	Max       Node        `yaml:"max" unbuilt:"only authority, latest, priority and hold are"`
	Min       Node        `yaml:"min" unbuilt:"only authority, latest, priority and hold are"`
	Union     Node        `yaml:"union" unbuilt:"only authority, latest, priority and hold are"`
	Concat    Node        `yaml:"concat" unbuilt:"only authority, latest, priority and hold are"`
	SQL       Node        `yaml:"sql" unbuilt:"only authority, latest, priority and hold are"`
	When      Node        `yaml:"when" unbuilt:"only authority, latest, priority and hold are"`
}

// latestPart says how the newest edit is found.
type latestPart struct {
	Skew *time.Duration `yaml:"skew" help:"how far two clocks may be apart; default 2m"`
	Then Names          `yaml:"then" help:"the systems, best first, where nobody can tell which edit is newer; default by name"`
}

type deletesRule struct {
	Authority     Names  `yaml:"authority" help:"the systems whose delete makes a golden record go; default: the default rule's"`
	AgainstUpdate string `yaml:"against_update" enum:"hold|update|delete" help:"deleted here, updated there; default hold"`
	Recreate      string `yaml:"recreate" enum:"hold|create" help:"a record deleted where that does not count; default hold"`
	Confirm       Node   `yaml:"confirm" unbuilt:"a tombstone is believed, absence is always confirmed by a read"`
}

type guardsPart struct {
	MaxDeletes limitPart     `yaml:"max_deletes" help:"per system; default 1 percent, at least 5"`
	MaxChanges limitPart     `yaml:"max_changes" help:"updates, per system; default 20 percent, at least 50"`
	MaxCreates *limitPart    `yaml:"max_creates" help:"per system; default as max_changes"`
	Window     time.Duration `yaml:"window" help:"the time over which they count besides the run; default 24h"`
	Input      *inputPart    `yaml:"input" help:"what a stream may say at once before it is quarantined; default as max_deletes and max_changes"`
}

type inputPart struct {
	MaxDeletes *limitPart `yaml:"max_deletes" help:"records that are gone, or whose version went back; default as guards.max_deletes"`
	MaxChanges *limitPart `yaml:"max_changes" help:"records with news; default as guards.max_changes"`
	MaxNulls   *limitPart `yaml:"max_nulls" help:"records with a field that was cleared, in one run; default as max_changes"`
}

type limitPart struct {
	Percent float64 `yaml:"percent" help:"of the golden records in the system's scope"`
	AtLeast int     `yaml:"at_least" help:"never trips at or below this number"`
}
