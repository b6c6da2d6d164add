package reconcile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/reconcile/compile"
	"github.com/trueup-data/trueup/stages/reconcile/merge"
)

func (g *game) chance(percent int) bool { return g.rng.IntN(100) < percent }

// mishap is a chance of what does not happen in calm games, and seldom in rare ones.
func (g *game) mishap(percent int) bool {
	return !g.calm && g.chance(percent) && (!g.rare || g.chance(20))
}

func (g *game) pick(list ...string) *string {
	s := list[g.rng.IntN(len(list))]
	if s == "" {
		return nil
	}
	return &s
}

// value draws a value for a column: few values, so that they often meet.
func (g *game) value(column string) *string {
	if pool, ok := pools[column]; ok {
		return g.pick(pool...)
	}
	switch column {
	case "price", "cost":
		if column == "cost" && g.chance(10) {
			return g.pick("n/a")
		}
		return g.pick("10.00", "12.50", "0.99", "")
	case "total_cents":
		return g.pick("1000", "1250", "99", "")
	case "title":
		return g.pick("ann|", "bob|late", "ann|late", "annabel|", "")
	case "note", "memo":
		return g.pick("late", "vip", "LATE", "late ", "", "")
	}
	return g.pick("ann", "annabel", "bob", "cid", "")
}

// step lets an hour pass: people edit, and the systems are read.
func (g *game) step() {
	g.w.nextRun(time.Hour)
	g.settle()
	g.flush()
	defer g.flush()
	for i, p := range g.systems {
		if !g.calm {
			g.edit(p)
		}
		state := &g.w.states[i]
		state.due, state.complete = true, true
		state.joined = state.joined || g.rare || g.w.run > 1 && g.chance(30)
		if g.mishap(12) {
			state.complete = false
		} else if g.mishap(10) {
			state.due, state.complete = false, false
			continue
		}
		g.read(p, state.complete)
	}
}

func (g *game) edit(p *player) {
	for _, key := range g.keys {
		if g.rare && !g.chance(20) {
			continue
		}
		var live []*held
		for _, id := range slices.Sorted(maps.Keys(p.records)) {
			if r := p.records[id]; r.key == key && !r.gone {
				live = append(live, r)
			}
		}
		first := g.w.run == 1
		switch {
		case len(live) == 0 && (g.chance(8) || first && g.chance(60)), len(live) == 1 && g.chance(1):
			g.create(p, key, nil)
		case len(live) > 0 && g.chance(20):
			r := live[0]
			column := p.column(1 + g.rng.IntN(p.own()-1))
			if column != p.st.columns[1].Name {
				r.fields[column] = g.value(column)
			}
			g.touch(p, r)
		case len(live) > 0 && g.chance(6), len(live) > 1 && g.chance(30):
			live[0].gone = true
		case len(live) > 0 && !g.unproven && g.chance(1):
			g.move(p, live[0])
		}
	}
}

// nudge lets people edit one field of some records: all else stays as it is.
func (g *game) nudge() {
	for _, p := range g.systems {
		for _, id := range slices.Sorted(maps.Keys(p.records)) {
			if r := p.records[id]; !r.gone && g.chance(20) {
				column := p.column(2 + g.rng.IntN(p.own()-2))
				r.fields[column] = g.value(column)
				g.touch(p, r)
			}
		}
	}
}

// touch gives the record a version: when it was edited, by its system's clock.
func (g *game) touch(p *player, r *held) {
	at := g.w.at.Add(p.ahead - time.Duration(g.rng.IntN(3600))*time.Second)
	r.version = max(r.version+1, at.UnixMicro())
}

func (g *game) create(p *player, key string, values map[string]*string) string {
	g.ids++
	id := fmt.Sprintf("%s-%03d", p.name, g.ids)
	r := &held{key: key, fields: map[string]*string{"id": &id}}
	for i, c := range p.st.columns[1:p.own()] {
		switch {
		case i == 0:
			r.fields[c.Name] = &key
		case values == nil && !g.chance(10):
			r.fields[c.Name] = g.value(c.Name)
		}
	}
	maps.Copy(r.fields, values)
	g.touch(p, r)
	p.records[id] = r
	return id
}

