package reconcile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/reconcile/merge"
)

func sorted(list []string) []string { slices.Sort(list); return list }

func number(p *string) int64 {
	n, _ := strconv.ParseInt(str(p), 10, 64)
	return n
}

func numberOrNil(p *string) *int64 {
	if p == nil {
		return nil
	}
	n := number(p)
	return &n
}

// situations reads the tables into what the oracle judges, key by key. It is
// written apart from the SQL under test.
func (w *world) situations() map[string]*merge.Situation {
	out := map[string]*merge.Situation{}
	of := func(key *string) *merge.Situation {
		if out[*key] == nil {
			out[*key] = &merge.Situation{Key: *key}
		}
		return out[*key]
	}
	w.readGolden(of)
	for _, r := range w.query("SELECT * REPLACE (epoch_us(recorded_at) AS recorded_at, epoch_us(told_at) AS told_at) FROM t_crosswalk ORDER BY system, id") {
		s := of(r["_key"])
		s.Links = append(s.Links, merge.Link{System: *r["system"], ID: *r["id"], State: *r["state"], AtUS: number(r["recorded_at"]), ToldUS: number(r["told_at"])})
	}
	for _, r := range w.query("SELECT * FROM t_tombstones") {
		of(r["_key"]).Tombstone = &merge.Tombstone{IDs: decodeText[map[string][]string](w.t, str(r["ids"])), Source: str(r["source"]), Live: str(r["live"]) == "true"}
	}
	for _, st := range w.project.Streams {
		for _, r := range w.query(fmt.Sprintf(`SELECT * REPLACE (epoch_us(_asked_at) AS _asked_at%s) FROM "in_replica_%s" ORDER BY _id`, canonicalTimes(st.Extract.Fields), st.System)) {
			s := of(r["_key"])
			s.Rows = append(s.Rows, *w.row(st.System, r))
		}
	}
	for i, st := range w.project.Streams {
		for _, r := range w.query(fmt.Sprintf(`SELECT DISTINCT o._key FROM t_replica_%s o JOIN "in_replica_%s" r ON r._key = o._key AND r._id = o._id
WHERE o._pos > %d AND o._op = 'upsert' AND o._version < r._version AND o._asked_at > r._asked_at`, st.System, st.System, w.marks[i])) {
			s := of(r["_key"])
			s.WentBack = append(s.WentBack, st.System)
		}
	}
	w.readWork(of)
	for _, r := range w.query("SELECT * FROM t_differences WHERE open ORDER BY system, field") {
		s := of(r["key"])
		s.Differences = append(s.Differences, merge.Difference{System: *r["system"], Field: str(r["field"]), Kind: *r["kind"], Golden: r["golden"], Seen: r["seen"], Reason: str(r["reason"])})
	}
	for _, r := range w.query("SELECT * FROM t_findings WHERE state = 'open' AND kind NOT IN ('guard', 'quarantine') ORDER BY kind, system") {
		s := of(r["key"])
		s.Findings = append(s.Findings, merge.Finding{Kind: *r["kind"], Severity: *r["severity"], System: *r["system"], Observed: str(r["observed"])})
	}
	w.readHolds(of)
	for _, r := range w.query("SELECT * REPLACE (epoch_us(asked_at) AS asked_at) FROM t_dead_letters WHERE open ORDER BY letter") {
		for _, s := range out {
			if str(r["key"]) == s.Key || str(r["id"]) != "" && holds(s, *r["system"], *r["id"]) {
				s.Letters = append(s.Letters, merge.Letter{System: *r["system"], ID: str(r["id"]), AskedUS: number(r["asked_at"])})
			}
		}
	}
	return out
}

func holds(s *merge.Situation, system, id string) bool {
	return slices.ContainsFunc(s.Rows, func(r merge.Row) bool { return r.System == system && r.ID == id }) ||
		slices.ContainsFunc(s.Links, func(l merge.Link) bool { return l.System == system && l.ID == id })
}

