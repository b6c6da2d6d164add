package lake

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// row is a row of any table of the model.
type row struct {
	P    string `json:"p,omitempty"` // partition, system or decision
	N    int    `json:"n,omitempty"`
	W    uint64 `json:"w,omitempty"`    // watermark
	E    uint64 `json:"e,omitempty"`    // epoch of the tenure that wrote it; 0 for people
	Prev string `json:"prev,omitempty"` // what it was decided from, or who wrote it
	ID   string `json:"id"`             // of the attempt that wrote it: never twice
}

// The tables of the model. All but counter and shelf only ever grow.
const (
	tReplica     = "replica/bookings/pms"
	tCheckpoints = "checkpoints"
	tGolden      = "golden/bookings"
	tJournal     = "journal"
	tDecisions   = "decisions"
	tNotes       = "notes"
	tCounter     = "counter" // replaced as a whole
	tShelf       = "shelf"   // replaced as a whole, also by files of old commits
)

// entry is a commit that counts, as the model keeps it for ever.
type entry struct {
	commit *Commit
	sum    string
	files  map[string][]File
	rows   map[string][]row
	named  map[string]bool
}

// model is what must hold: the plain truth, told by nothing but the effects that
// the store saw and what the actors were told.
type model struct {
	w       *world
	log     []*entry // log[i] has seq i+1
	lowest  uint64
	ever    map[string][]byte
	parsed  map[string][]row
	never   map[string]string // attempts that were told that nothing landed
	tenures map[string]bool
	broken  string
	counts  map[string]int // of what happened, to see that it does
}

func newModel(w *world) *model {
	return &model{w: w, ever: map[string][]byte{}, parsed: map[string][]row{},
		never: map[string]string{}, counts: map[string]int{}, tenures: map[string]bool{}}
}

// fail records the first invariant that did not hold.
func (m *model) fail(format string, args ...any) {
	if m.broken == "" {
		m.broken = fmt.Sprintf(format, args...)
	}
}

func (m *model) head() *entry {
	if len(m.log) == 0 {
		return nil
	}
	return m.log[len(m.log)-1]
}

func (m *model) seq() uint64 { return uint64(len(m.log)) }

// stored is called with every object that lands.
func (m *model) stored(key string, data []byte) {
	if key == horizonKey {
		m.moved(data)
		return
	}
	if seq, ok := seqOf(key); ok {
		if seq >= m.lowest {
			m.committed(seq, data)
		} else {
			m.counts["commits that landed below the horizon"]++
		}
		return
	}
	if strings.HasPrefix(key, dataPrefix) || strings.HasPrefix(key, tablePrefix) {
		if _, twice := m.ever[key]; twice {
			m.fail("name used twice: %s", key)
		}
		m.ever[key] = data
	}
}

func (m *model) moved(data []byte) {
	var h horizon
	_ = json.Unmarshal(data, &h)
	if h.Lowest < m.lowest {
		m.fail("the horizon went down from %d to %d", m.lowest, h.Lowest)
	}
	if h.Lowest > max(m.seq(), 1) {
		m.fail("the horizon %d is above the head %d", h.Lowest, m.seq())
	}
	m.lowest = h.Lowest
}

// deleted is called with every object that goes.
func (m *model) deleted(key string) {
	if _, ok := seqOf(key); ok {
		m.counts["commits deleted"]++
	} else {
		m.counts["files deleted"]++
	}
	if seq, ok := seqOf(key); ok && seq >= m.lowest && seq <= m.seq() {
		m.fail("commit %d was deleted, the horizon is %d", seq, m.lowest)
	}
	for _, e := range m.log[min(max(m.lowest, 1)-1, m.seq()):] {
		if e.named[key] {
			m.fail("%s was deleted, commit %d names it", key, e.commit.Seq)
		}
	}
}

// committed checks a commit that counts, at the moment it lands.
func (m *model) committed(seq uint64, data []byte) {
	var c Commit
	if err := json.Unmarshal(data, &c); err != nil {
		m.fail("commit %d: %v", seq, err)
		return
	}
	if seq != m.seq()+1 || c.Seq != seq {
		m.fail("commit %d landed as %d, the head is %d", c.Seq, seq, m.seq())
		return
	}
	e := &entry{commit: &c, sum: sum(data), files: map[string][]File{}, rows: map[string][]row{}, named: map[string]bool{}}
	parent := m.head()
	if parent == nil {
		parent = &entry{commit: &Commit{}, rows: map[string][]row{}}
	}
	m.chained(parent, e)
	m.readable(parent, e)
	m.log = append(m.log, e)
	m.count(e)
	m.grown(parent, e)
	m.checkpointed(e)
	m.decided(parent, e)
	m.written(parent, e)
	for table, rows := range e.rows {
		for i, r := range rows {
			if added := i >= len(parent.rows[table]) && table != tShelf; added && r.E != 0 && r.E != c.Epoch {
				m.fail("commit %d of epoch %d has what a run of epoch %d wrote", seq, c.Epoch, r.E)
			}
			if why, no := m.never[r.ID]; no {
				m.fail("commit %d has what an attempt was told had not landed (%s): %+v", seq, why, r)
			}
		}
	}
}