// move gives a record another key: the old key is left with a row that says so.
func (g *game) move(p *player, r *held) {
	old := r.key
	r.key = g.keys[g.rng.IntN(len(g.keys))]
	if r.key == old || r.shown == "" {
		r.key = old
		return
	}
	code := p.st.columns[1].Name
	r.fields[code] = &r.key
	g.touch(p, r)
	r.shown, r.last = "", nil
	g.show(p.name, observation{key: old, id: *r.fields["id"], op: pipeline.Moved, version: p.version(r), asked: g.w.at})
}

// own counts the columns that people edit: all but the time of the change.
func (p *player) own() int {
	return len(slices.DeleteFunc(slices.Clone(p.st.columns), func(c schemas.Field) bool { return c.Name == "changed" }))
}

func (p *player) column(i int) string { return p.st.columns[i].Name }

func (p *player) version(r *held) *int64 {
	if !p.st.versioned {
		return nil
	}
	return &r.version
}

// read shows what changed, and sometimes what did not; some records cannot be
// read, some ends are only missing yet, some pages lag behind our writes.
func (g *game) read(p *player, complete bool) {
	var page []observation
	rewinds := p.st.versioned && g.mishap(20) // it shows older versions than before
	for _, id := range slices.Sorted(maps.Keys(p.records)) {
		r := p.records[id]
		if !complete && g.chance(50) {
			continue
		}
		o := observation{key: r.key, id: id, op: pipeline.Upsert, version: p.version(r), asked: g.w.at.Add(time.Duration(g.rng.IntN(5)) * time.Minute), fields: maps.Clone(r.fields)}
		digest := fmt.Sprint(r.version, r.gone)
		switch {
		case r.gone:
			if r.told || r.shown == "" {
				continue
			}
			o.op, o.fields = pipeline.Delete, nil
			if g.unproven || g.mishap(30) {
				o.op = pipeline.Missing
			}
			r.told = o.op == pipeline.Delete
		case r.before != nil && o.asked.Sub(r.wrote) < p.settle && g.mishap(40):
			o.fields, digest = maps.Clone(r.before), "lagged"
		case g.mishap(3):
			g.letter(p, r, o)
			continue
		case rewinds && r.shown != "" && r.version > 1 && g.chance(60):
			back := r.version - 1 - int64(g.rng.IntN(int(r.version-1)))
			o.version, digest = &back, "older"
			if r.before != nil {
				o.fields = maps.Clone(r.before)
			}
		case digest == r.shown && !g.calm && !g.chance(10):
			continue
		case digest == r.shown:
			o.op = pipeline.Touch
		}
		if o.fields != nil && r.last != nil && g.mishap(10) {
			digest = g.leaveOut(p, r, &o)
		}
		o.firstNulls = r.shown == "" && g.chance(50)
		r.shown, r.last = digest, o.fields
		page = append(page, o)
		g.readable = append(g.readable, compile.Literal(id))
	}
	g.show(p.name, page...)
}

// leaveOut lets a payload carry all fields but one: the row keeps what was shown of it before.
func (g *game) leaveOut(p *player, r *held, o *observation) string {
	column := p.column(2 + g.rng.IntN(p.own()-2))
	if v, ok := r.last[column]; ok {
		o.fields[column] = v
	} else {
		delete(o.fields, column)
	}
	o.overlay = []string{column}
	return "partial"
}

func (g *game) letter(p *player, r *held, o observation) {
	key := "" // it is known by the ID where the record was shown under it before
	if known := g.chance(50); known && r.last != nil {
		key = r.key
	}
	r.shown = "letter"
	g.w.exec("DELETE FROM t_dead_letters WHERE letter = ?", o.id)
	g.w.exec(`INSERT INTO t_dead_letters (entity, system, letter, id, key, open, asked_at) VALUES ('bookings', ?, ?, ?, ?, true, make_timestamptz(?::BIGINT))`,
		p.name, o.id, o.id, key, o.asked.UnixMicro())
}