// storedBase is a field's base where golden stores it.
type storedBase struct {
	State, Value string
	Version      *int64
	Frozen       bool
}

// canonicalTimes are the times among the fields as canonical texts, for REPLACE.
func canonicalTimes(fields []schemas.Field) (out string) {
	for _, f := range fields {
		if f.Type.Kind == schemas.Timestamp {
			out += fmt.Sprintf(`, %s AS "%s"`, schemas.CanonicalSQL(f.Type, `"`+f.Name+`"`), f.Name)
		}
	}
	return out
}

func (w *world) readGolden(of func(*string) *merge.Situation) {
	var fields []schemas.Field
	for _, f := range w.project.Fields {
		fields = append(fields, schemas.Field{Name: f.Name, Type: f.Type})
	}
	for _, r := range w.query("SELECT * REPLACE (_version AS _version" + canonicalTimes(fields) + ") FROM t_golden") {
		g := &merge.Golden{Live: *r["_live"] == "true", Version: number(r["_version"]), Fields: merge.Fields{},
			Sources: decodeText[map[string]string](w.t, str(r["_sources"])),
			Edited:  decodeText[map[string]merge.Edit](w.t, str(r["_edited"])), Bases: map[string]*merge.Base{}}
		for _, f := range w.project.Fields {
			if v := state(r, f.Name); v.State != merge.Absent {
				g.Fields[f.Name] = v
			}
		}
		for _, s := range w.rules.Systems {
			names := tables.GoldenBase(s.Name)
			if r[names.ID] == nil {
				continue
			}
			b := &merge.Base{ID: *r[names.ID], Hash: number(r[names.Hash]), ETag: str(r[names.ETag]), Version: numberOrNil(r[names.Version]), Fields: merge.Fields{},
				Versions: map[string]*int64{}, Frozen: map[string]bool{}}
			stored := decodeText[map[string]storedBase](w.t, str(r[names.Fields]))
			for field := range s.Reads {
				b.Fields[field], b.Versions[field] = g.Fields.Get(field), b.Version
				if v, ok := stored[field]; ok {
					b.Fields[field], b.Versions[field] = merge.Val{State: merge.State(v.State), Text: v.Value}, v.Version
					if v.Frozen {
						b.Frozen[field] = true
					}
				}
			}
			g.Bases[s.Name] = b
		}
		of(r["_key"]).Golden = g
	}
}

// state is a column with the state that the row's nulls give it.
func state(r map[string]*string, name string) merge.Val {
	switch {
	case r[name] != nil:
		return merge.Of(*r[name])
	case pipeline.FieldSet(str(r["_nulls"])).Has(name), pipeline.FieldSet(str(r["_present"])).Has(name):
		return merge.Val{State: merge.Null}
	}
	return merge.Val{State: merge.Absent}
}

func (w *world) row(system string, r map[string]*string) *merge.Row {
	row := &merge.Row{System: system, ID: *r["_id"], Op: pipeline.Op(*r["_op"]), Version: numberOrNil(r["_version"]), ETag: str(r["_etag"]),
		Hash: number(r["_hash"]), AskedUS: number(r["_asked_at"]), ThisRun: str(r["_run"]) == w.runID(), Present: pipeline.FieldSet(str(r["_present"])), Stream: merge.Fields{}}
	for _, f := range w.stream(system).Extract.Fields {
		row.Stream[f.Name] = state(r, f.Name)
	}
	return row
}