func (m *model) count(e *entry) {
	m.counts["commits"]++
	switch {
	case e.commit.Stage == "open":
		m.counts["tenures"]++
	case e.commit.Stage == "compact":
		m.counts["compactions"]++
	case e.commit.Decision != "":
		m.counts["decisions"]++
	case strings.Contains(e.commit.Stage, ","):
		m.counts["groups"]++
	}
}

// chained: a fenced run commits nothing.
func (m *model) chained(parent, e *entry) {
	c, p := e.commit, parent.commit
	if c.Parent != parent.sum {
		m.fail("commit %d stands on another parent", c.Seq)
	}
	if c.Stage == "open" {
		if c.Epoch != p.Epoch+1 || c.Tenure == p.Tenure {
			m.fail("commit %d opens epoch %d after %d", c.Seq, c.Epoch, p.Epoch)
		}
		return
	}
	if c.Epoch != p.Epoch || c.Tenure != p.Tenure {
		m.fail("commit %d has epoch %d after %d", c.Seq, c.Epoch, p.Epoch)
	}
}

// readable: every committed file is there, was never nobody's, and lies in order.
func (m *model) readable(parent, e *entry) {
	for _, table := range slices.Sorted(maps.Keys(e.commit.Tables)) {
		ref := e.commit.Tables[table]
		o, ok := m.w.objects[ref.Key]
		if !ok || sum(o.data) != ref.SHA256 {
			m.fail("commit %d names manifest %s, which is not there", e.commit.Seq, ref.Key)
			return
		}
		e.named[ref.Key] = true
		var list manifest
		_ = json.Unmarshal(o.data, &list)
		e.files[table] = list.Files
		for i, f := range list.Files {
			e.named[f.Key] = true
			if _, ok := m.w.objects[f.Key]; !ok {
				m.fail("commit %d names %s, which is not there", e.commit.Seq, f.Key)
			}
			if i > 0 && f.Seq < list.Files[i-1].Seq || f.Seq > e.commit.Seq {
				m.fail("commit %d: %s has place %d out of order", e.commit.Seq, f.Key, f.Seq)
			}
			if epoch, _ := epochOf(f.Key); epoch != e.commit.Epoch && !parent.named[f.Key] {
				m.fail("commit %d of epoch %d adds %s: a collector may have deleted it", e.commit.Seq, e.commit.Epoch, f.Key)
			}
			e.rows[table] = append(e.rows[table], m.rows(f.Key)...)
		}
	}
}

// rows are those of a file, whether it is still there or not.
func (m *model) rows(key string) []row {
	if rows, ok := m.parsed[key]; ok {
		return rows
	}
	var rows []row
	_ = json.Unmarshal(m.ever[key], &rows)
	m.parsed[key] = rows
	return rows
}

// grown: nothing that was committed is lost, doubled or takes another place.
func (m *model) grown(parent, e *entry) {
	for _, table := range slices.Sorted(maps.Keys(parent.rows)) {
		if table == tCounter || table == tShelf {
			continue
		}
		before, after := parent.rows[table], e.rows[table]
		if len(after) < len(before) || !slices.Equal(before, after[:len(before)]) {
			m.fail("commit %d (%s): %s does not begin with what it held", e.commit.Seq, e.commit.Stage, table)
		}
	}
	for table, rows := range e.rows {
		seen := map[string]bool{}
		for _, r := range rows {
			k := fmt.Sprint(r.ID, r.P, r.N)
			if seen[k] {
				m.fail("commit %d: %s has a row twice: %+v", e.commit.Seq, table, r)
			}
			seen[k] = true
		}
	}
}

// checkpointed: rows and checkpoints move together, without a gap and once.
func (m *model) checkpointed(e *entry) {
	marks := map[string]int{}
	for _, r := range e.rows[tCheckpoints] {
		marks[r.P] = r.N
	}
	stored := map[string]int{}
	for _, r := range e.rows[tReplica] {
		if stored[r.P]++; r.N != stored[r.P] {
			m.fail("commit %d: partition %s has row %d where %d belongs", e.commit.Seq, r.P, r.N, stored[r.P])
		}
	}
	if !maps.Equal(marks, stored) {
		m.fail("commit %d: checkpoints %v, rows %v", e.commit.Seq, marks, stored)
	}
}

