package story

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/sql"
)

// Plan is a set of changes as people read it: how many of each kind, then a line
// for each effect.
type Plan struct {
	Counts []Count `json:"counts"`
	Lines  []Line  `json:"lines"`
	Apart  int64   `json:"apart"` // known differences: what leads to nothing
	Next   Next    `json:"next"`
}

// Count is how many changes there are of a kind.
type Count struct {
	Entity  string `json:"entity"`
	System  string `json:"system"`
	State   string `json:"state"` // of a load: the outcome
	Op      string `json:"op"`
	Records int64  `json:"records"`
}

// Line is one or more changes of the same effect: of updates the fields and both
// values are the same, of creates and deletes the operation is.
type Line struct {
	Count
	Keys   []string           `json:"keys"`             // some of them, in order
	Before map[string]*string `json:"before,omitempty"` // of an update, or of the only record
	After  map[string]*string `json:"after,omitempty"`
	By     string             `json:"by,omitempty"`   // who changed it: systems, or "person"
	Rule   string             `json:"rule,omitempty"` // by which rule that counts
	Over   string             `json:"over,omitempty"` // whose value lost
	Reason string             `json:"reason,omitempty"`
	Word   *Word              `json:"decision,omitempty"` // what a person said of it
	Moved  *Moved             `json:"moved,omitempty"`    // why an approval of this record does not cover it
	Change string             `json:"change"`             // one of the changes

	Lines, All int64 `json:"-"` // of this stream and state, also those that are cut
}

// Moved tells that a person approved another change of the same record, which was not
// carried out: these columns were not what they are now.
type Moved struct {
	Person  string `json:"person"`
	Columns string `json:"columns"`
}

// Next is how changes go on.
type Next struct {
	Plans     []string `json:"plans"`     // that wait for a person
	Held      string   `json:"held"`      // one of the held changes, or ""
	Waiting   int64    `json:"waiting"`   // for a person
	Loading   int64    `json:"loading"`   // by the next load
	Doubtful  int64    `json:"doubtful"`  // settled by the next run
	Withdrawn int64    `json:"withdrawn"` // rejected: the next run withdraws them
	Lapsed    int64    `json:"lapsed"`    // ready by an approval that is over: the next run judges them again
}

// Cut bounds what is shown of a plan.
type Cut struct {
	Entity string // "": all
	Full   bool   // a line for every change
	Lines  int    // at most so many per stream and state; 0: all
}

// ReadPlan reads every change that is not finished.
func ReadPlan(ctx context.Context, session *duck.Session, project *config.Project, now time.Time, cut Cut) (Plan, error) {
	var p Plan
	if err := bindSome(ctx, session, project, "_changes", "_decisions", "_golden", "_conflicts", "_tombstones", "_differences", "_checkpoints"); err != nil {
		return p, err
	}
	if err := do(ctx, session, "review/open.sql", optional(cut.Entity), now); err != nil {
		return p, err
	}
	if err := do(ctx, session, "review/moved.sql", now); err != nil {
		return p, err
	}
	if err := p.read(ctx, session, project, cut); err != nil {
		return p, err
	}
	return p, one(ctx, session, "review/apart.sql", []any{optional(cut.Entity)}, &p.Apart)
}

// Planned lists every change that is not finished, with who made it so.
func Planned(ctx context.Context, session *duck.Session, project *config.Project, now time.Time, entity string) ([]Change, error) {
	changes, err := Changes(ctx, session, project, Filter{Open: true, Entity: entity})
	if err != nil {
		return nil, err
	}
	p, err := ReadPlan(ctx, session, project, now, Cut{Entity: entity, Full: true})
	if err != nil {
		return nil, err
	}
	lines := map[string]Line{}
	for _, l := range p.Lines {
		lines[l.Entity+" "+l.Change] = l
	}
	for i, c := range changes {
		l := lines[c.Entity+" "+c.ID]
		changes[i].By, changes[i].Rule, changes[i].Over = l.By, l.Rule, l.Over
	}
	return changes, nil
}

// ReadSent reads what a run sent and settled, with the outcomes.
func ReadSent(ctx context.Context, session *duck.Session, project *config.Project, run string, cut Cut) (Plan, error) {
	var p Plan
	if err := bindSome(ctx, session, project, "_changes", "journal", "_golden", "_conflicts", "_tombstones"); err != nil {
		return p, err
	}
	if err := do(ctx, session, "review/sent.sql", run); err != nil {
		return p, err
	}
	return p, p.read(ctx, session, project, cut)
}

// ReadNext reads how the open changes go on, and how many there are in each state.
func ReadNext(ctx context.Context, session *duck.Session, project *config.Project, now time.Time) (n Next, states map[string]int64, err error) {
	if err := bindSome(ctx, session, project, "_changes", "_decisions", "_checkpoints"); err != nil {
		return n, nil, err
	}
	if err := do(ctx, session, "review/open.sql", nil, now); err != nil {
		return n, nil, err
	}
	var p Plan
	if err := p.counts(ctx, session); err != nil {
		return n, nil, err
	}
	states = map[string]int64{}
	for _, c := range p.Counts {
		states[c.State] += c.Records
	}
	return p.Next, states, nil
}