// readWork reads changes, and the last outcome of each record since the watermark.
func (w *world) readWork(of func(*string) *merge.Situation) {
	byID := map[string]map[string]*string{}
	for _, r := range w.query("SELECT * REPLACE (epoch_us(recorded_at) AS recorded_at) FROM t_changes ORDER BY change") {
		byID[*r["change"]] = r
		s := of(r["_key"])
		s.Changes = append(s.Changes, merge.Change{ID: *r["change"], System: *r["system"], RecordID: str(r["id"]), Op: pipeline.WriteOp(*r["op"]), Effect: *r["effect"],
			State: *r["state"], Plan: str(r["plan"]), Before: decodeText[pipeline.Values](w.t, str(r["before"])), After: decodeText[pipeline.Values](w.t, str(r["after"])), Attempt: number(r["attempt"]),
			Generation: number(r["generation"]), AtUS: number(r["recorded_at"])})
	}
	decisive := "applied applied_partly already_true not_kept rejected refused"
	last := map[string]merge.Outcome{}
	keys := map[string]*string{}
	for _, r := range w.query(fmt.Sprintf("SELECT * REPLACE (epoch_us(recorded_at) AS recorded_at) FROM t_journal WHERE _pos > %d AND kind <> 'intent' ORDER BY _pos", w.mark)) {
		c, ok := byID[*r["change"]]
		if !ok || !slices.Contains(strings.Fields(decisive), *r["outcome"]) {
			continue
		}
		o := merge.Outcome{Change: *r["change"], System: *c["system"], ID: str(r["id"]), Op: pipeline.WriteOp(*c["op"]), Outcome: pipeline.Outcome(*r["outcome"]),
			Before: decodeText[pipeline.Values](w.t, str(c["before"])), After: decodeText[pipeline.Values](w.t, str(c["after"])), Effect: *c["effect"],
			Columns: decodeText[map[string]pipeline.Outcome](w.t, str(r["fields"])), AtUS: number(r["recorded_at"])}
		if o.ID == "" {
			o.ID = str(c["id"])
		}
		for _, a := range w.query(fmt.Sprintf("SELECT * REPLACE (epoch_us(_asked_at) AS _asked_at%s) FROM t_replica_%s WHERE _pos > %d AND _id = ? AND _key = ? AND _seq = ? AND _op IN ('upsert', 'touch') ORDER BY _hash LIMIT 1", canonicalTimes(w.stream(o.System).Extract.Fields), o.System, w.mark), o.ID, *c["_key"], number(r["_seq"])) {
			o.Answer = w.row(o.System, a)
		}
		name := *c["_key"] + " " + o.System
		last[name], keys[name] = o, c["_key"]
	}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for k := range last {
			if !yield(k) {
				return
			}
		}
	}) {
		s := of(keys[name])
		s.Outcomes = append(s.Outcomes, last[name])
	}
}

// readHolds reads what waits for a person, and what was decided since the watermark.
func (w *world) readHolds(of func(*string) *merge.Situation) {
	for _, r := range w.query("SELECT * FROM t_holds ORDER BY field") {
		s := of(r["_key"])
		s.Holds = append(s.Holds, merge.Hold{Field: str(r["field"]), Kind: str(r["kind"]), Golden: decodeText[map[string]merge.Shown](w.t, str(r["golden"])),
			Contenders: decodeText[map[string]merge.Contender](w.t, str(r["contenders"])), Reason: str(r["reason"]), State: *r["state"],
			Decision: str(r["decision"]), FirstRun: str(r["first_run"])})
		for _, d := range w.query(fmt.Sprintf("SELECT *, epoch_us(recorded_at) AS us FROM t_decisions WHERE kind = 'decide' AND target = ? AND CASE WHEN ? = '' THEN decision IS DISTINCT FROM ? AND recorded_at >= ?::TIMESTAMPTZ ELSE _pos > %d END ORDER BY recorded_at DESC, decision DESC LIMIT 1", w.mark),
			*r["hold"], str(r["field"]), r["decision"], r["first_at"]) {
			s.Decisions = append(s.Decisions, merge.Decision{ID: *d["decision"], Field: str(r["field"]), AtUS: number(d["us"]),
				Shown: decodeText[map[string]merge.Contender](w.t, str(d["shown"])), Choice: decodeText[merge.Choice](w.t, str(d["choice"]))})
		}
	}
}
