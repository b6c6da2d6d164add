package story

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// Event is one thing that happened to a record.
type Event struct {
	At     time.Time `json:"at"`
	Run    string    `json:"run,omitempty"` // "": between runs
	What   string    `json:"what"`          // observed, merged, overridden, presence, held, change, sent, outcome, settled, decided
	System string    `json:"system,omitempty"`
	Text   string    `json:"text"`
	Failed bool      `json:"failed,omitempty"` // it did not end as it should

	clock time.Time // of the run, where nothing else is known; At is made of it
}

// Chapter is what one run, or a person between runs, did to a record.
type Chapter struct {
	Run    string    `json:"run,omitempty"`
	Mode   string    `json:"mode,omitempty"`
	At     time.Time `json:"at"`     // when it began
	Events []Event   `json:"events"` // newest first

	clock time.Time // what the run called now
}

// tell gathers the events and sorts them into chapters.
func (r *Record) tell(ctx context.Context, session *duck.Session, e config.Entity) error {
	for _, s := range e.Streams {
		if err := r.observations(ctx, session, e, s); err != nil {
			return err
		}
	}
	for _, tell := range []func(context.Context, *duck.Session) error{r.overridden, r.held, r.steps, r.journal, r.decided} {
		if err := tell(ctx, session); err != nil {
			return err
		}
	}
	if err := r.merges(ctx, session, e); err != nil {
		return err
	}
	return r.chapters(ctx, session)
}

// observations reads everything that one system said of the key: the first time
// all of it, then what was other than before.
func (r *Record) observations(ctx context.Context, session *duck.Session, e config.Entity, s config.Stream) error {
	rows, err := session.Query(ctx, "SELECT epoch_us(_asked_at) AS _us, COLUMNS(*)::VARCHAR FROM "+duck.Quote("history_"+e.Name+"_"+s.System)+
		" WHERE _key = $1 ORDER BY _version NULLS FIRST, _epoch, _asked_at, _seq, _ord, _pos", r.Key)
	if err != nil {
		return fmt.Errorf("observations of %s: %w", s.System, err)
	}
	before := map[string]map[string]*string{} // by ID
	return eachRow(rows, func(row map[string]any) error {
		op, id := show(row[pipeline.ColOp]), show(row[pipeline.ColID])
		now, shown := map[string]*string{}, map[string]string{}
		for _, f := range s.Extract.Fields {
			if told(s, f.Name) {
				continue
			}
			now[f.Name] = nil
			if v := row[f.Name]; v != nil {
				text := show(v)
				now[f.Name], shown[f.Name] = &text, text
			}
		}
		e := Event{At: moment(row["_us"]), Run: show(row[pipeline.ColRun]), What: "observed", System: s.System}
		live := standingOf(op) == "live"
		e.Text = observed(op, id, before[id], now)
		r.events = append(r.events, e)
		delete(r.Shown, s.System)
		delete(r.IDs, s.System)
		delete(before, id)
		if live {
			r.Shown[s.System], r.IDs[s.System], before[id] = shown, id, now
		}
		return nil
	})
}

// told reports whether the story says a field elsewhere: when it happened, and to
// which record.
func told(s config.Stream, field string) bool {
	return field == s.Extract.Version || slices.Contains(s.Extract.PrimaryKey, field) ||
		s.Extract.Incremental != nil && field == s.Extract.Incremental.CursorField
}

// observed says in words what an observation told.
func observed(op, id string, before, now map[string]*string) string {
	switch pipeline.Op(op) {
	case pipeline.Delete:
		return id + " is gone"
	case pipeline.Moved:
		return id + " has another key now"
	case pipeline.Missing:
		return id + " was not shown by a sweep; nothing proves that it is gone"
	}
	if before == nil {
		for name, v := range now { // what it has not is of no interest
			if v == nil {
				delete(now, name)
			}
		}
		return strings.TrimSpace(id + " is new: " + Difference(nil, now))
	}
	changed := map[string]*string{}
	for name, v := range now {
		if was := before[name]; (was == nil) != (v == nil) || was != nil && *was != *v {
			changed[name] = v
		}
	}
	if len(changed) == 0 {
		return id + " is as before"
	}
	return id + ": " + Difference(before, changed)
}