// send plays load: every ready change gets an outcome, some of them bad.
func (g *game) send() {
	asked := g.w.at.Add(40 * time.Minute)
	for _, c := range g.w.query("SELECT * FROM t_changes WHERE state = 'ready' ORDER BY change") {
		p := g.player(*c["system"])
		roll := g.rng.IntN(100)
		switch {
		case g.calm, roll < 60, g.rare && g.chance(50):
			g.apply(p, c, asked, true, "applied")
		case roll < 68:
			g.apply(p, c, asked, false, "applied")
		case roll < 78, roll < 86 && *c["op"] != "update":
			g.settled(c, str(c["id"]), asked, "refused", "failed", "outcome")
		case roll < 82:
			g.settled(c, str(c["id"]), asked, "stale", "failed", "outcome")
		case roll < 90:
			g.settled(c, str(c["id"]), asked, "in_doubt", "in_doubt", "outcome")
		case roll < 95 && *c["op"] == "update":
			g.notKept(p, c, asked)
		}
	}
	g.flush()
	for _, f := range g.w.query("SELECT finding, observed FROM t_findings WHERE kind = 'quarantine' AND state = 'open' ORDER BY finding") {
		if g.calm || g.chance(40) {
			g.w.exec(`INSERT INTO t_decisions (decision, kind, target, effects, recorded_at, expires_at) VALUES (?, 'approve', ?, ?, make_timestamptz(?::BIGINT), make_timestamptz(?::BIGINT))`,
				fmt.Sprintf("q%d-%s", g.w.run, *f["finding"]), *f["finding"], `["`+*f["finding"]+" "+*f["observed"]+`"]`, asked.UnixMicro(), asked.Add(24*time.Hour).UnixMicro())
		}
	}
	for _, h := range g.w.query("SELECT hold, contenders FROM t_holds WHERE state = 'open' AND field = '' ORDER BY hold") {
		if g.chance(40) {
			g.w.choose(fmt.Sprintf("h%d-%s", g.w.run, *h["hold"]), *h["hold"], *h["contenders"], *g.pick("keep", "delete"), asked)
		}
	}
	g.decideHolds()
	for _, c := range g.w.query("SELECT * FROM t_changes WHERE state = 'planned' OR state = 'held' AND attempt = 0 ORDER BY change") {
		if g.calm || g.chance(20) {
			kind := "approve"
			if g.mishap(30) {
				kind = "reject"
			}
			g.w.exec(`INSERT INTO t_decisions (decision, kind, target, effects, recorded_at, expires_at) VALUES (?, ?, ?, ?, make_timestamptz(?::BIGINT), make_timestamptz(?::BIGINT))`,
				fmt.Sprintf("d%d-%s", g.w.run, *c["change"]), kind, *c["change"], `["`+*c["effect"]+`"]`, asked.UnixMicro(), asked.Add(24*time.Hour).UnixMicro())
		}
	}
}

// decideHolds lets people decide some of what waits: a side, golden, a value of
// their own, or to leave the difference.
func (g *game) decideHolds() {
	for _, h := range g.w.query("SELECT * FROM t_holds WHERE state = 'open' AND field <> '' ORDER BY hold") {
		if !g.calm && !g.chance(40) {
			continue
		}
		choice := map[string]any{}
		golden, sides := decodeText[map[string]merge.Shown](g.w.t, str(h["golden"])), decodeText[map[string]merge.Contender](g.w.t, str(h["contenders"]))
		switch names := slices.Sorted(maps.Keys(sides)); g.rng.IntN(4) {
		case 0:
			choice["take"] = "golden"
		case 1:
			choice["leave"] = true
		case 2:
			take := names[g.rng.IntN(len(names))]
			choice["take"], choice["value"] = take, sides[take].Taken(golden)
		case 3:
			values := map[string]*string{}
			for _, f := range strings.Split(*h["field"], ",") {
				values[f] = g.value(f)
			}
			choice["value"] = values
		}
		g.decideHold(h, choice)
	}
}

// decideHold stores what a person said of a hold, as review does.
func (g *game) decideHold(h map[string]*string, choice map[string]any) {
	text, err := json.Marshal(choice)
	must(g.w.t, err)
	g.w.seq++
	g.w.exec(`INSERT INTO t_decisions (decision, kind, target, effects, shown, choice, recorded_at, _pos) VALUES (?, 'decide', ?, '[]', ?, ?, make_timestamptz(?::BIGINT), ?)`,
		fmt.Sprintf("h%d-%s", g.w.run, *h["hold"]), *h["hold"], *h["contenders"], string(text), g.w.at.Add(50*time.Minute).UnixMicro(), g.w.seq)
}

