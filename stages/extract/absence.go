package extract

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/sql"
)

// absence finds the records that a proven sweep did not show, and proves by ID
// which of them are gone. What cannot be proven is stored as missing. A changed
// scope, or a first sweep, is a baseline: it deletes nothing.
func (p *pass) absence(ctx context.Context) error {
	if p.marks.fingerprint != p.req.Fingerprint {
		p.result.Baseline = true
		return p.adoptScope(ctx)
	}
	if !p.req.Stream.Extract.Absence {
		return nil
	}
	absent, controls, err := p.findAbsent(ctx)
	if err != nil {
		return err
	}
	for _, part := range p.provenPartitions() {
		if len(absent[part]) == 0 {
			continue
		}
		if len(controls[part]) == 0 {
			p.doubtEmpty(part, len(absent[part]))
			continue
		}
		if err := p.prove(ctx, part, absent[part], controls[part]); err != nil {
			return err
		}
	}
	return nil
}

// doubtEmpty unproves a partition that showed nothing where the replica holds
// records: it is more likely broken than empty.
func (p *pass) doubtEmpty(partition string, held int) {
	err := fmt.Errorf("%s showed no record at all, and the replica holds %d: nothing is taken for deleted", p.stream.ID, held)
	p.result.State = Empty
	p.result.note(err)
	for i := range p.result.Partitions {
		if r := &p.result.Partitions[i]; r.Name == partition {
			r.Proven, r.Reason = false, err.Error()
		}
	}
}

func (p *pass) provenPartitions() []string {
	var names []string
	for _, r := range p.result.Partitions {
		if r.Proven {
			names = append(names, r.Name)
		}
	}
	return names
}

// findAbsent compares the sweep's list with the replica: IDs by partition, and
// beside them some that this sweep did show.
func (p *pass) findAbsent(ctx context.Context) (absent, controls map[string][]string, err error) {
	head, err := p.Lake.Head(ctx)
	if err != nil {
		return nil, nil, err
	}
	session, err := p.Engine.Session(ctx, head)
	if err != nil {
		return nil, nil, err
	}
	defer session.Close()
	if err := p.absenceViews(ctx, session); err != nil {
		return nil, nil, fmt.Errorf("absent records of %s: %w", p.stream.ID, err)
	}
	if controls, err = readPairs(ctx, session, "extract/controls.sql", string(p.req.Run)); err != nil {
		return nil, nil, err
	}
	var only any // the one partition's name, else null
	if len(p.result.Partitions) == 1 {
		only = p.result.Partitions[0].Name
	}
	rows, err := ask(ctx, session, "extract/absent.sql", p.sweep.began.UnixMicro(), only)
	if err != nil {
		return nil, nil, fmt.Errorf("absent records of %s: %w", p.stream.ID, err)
	}
	absent = map[string][]string{}
	err = eachPair(rows, func(id, partition string) { absent[partition] = append(absent[partition], id) })
	return absent, controls, err
}

// absenceViews binds what absent.sql reads.
func (p *pass) absenceViews(ctx context.Context, session *duck.Session) error {
	if err := session.Current(ctx, p.stream.Table, "current"); err != nil {
		return err
	}
	if err := session.Rows(ctx, tables.SweepSeen(p.stream.ID), "sweeps"); err != nil {
		return err
	}
	covers := "true"
	if c := p.req.Stream.Extract.Covers; c != nil {
		covers = "coalesce(TRY(" + c.SQL + "), false)"
	}
	views, err := queries.Text("extract/sweep_views.sql")
	if err != nil {
		return err
	}
	for _, statement := range []string{
		"SET VARIABLE this_run = " + duck.Literal(string(p.sweep.id)),
		views,
		"CREATE OR REPLACE TEMP VIEW covered AS SELECT _key, _id FROM current WHERE " + covers,
		"CREATE OR REPLACE TEMP TABLE proven (partition VARCHAR)",
	} {
		if err := session.Exec(ctx, statement); err != nil {
			return err
		}
	}
	for _, name := range p.provenPartitions() {
		if err := session.Exec(ctx, "INSERT INTO proven VALUES ($1)", name); err != nil {
			return err
		}
	}
	return nil
}

// readPairs runs a statement that gives two columns of text, and groups the
// second by the first.
func readPairs(ctx context.Context, session *duck.Session, name string, args ...any) (map[string][]string, error) {
	rows, err := ask(ctx, session, name, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out := map[string][]string{}
	return out, eachPair(rows, func(a, b string) { out[a] = append(out[a], b) })
}

func eachPair(rows *sql.Rows, do func(a, b string)) error {
	defer rows.Close()
	for rows.Next() {
		var a, b string
		if err := rows.Scan(&a, &b); err != nil {
			return fmt.Errorf("read rows: %w", err)
		}
		do(a, b)
	}
	return rows.Err()
}

// samePlaces reports whether two listings of the partitions are equal, in any order.
func samePlaces(a, b []pipeline.Partition) bool {
	byName := func(x, y pipeline.Partition) int {
		if x.Name < y.Name {
			return -1
		}
		if x.Name > y.Name {
			return 1
		}
		return 0
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, byName)
	slices.SortFunc(b, byName)
	return slices.EqualFunc(a, b, samePartition)
}
