package reconcile

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/stages/reconcile/merge"
)

// TestAQuietWorldConverges: after a day of edits and faults the outside is quiet.
// Repeated runs reach a state in which nothing is sent any more, and every record
// that belongs into a system agrees there, or is listed with the reason.
func TestAQuietWorldConverges(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := newDrawnGame(t, rapid.Uint64().Draw(rt, "seed"), 60)
		for range 4 {
			g.round()
		}
		g.calm, g.w.guards = true, config.Guards{}
		quiet := 0
		for runs := 0; quiet < 2; runs++ {
			if runs == 12 {
				rt.Fatalf("still writing after %d quiet runs: %v", runs, g.w.query("SELECT _key, system, op, id, before, after, state, reason FROM out_changes"))
			}
			if g.round(); g.w.wrote["out_changes"] == 0 && g.w.wrote["out_golden"] == 0 {
				quiet++
			} else {
				quiet = 0
			}
		}
		g.agrees(rt)
	})
}

// leaves reports whether records that leave the system's scope are deleted there.
func (g *game) leaves(system string) bool {
	return slices.ContainsFunc(g.w.rules.Systems, func(s merge.System) bool { return s.Name == system && s.Leave != "keep" })
}

// round is one run of the world.
func (g *game) round() {
	g.step()
	g.w.judge()
	g.w.fold()
	g.send()
}

// agrees compares golden with what the systems really hold.
func (g *game) agrees(t *rapid.T) {
	situations := g.w.situations()
	for i := range g.w.rules.Systems {
		s := g.w.rules.Systems[i]
		p := g.player(s.Name)
		for _, key := range g.keys {
			in := situations[key]
			if in == nil || in.Golden == nil || g.excused(in, s.Name) {
				continue
			}
			for _, r := range p.records {
				if r.key == key && !r.gone {
					g.recordAgrees(t, s, in, r)
				}
			}
		}
	}
}

// excused: the record waits for a person, or nobody can know it.
func (g *game) excused(in *merge.Situation, system string) bool {
	return slices.ContainsFunc(in.Findings, func(f merge.Finding) bool { return f.Kind == "against_update" || f.System == system }) ||
		slices.ContainsFunc(in.Changes, func(c merge.Change) bool {
			return c.System == system && (c.State == "planned" || c.State == "held" || c.State == "in_doubt")
		})
}

func (g *game) recordAgrees(t *rapid.T, s merge.System, in *merge.Situation, r *held) {
	listed := func(field string) bool {
		return slices.ContainsFunc(in.Differences, func(d merge.Difference) bool {
			return d.System == s.Name && (d.Field == field || d.Field == "" || slices.Contains(s.Reads[field], d.Field))
		})
	}
	if !in.Golden.Live {
		if !listed("") {
			t.Fatalf("%s is deleted, and %s still holds %s\n%s", in.Key, s.Name, *r.fields["id"], story(in))
		}
		return
	}
	stream := merge.Fields{}
	for name, v := range r.fields {
		if stream[name] = (merge.Val{State: merge.Null}); v != nil {
			stream[name] = merge.Of(*v)
		}
	}
	if !s.Scope(in.Golden.Fields) {
		return
	}
	view, shown := s.View(in.Golden.Fields, stream), s.Shows(stream)
	for field := range s.Reads {
		want, got := view.Get(field), shown.Get(field)
		if want.Set() && got.Set() && want != got && !listed(field) {
			t.Fatalf("%s.%s is %v in %s, golden wants %v, and nothing says why\n%s", in.Key, field, got, s.Name, want, story(in))
		}
	}
}

// TestAnUnprovenEndDeletesNothing: records that a read did not show, or that are
// only missing, are neither deleted anywhere nor given up by golden.
func TestAnUnprovenEndDeletesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := newDrawnGame(t, rapid.Uint64().Draw(rt, "seed"), 40)
		g.unproven = true
		for range 4 {
			g.step()
			g.w.judge()
			for _, c := range g.w.query("SELECT * FROM out_changes WHERE op = 'delete' AND state <> 'superseded'") {
				if g.leaves(*c["system"]) {
					continue // a record that leaves the scope is deleted there, with no word of any system
				}
				rt.Fatalf("a delete of %s in %s that nobody proved", *c["_key"], *c["system"])
			}
			if dead := g.w.query("SELECT _key FROM out_golden WHERE NOT _live"); len(dead) > 0 {
				rt.Fatalf("golden gave up %s without proof", *dead[0]["_key"])
			}
			g.w.fold()
			g.send()
		}
	})
}