// merges reads how golden changed.
func (r *Record) merges(ctx context.Context, session *duck.Session, e config.Entity) error {
	rows, err := session.Query(ctx, "SELECT epoch_us(_changed_at) AS _us, COLUMNS(*)::VARCHAR FROM all_golden WHERE _key = $1 ORDER BY _version, _seq, _ord, _pos", r.Key)
	if err != nil {
		return fmt.Errorf("versions of the golden record: %w", err)
	}
	version, live := "", false
	before := map[string]*string{}
	return eachRow(rows, func(row map[string]any) error {
		if show(row["_version"]) == version {
			return nil
		}
		now, changed, sources := map[string]*string{}, map[string]*string{}, map[string]string{}
		if text := show(row["_sources"]); text != "" {
			if err := json.Unmarshal([]byte(text), &sources); err != nil {
				return err
			}
		}
		var from []string
		for _, f := range e.Fields {
			now[f.Name] = nil
			if v := row[f.Name]; v != nil {
				text := show(v)
				now[f.Name] = &text
			}
			if was := before[f.Name]; (was == nil) != (now[f.Name] == nil) || was != nil && *was != *now[f.Name] {
				changed[f.Name] = now[f.Name]
				from = append(from, strings.Fields(sources[f.Name])...)
			}
		}
		if version == "" {
			if _, err := fmt.Sscan(show(row["_version"]), &r.first); err != nil {
				return err
			}
		}
		was, is := live, show(row["_live"]) == "true"
		event := Event{What: "merged", clock: moment(row["_us"]), Text: merged(version, was, is, before, changed)}
		if slices.Sort(from); len(from) > 0 {
			event.Text += " (from " + strings.Join(slices.Compact(from), ", ") + ")"
		}
		r.events = append(r.events, event)
		version, live, before = show(row["_version"]), is, now
		return nil
	})
}

func merged(version string, was, is bool, before, changed map[string]*string) string {
	switch {
	case is && version == "":
		return "golden is new: " + Difference(nil, changed)
	case is && !was:
		return "golden lives again: " + Difference(before, changed)
	case was && !is:
		return "golden is deleted"
	}
	return "golden: " + Difference(before, changed)
}

func (r *Record) overridden(ctx context.Context, session *duck.Session) error {
	rows, err := session.Query(ctx, "SELECT epoch_us(recorded_at) AS _us, * FROM conflicts WHERE _key = $1 ORDER BY _seq, _ord, _pos", r.Key)
	if err != nil {
		return fmt.Errorf("conflicts: %w", err)
	}
	return eachRow(rows, func(row map[string]any) error {
		text := fmt.Sprintf("%s: %s was seen, %s counts: %s", show(row["field"]), shownOf(row["seen"]), shownOf(row["chosen"]), show(row["reason"]))
		if show(row["field"]) == "" {
			text = show(row["reason"]) + prefixed(": ", show(row["chosen"]))
		}
		r.events = append(r.events, Event{clock: moment(row["_us"]), Run: show(row["run"]), What: show(row["kind"]), System: show(row["system"]), Text: text})
		return nil
	})
}

// shownOf is a value of a conflict: "-" is none.
func shownOf(v any) string {
	if v == nil {
		return "-"
	}
	text := show(v)
	return value(&text)
}