// read reads the changes that were chosen.
func (p *Plan) read(ctx context.Context, session *duck.Session, project *config.Project, cut Cut) error {
	if err := p.counts(ctx, session); err != nil {
		return err
	}
	most := int64(cut.Lines)
	if most == 0 {
		most = math.MaxInt64
	}
	served, err := json.Marshal(serves(project))
	if err != nil {
		return fmt.Errorf("fields of the project: %w", err)
	}
	rows, err := ask(ctx, session, "review/lines.sql", string(served), cut.Full, most)
	if err != nil {
		return err
	}
	defer rows.Close()
	p.Lines = []Line{}
	for rows.Next() {
		l, err := scanLine(rows)
		if err != nil {
			return fmt.Errorf("lines of a plan: %w", err)
		}
		p.Lines = append(p.Lines, l)
	}
	return rows.Err()
}

func (p *Plan) counts(ctx context.Context, session *duck.Session) error {
	rows, err := ask(ctx, session, "review/counts.sql")
	if err != nil {
		return err
	}
	defer rows.Close()
	p.Counts = []Count{}
	for rows.Next() {
		var c Count
		if err := rows.Scan(&c.Entity, &c.System, &c.State, &c.Op, &c.Records); err != nil {
			return fmt.Errorf("counts of a plan: %w", err)
		}
		p.Counts = append(p.Counts, c)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	var plans string
	n := &p.Next
	if err := one(ctx, session, "review/next.sql", nil, &plans, &n.Held, &n.Waiting, &n.Loading, &n.Doubtful, &n.Withdrawn, &n.Lapsed); err != nil {
		return err
	}
	return json.Unmarshal([]byte(plans), &n.Plans)
}

func scanLine(rows *sql.Rows) (Line, error) {
	var l Line
	var word, person, approver, moved, by, rule, over, before, after sql.NullString
	var expired sql.NullBool
	var keys string
	var w Word
	err := rows.Scan(&l.Entity, &l.System, &l.State, &l.Op, &l.Reason, &word, &person, &expired, &w.Expires, &approver, &moved, &by, &rule, &over,
		&before, &after, &l.Change, &l.Records, &keys, &l.Lines, &l.All)
	if err != nil {
		return l, err
	}
	l.By, l.Rule, l.Over = by.String, rule.String, over.String
	if w.Kind, w.Person, w.Expired = word.String, person.String, expired.Bool; w.Kind != "" {
		l.Word = &w
	}
	if moved.Valid {
		l.Moved = &Moved{Person: approver.String, Columns: moved.String}
	}
	if err := json.Unmarshal([]byte(keys), &l.Keys); err != nil {
		return l, err
	}
	if l.Op != "update" && l.Records > 1 {
		return l, nil // they differ in their values
	}
	for _, v := range []struct {
		text sql.NullString
		into *map[string]*string
	}{{before, &l.Before}, {after, &l.After}} {
		if v.text.Valid {
			if err := json.Unmarshal([]byte(v.text.String), v.into); err != nil {
				return l, fmt.Errorf("change %s: %w", l.Change, err)
			}
		}
	}
	return l, nil
}

// served says that a column of a stream is written from an entity field, and how
// that field is decided.
type served struct {
	Entity string `json:"entity"`
	System string `json:"system"`
	Col    string `json:"col"`
	Field  string `json:"field"`
	Rule   string `json:"rule"`
}

// serves lists which entity fields stand behind each column that is written.
func serves(project *config.Project) []served {
	out := []served{}
	for _, e := range project.Entities {
		for _, s := range e.Streams {
			if s.Write == nil {
				continue
			}
			for _, m := range s.Write.Fields {
				for _, f := range fieldsIn(m.Expr.SQL, e) {
					out = append(out, served{e.Name, s.System, columnOf(s, m.Name), f, ruleOf(e, f)})
				}
			}
		}
	}
	return out
}

// columnOf is the column that a path of a system's record is read into.
func columnOf(s config.Stream, path string) string {
	for _, f := range s.Extract.Fields {
		if f.Path == path {
			return f.Name
		}
	}
	return path
}

var (
	texts = regexp.MustCompile(`'(?:[^']|'')*'`)
	words = regexp.MustCompile(`[\pL_][\pL\pN_]*`)
)

// fieldsIn are the entity's fields that an expression names.
func fieldsIn(expr string, e config.Entity) []string {
	named := words.FindAllString(texts.ReplaceAllString(expr, ""), -1)
	var out []string
	for _, f := range e.Fields {
		if slices.Contains(named, f.Name) {
			out = append(out, f.Name)
		}
	}
	return out
}

// ruleOf names the rule that decides a field.
func ruleOf(e config.Entity, field string) string {
	rule, own := e.Resolve.Fields[field]
	if !own {
		rule = e.Resolve.Default
	}
	return rule.Kind()
}

// do runs a statement of the folder sql that gives no rows.
func do(ctx context.Context, session *duck.Session, name string, args ...any) error {
	statement, err := queries.Text(name)
	if err != nil {
		return err
	}
	if err := session.Exec(ctx, statement, args...); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// one reads the only row of a statement.
func one(ctx context.Context, session *duck.Session, name string, args []any, into ...any) error {
	rows, err := ask(ctx, session, name, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return rows.Err()
}