// settle ends the doubts of the run before: some writes had taken effect.
func (g *game) settle() {
	asked := g.w.at.Add(-10 * time.Minute)
	for _, c := range g.w.query("SELECT * FROM t_changes WHERE state IN ('in_doubt') OR state = 'held' AND attempt > 0 ORDER BY change") {
		switch roll := g.rng.IntN(100); {
		case roll < 50:
			g.apply(g.player(*c["system"]), c, asked, true, "applied")
		case roll < 80 || g.calm:
			g.settled(c, str(c["id"]), asked, "stale", "failed", "settled")
		case roll < 90:
			g.settled(c, str(c["id"]), asked, "held", "held", "settled")
		}
	}
}

func (g *game) player(name string) *player {
	i := slices.IndexFunc(g.systems, func(p *player) bool { return p.name == name })
	return g.systems[i]
}

// apply changes the system, and stores the answer as an observation.
func (g *game) apply(p *player, c map[string]*string, asked time.Time, answers bool, outcome string) {
	after := decodeText[map[string]*string](g.w.t, str(c["after"]))
	id := str(c["id"])
	r := p.records[id]
	switch *c["op"] {
	case "create":
		id = g.create(p, *c["_key"], after)
		r = p.records[id]
	case "delete":
		if r != nil {
			r.gone, r.told = true, true
		}
		g.settled(c, id, asked, outcome, "applied", "outcome")
		return
	default:
		if r == nil || r.gone || r.key != *c["_key"] {
			g.settled(c, id, asked, "stale", "failed", "outcome")
			return
		}
		r.before = maps.Clone(r.fields)
		maps.Copy(r.fields, after)
		g.touch(p, r)
	}
	if p.lose != nil {
		p.lose(r.fields)
	}
	r.wrote = asked
	switch {
	case answers && *c["op"] == "create" && g.mishap(40):
		g.found(p, r, c, asked, after)
	case answers && *c["op"] == "update" && outcome == "applied" && g.alters && g.mishap(30):
		g.altered(r, c, asked, after)
	default:
		g.settled(c, id, asked, outcome, "applied", "outcome")
	}
	if answers {
		r.shown = fmt.Sprint(r.version, r.gone)
		g.show(p.name, observation{key: r.key, id: id, op: pipeline.Upsert, version: p.version(r), asked: asked.Add(-time.Second), fields: maps.Clone(r.fields), commit: g.w.seq})
	}
}

// found: a look after a doubt finds the record that we made, and somebody may have
// edited it since. It proves only what it shows as it was sent.
func (g *game) found(p *player, r *held, c map[string]*string, asked time.Time, after map[string]*string) {
	if columns := slices.Sorted(maps.Keys(after)); g.chance(50) {
		if column := columns[g.rng.IntN(len(columns))]; column != p.st.columns[1].Name {
			r.fields[column] = g.value(column)
			g.touch(p, r)
		}
	}
	sent := maps.Clone(after)
	if p.lose != nil {
		p.lose(sent)
	}
	fields := map[string]string{}
	for column, v := range sent {
		fields[column] = "applied"
		if got := r.fields[column]; got == nil != (v == nil) || got != nil && *got != *v {
			fields[column] = "unknown"
		}
	}
	text, err := json.Marshal(fields)
	must(g.w.t, err)
	g.settled(c, *r.fields["id"], asked, "applied", "applied", "settled", string(text))
}

// altered: the system takes the write, and makes other letters or another value of one
// of its texts.
func (g *game) altered(r *held, c map[string]*string, asked time.Time, after map[string]*string) {
	columns := slices.Sorted(maps.Keys(after))
	column := columns[g.rng.IntN(len(columns))]
	became := map[string]string{}
	if sent, was := after[column], decodeText[map[string]*string](g.w.t, str(c["before"]))[column]; sent != nil && was != nil {
		now := strings.ToUpper(*sent)
		if other := g.value(column); other != nil && g.chance(40) {
			now = *other
		}
		if now != *sent && now != *was {
			r.fields[column], became[column] = &now, "altered"
		}
	}
	text, err := json.Marshal(became)
	must(g.w.t, err)
	g.settled(c, str(c["id"]), asked, "applied", "applied", "outcome", string(text))
}