// held reads what waited for a person.
func (r *Record) held(ctx context.Context, session *duck.Session) error {
	rows, err := ask(ctx, session, "review/holds_of.sql", r.Entity, r.Key)
	if err != nil {
		return err
	}
	return eachRow(rows, func(row map[string]any) error {
		what := cmp.Or(show(row["field"]), "its presence")
		r.events = append(r.events, Event{clock: moment(row["_us"]), Run: show(row["first_run"]), What: "held", Failed: true,
			Text: what + " waits for a person: " + cmp.Or(show(row["reason"]), show(row["kind"]))})
		if show(row["state"]) != tables.HoldOpen {
			at, _ := row["recorded_at"].(time.Time)
			r.events = append(r.events, Event{At: at.UTC(), Run: show(row["run"]), What: "held", Text: what + " waits no more"})
		}
		return nil
	})
}

// steps reads what became of each change before and beside its requests.
func (r *Record) steps(ctx context.Context, session *duck.Session) error {
	rows, err := ask(ctx, session, "review/steps_of.sql", r.Key)
	if err != nil {
		return err
	}
	return eachRow(rows, func(row map[string]any) error {
		state := show(row["state"])
		r.effects = append(r.effects, show(row["effect"]))
		text := show(row["op"]) + " " + state
		if state == tables.ChangePlanned || state == tables.ChangeReady || state == tables.ChangeHeld {
			text += prefixed(": ", difference(show(row["before"]), show(row["after"])))
		}
		at, _ := row["recorded_at"].(time.Time)
		r.events = append(r.events, Event{At: at.UTC(), Run: show(row["run"]), What: "change", System: show(row["system"]), Text: text + prefixed("; ", show(row["reason"])),
			Failed: state == tables.ChangeFailed || state == tables.ChangeHeld})
		return nil
	})
}

// journal reads every request. What was simply done is one event with its
// request; whatever else was heard is an event of its own.
func (r *Record) journal(ctx context.Context, session *duck.Session) error {
	rows, err := ask(ctx, session, "review/journal.sql", r.Entity, r.Key)
	if err != nil {
		return err
	}
	open := map[string]int{} // request -> its event
	return eachRow(rows, func(row map[string]any) error {
		at, _ := row["recorded_at"].(time.Time)
		e := Event{At: at.UTC(), Run: show(row["run"]), System: show(row["system"])}
		request := show(row["change"]) + " " + show(row["attempt"]) + " " + show(row["generation"])
		if show(row["kind"]) == tables.JournalIntent {
			e.What, e.Text = "sent", fmt.Sprintf("%s, try %s: %s; nothing was heard", show(row["op"]), show(row["attempt"]), difference(show(row["before"]), show(row["after"])))
			e.Text, e.Failed = strings.Replace(e.Text, ": ;", ";", 1), true
			open[request] = len(r.events)
			r.events = append(r.events, e)
			return nil
		}
		outcome := show(row["outcome"])
		e.What, e.Text, e.Failed = show(row["kind"]), outcome+prefixed(": ", show(row["evidence"])), outcome != "applied" && outcome != "already_true"
		if i, sent := open[request]; sent {
			intent := &r.events[i]
			text := strings.TrimSuffix(intent.Text, "; nothing was heard")
			if !e.Failed && intent.Run == e.Run && e.What == tables.JournalOutcome && text != intent.Text {
				intent.Text, intent.Failed = text+"; "+e.Text, false
				return nil
			}
			intent.Text, intent.Failed = text, false
		}
		r.events = append(r.events, e)
		return nil
	})
}

// decided reads what people said of the record's changes and holds.
func (r *Record) decided(ctx context.Context, session *duck.Session) error {
	rows, err := ask(ctx, session, "review/said_of.sql", jsonList(r.effects), r.Entity, r.Key)
	if err != nil {
		return err
	}
	return eachRow(rows, func(row map[string]any) error {
		at, _ := row["recorded_at"].(time.Time)
		text := show(row["kind"]) + " " + show(row["target"]) + " by " + show(row["person"]) + prefixed(": ", show(row["choice"])) + prefixed("; ", show(row["reason"]))
		r.events = append(r.events, Event{At: at.UTC(), What: "decided", Text: text})
		return nil
	})
}