// decided: what was decided from a state stands on that state.
func (m *model) decided(parent, e *entry) {
	last, lastW := "", uint64(0)
	place := m.places(e, tReplica)
	for i, r := range e.rows[tGolden] {
		count := r.N // older ones were counted when they landed; a compaction may have moved what they read
		if i == len(e.rows[tGolden])-1 {
			count = 0
			for _, seq := range place {
				if seq <= r.W {
					count++
				}
			}
		}
		if r.Prev != last || r.N != count || r.W < lastW {
			m.fail("commit %d: golden row %d %+v was decided from %q up to %d, where %q and %d rows are", e.commit.Seq, i, r, r.Prev, r.W, last, count)
		}
		last, lastW = r.ID, r.W
	}
	seen := map[string]bool{}
	for i, r := range e.rows[tDecisions] {
		if seen[r.P] {
			m.fail("commit %d: decision %s twice", e.commit.Seq, r.P)
		}
		seen[r.P] = true
		if i >= len(parent.rows[tDecisions]) && r.Prev != lastID(parent.rows[tGolden]) {
			m.fail("commit %d: decision %s was shown %s, golden is %s", e.commit.Seq, r.P, r.Prev, lastID(parent.rows[tGolden]))
		}
	}
	if before, after := parent.rows[tCounter], e.rows[tCounter]; lastID(before) != lastID(after) {
		if value(after) != value(before)+1 || len(after) != 1 {
			m.fail("commit %d: the counter went from %d to %d", e.commit.Seq, value(before), value(after))
		}
	}
}

// places are the places of a table's rows.
func (m *model) places(e *entry, table string) []uint64 {
	var places []uint64
	for _, f := range e.files[table] {
		for range m.rows(f.Key) {
			places = append(places, f.Seq)
		}
	}
	return places
}

// written: intents come from the system's writer, numbered by what it read.
func (m *model) written(parent, e *entry) {
	sent := map[string]int{}
	for i, r := range e.rows[tJournal] {
		if sent[r.P]++; r.N != sent[r.P] {
			m.fail("commit %d: %s has intent %d where %d belongs", e.commit.Seq, r.P, r.N, sent[r.P])
		}
		if i >= len(parent.rows[tJournal]) && e.commit.Writers[r.P] != r.Prev {
			m.fail("commit %d: an intent for %s by %s, its writer is %s", e.commit.Seq, r.P, r.Prev, e.commit.Writers[r.P])
		}
	}
}

// shown: what a reader takes for a commit is one, and the head is not older than
// what was the head when it asked.
func (m *model) shown(s *Snapshot, atLeast uint64) {
	seq := s.commit.Seq
	if seq == 0 || seq > m.seq() || m.log[seq-1].commit.ID != s.commit.ID {
		m.fail("commit %d, as shown to a reader, never counted", seq)
	}
	if seq < atLeast {
		m.fail("commit %d was shown as the head, which was %d already", seq, atLeast)
	}
}

// told: a commit was called done, so its rows are in the log (and stay: see grown).
func (m *model) told(s *Snapshot, table, id string) {
	m.shown(s, 0)
	for _, e := range slices.Backward(m.log) {
		if slices.ContainsFunc(e.rows[table], func(r row) bool { return r.ID == id }) {
			return
		}
	}
	m.fail("attempt %s was told that it had landed in %s, and is in no commit", id, table)
}

// denied: an attempt was told that nothing of it landed.
func (m *model) denied(id string, why error) {
	m.never[id] = fmt.Sprint(why)
	m.counts["attempts that were told that nothing landed"]++
	for table, rows := range m.head().rows {
		for _, r := range rows {
			if r.ID == id {
				m.fail("attempt %s was told that nothing had landed (%v), and is in %s", id, why, table)
			}
		}
	}
}

// opened: a tenure belongs to one run.
func (m *model) opened(t *Tenure) {
	m.shown(t.start, 0)
	if m.tenures[t.id] {
		m.fail("two runs were given the tenure %s", t.id)
	}
	m.tenures[t.id] = true
}

func lastID(rows []row) string {
	if len(rows) == 0 {
		return ""
	}
	return rows[len(rows)-1].ID
}

func value(rows []row) int {
	if len(rows) == 0 {
		return 0
	}
	return rows[len(rows)-1].N
}