// notKept: the system answers as if it had taken the write, and shows what it had.
func (g *game) notKept(p *player, c map[string]*string, asked time.Time) {
	r := p.records[str(c["id"])]
	if r == nil || r.gone || r.key != *c["_key"] {
		return
	}
	g.touch(p, r)
	g.settled(c, str(c["id"]), asked, "not_kept", "failed", "outcome")
	g.show(p.name, observation{key: r.key, id: str(c["id"]), op: pipeline.Upsert, version: p.version(r), asked: asked.Add(-time.Second), fields: maps.Clone(r.fields), commit: g.w.seq})
}

// settled writes the journal and where the change stands, as load does, with what
// became of single fields where that is given; flush stores it.
func (g *game) settled(c map[string]*string, id string, asked time.Time, outcome, state, kind string, fields ...string) {
	g.w.seq++
	at := fmt.Sprintf("make_timestamptz(%d::BIGINT)", asked.UnixMicro())
	name := compile.Literal(*c["change"])
	g.journal = append(g.journal, fmt.Sprintf("(%s, 'bookings', %s, %s, %s, %s, %s, %s, %s, nullif(%s, ''), %d, %d, 0)", name, compile.Literal(*c["system"]),
		compile.Literal(*c["_key"]), compile.Literal(id), compile.Literal(*c["op"]), compile.Literal(kind), at, compile.Literal(outcome), compile.Literal(strings.Join(fields, "")), g.w.seq, g.w.seq))
	g.states = append(g.states, fmt.Sprintf("(%s, %s, %s, nullif(%s, ''))", name, compile.Literal(state), at, compile.Literal(id)))
}

func (g *game) flush() {
	if len(g.journal) > 0 {
		g.w.exec(`INSERT INTO t_journal (change, entity, system, key, id, op, kind, recorded_at, outcome, fields, _pos, _seq, _ord) VALUES ` + strings.Join(g.journal, ", "))
		g.w.exec(`UPDATE t_changes t SET state = v.state, attempt = 1, recorded_at = v.moment, id = coalesce(v.id, t.id)
FROM (VALUES ` + strings.Join(g.states, ", ") + `) v(change, state, moment, id) WHERE v.change = t.change`)
	}
	if len(g.readable) > 0 {
		g.w.exec("UPDATE t_dead_letters SET open = false WHERE id IN (" + strings.Join(g.readable, ", ") + ")")
	}
	for system, list := range g.pages {
		g.w.observe(system, list...)
	}
	g.journal, g.states, g.readable, g.pages = nil, nil, nil, map[string][]observation{}
}

func (g *game) show(system string, list ...observation) {
	for i := range list {
		g.w.seq++
		list[i].place = g.w.seq
	}
	g.pages[system] = append(g.pages[system], list...)
}

// neverToAnUnknown: no change may be sent for a key that nobody can know in that system.
func (g *game) neverToAnUnknown(t *rapid.T) {
	situations := g.w.situations()
	for key, s := range situations {
		for _, c := range s.Changes {
			if c.State != "ready" {
				continue
			}
			if why := g.unknowable(s, c.System); why != "" {
				t.Fatalf("a write to an unknown (%s): %s %s %s\n%s", why, key, c.System, c.ID, story(s))
			}
		}
	}
}

func (g *game) unknowable(s *merge.Situation, system string) string {
	for _, c := range s.Changes {
		if c.System == system && (c.State == "in_doubt" || c.State == "sent" || c.State == "held" && c.Attempt > 0) {
			return "in doubt"
		}
	}
	i := slices.IndexFunc(g.systems, func(p *player) bool { return p.name == system })
	state := g.w.states[i]
	live, seenNow, missing := 0, false, false
	for _, r := range s.Rows {
		if r.System != system {
			continue
		}
		seenNow = seenNow || r.ThisRun
		if r.Op == pipeline.Upsert || r.Op == pipeline.Touch {
			live++
		}
		missing = missing || r.Op == pipeline.Missing
	}
	switch {
	case state.due && !state.complete && !seenNow:
		return "unread"
	case live > 1 && !slices.ContainsFunc(s.Links, func(l merge.Link) bool { return l.System == system && (l.State == "gone" || l.State == "deleted") }):
		return "two live records"
	case missing && !slices.ContainsFunc(s.Links, func(l merge.Link) bool { return l.System == system && l.State == "deleted" }):
		return "missing"
	}
	return strings.TrimSpace("")
}