// chapters sorts the events: the newest run first, and in it the newest event.
func (r *Record) chapters(ctx context.Context, session *duck.Session) error {
	var runs, clocks []string
	for _, e := range r.events {
		if e.Run != "" {
			runs = append(runs, e.Run)
		}
		if !e.clock.IsZero() {
			clocks = append(clocks, fmt.Sprint(e.clock.UnixMicro()))
		}
	}
	rows, err := ask(ctx, session, "review/run_times.sql", jsonList(runs), "["+strings.Join(clocks, ",")+"]")
	if err != nil {
		return err
	}
	known, byClock := map[string]Chapter{}, map[int64][]string{}
	if err := eachRow(rows, func(row map[string]any) error {
		began, _ := row["started_at"].(time.Time)
		clock, _ := row["run_at"].(time.Time)
		id := show(row["run"])
		known[id] = Chapter{Run: id, Mode: show(row["mode"]), At: began.UTC(), clock: clock}
		byClock[clock.UnixMicro()] = append(byClock[clock.UnixMicro()], id)
		return nil
	}); err != nil {
		return err
	}
	r.place(known, byClock)
	r.bind(known)
	return nil
}

// place gives the events that bear a run's clock their run, and a time: they
// happened after all that the run had read, and before it changed anything.
func (r *Record) place(known map[string]Chapter, byClock map[int64][]string) {
	near := map[string]int{} // how much a run has to do with the record
	for i := range r.events {
		e := &r.events[i]
		if e.What == "change" && e.At.Equal(known[e.Run].clock) {
			e.clock = e.At
		}
		near[e.Run] = max(near[e.Run], map[bool]int{true: 2, false: 1}[!e.clock.IsZero()])
	}
	for i := range r.events {
		e := &r.events[i]
		if e.clock.IsZero() {
			continue
		}
		if e.Run == "" {
			for _, id := range byClock[e.clock.UnixMicro()] {
				if e.Run == "" || near[id] >= near[e.Run] {
					e.Run = id
				}
			}
		}
		e.At = known[e.Run].At
		acts := time.Time{}
		for _, o := range r.events {
			if o.Run == e.Run && o.clock.IsZero() && o.What != "observed" && o.What != "settled" && (acts.IsZero() || o.At.Before(acts)) {
				acts = o.At
			}
		}
		for _, o := range r.events {
			if o.Run == e.Run && o.What == "observed" && o.At.After(e.At) && (acts.IsZero() || o.At.Before(acts)) {
				e.At = o.At
			}
		}
	}
}

// bind makes chapters of the events.
func (r *Record) bind(known map[string]Chapter) {
	chapters := map[string]Chapter{}
	for n, e := range r.events {
		id := e.Run
		if id == "" {
			id = fmt.Sprintf("decision %d", n)
		}
		c, there := chapters[id]
		if !there {
			if c = known[e.Run]; c.At.IsZero() {
				c = Chapter{Run: e.Run, At: e.At}
			}
		}
		c.Events = append(c.Events, e)
		chapters[id] = c
	}
	for _, c := range chapters {
		slices.SortStableFunc(c.Events, func(a, b Event) int { return cmp.Or(b.At.Compare(a.At), rank(b.What)-rank(a.What)) })
	}
	r.Chapters = slices.SortedFunc(maps.Values(chapters), func(a, b Chapter) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Run, a.Run)) })
	r.Begins = r.beginning()
}

// rank is the order of what happens at one moment.
func rank(what string) int {
	return slices.Index([]string{"observed", "overridden", "presence", "held", "merged", "change", "sent", "outcome", "settled", "decided"}, what)
}

// beginning says where the story begins: with the first thing that is known, or
// later, if what was before it is not kept any more.
func (r *Record) beginning() string {
	if len(r.Chapters) == 0 {
		return "nothing is kept of it"
	}
	first := r.Chapters[len(r.Chapters)-1]
	at := first.At.Format(time.RFC3339)
	if r.first <= 1 {
		return "it begins here, " + at
	}
	return "what was before " + at + " is not kept any more"
}
