// Package story is the demo: the project file that matches the sandbox's world,
// and a script that lives through a day in that world with the real program, as a
// person would run it. It must never reach into the pipeline's store or decide
// what is right: the program's own commands tell the one, and the world's truth
// the other.
package story

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// Options say how the demo is told.
type Options struct {
	Dir     string   // made; emptied first where an earlier demo made it
	Seed    uint64   // what the world follows from
	Records int      // bookings at the start, other records in proportion; at least 100, 0 means 2200
	Hours   int      // with an hourly run each; at least 2, 0 means 5
	Program string   // path of the trueup that is run
	Name    string   // how the reader calls that program
	Env     []string // environment of its processes, as of os.Environ
	Out     io.Writer
}

// teller is a demo under way.
type teller struct {
	Options
	world    *world.World
	servers  *world.Servers
	wire     *tripwire
	project  string // path of the project file
	plan     string // that waits for its approval
	resumes  bool   // the run before was killed
	requests int    // of the world that were told
	edits    int    // of the world that were told
	late     string // the key of a booking that no hourly run can see
	moved    conflict
}

// Tell runs the demo and writes it to o.Out. Its error is a command that failed,
// or a proof that does not hold; the store in o.Dir is left as it is either way.
func Tell(ctx context.Context, o Options) (err error) {
	o.Records, o.Hours = cmp.Or(o.Records, 2200), cmp.Or(o.Hours, 5)
	if o.Records < 100 || o.Hours < 2 {
		return fmt.Errorf("a demo of %d bookings and %d hours has no story: it takes 100 and 2", o.Records, o.Hours)
	}
	t := &teller{Options: o, wire: &tripwire{}}
	if err := t.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.servers.Close()) }()
	for _, chapter := range []func(context.Context) error{t.before, t.install, t.firstPlan, t.day, t.night, t.cleanup, t.calm, t.prove, t.after} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// open makes the folder, the world and the project file.
func (t *teller) open(ctx context.Context) error {
	if err := prepare(t.Dir); err != nil {
		return err
	}
	var err error
	t.world, err = world.New(world.Options{Seed: t.Seed, Records: t.Records, Whole: true, Watch: t.wire.request})
	if err != nil {
		return fmt.Errorf("make the simulated world: %w", err)
	}
	if t.servers, err = t.world.Serve(ctx, nil); err != nil {
		return fmt.Errorf("serve the simulated world: %w", err)
	}
	t.project = filepath.Join(t.Dir, "trueup.yaml")
	if err := os.WriteFile(t.project, projectFor(t.servers.Env()), 0o600); err != nil {
		return errors.Join(fmt.Errorf("write the project file: %w", err), t.servers.Close())
	}
	return nil
}

// width is how wide a line of the story may be.
const width = 118

// list writes a name and what is said of it, on as many lines as it takes.
func (t *teller) list(name, said string) {
	if said == "" {
		said = "nothing"
	}
	for _, line := range wrap(fmt.Sprintf("  %-13s %s", name, said), width, 16) {
		t.say("%s", line)
	}
}

// paragraph writes text on as many lines as it takes.
func (t *teller) paragraph(text string) {
	for _, line := range wrap(text, width, 0) {
		t.say("%s", line)
	}
}

// say writes a line of the story.
func (t *teller) say(format string, args ...any) { fmt.Fprintf(t.Out, format+"\n", args...) }
