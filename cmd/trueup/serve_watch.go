package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/stages/review/story"
	"github.com/trueup-data/trueup/stages/run"
	"github.com/trueup-data/trueup/stages/run/schedule"
)

// watch is what serve knows while it is up: the project that is in force, and
// what the lake says. It is safe for concurrent use: the endpoints look while a
// run goes on. What is atomic can be told while a store does not answer.
type watch struct {
	c       *cli
	log     *slog.Logger
	now     func() time.Time
	going   atomic.Int64 // runs of this process that are on: 0 or 1
	inForce atomic.Pointer[config.Project]
	trouble atomic.Pointer[string] // why the project file on disk is not in force
	seen    atomic.Pointer[sight]  // the last one; never nil

	looking chan struct{} // held by whoever looks at the lake, or changes app
	app     *app
}

// newWatch makes a watch that open has to open.
func newWatch(c *cli, now func() time.Time) *watch {
	w := &watch{c: c, log: c.logger(), now: now, looking: make(chan struct{}, 1)}
	w.seen.Store(&sight{})
	return w
}

// hold waits for its turn at the lake, no longer than ctx.
func (w *watch) hold(ctx context.Context) (release func(), err error) {
	select {
	case w.looking <- struct{}{}:
		return func() { <-w.looking }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("somebody else is still looking at the lake: %w", ctx.Err())
	}
}

// sight is what the lake said at a commit.
type sight struct {
	commit  uint64
	holder  string
	past    []schedule.Past
	status  story.Status
	figures []story.Figure
	ended   []story.Ended
}

// open loads the project for the first time: what is wrong with it ends serve.
func (w *watch) open(ctx context.Context) error {
	a, err := w.c.openApp(ctx)
	if err == nil {
		w.app = a
		w.inForce.Store(a.project)
	}
	return err
}

// Close ends what open and reload opened; nobody may look any more.
func (w *watch) Close() error {
	if w.app == nil {
		return nil
	}
	return w.app.Close()
}

// project is the one that is in force.
func (w *watch) project() *config.Project { return w.inForce.Load() }

// look is what the keeper asks for between runs: the schedules as the project
// file has them now, and the past.
func (w *watch) look(ctx context.Context) ([]config.Schedule, []schedule.Past, error) {
	if err := w.reload(ctx); err != nil {
		return nil, nil, err
	}
	s, err := w.sight(ctx)
	return w.project().Schedules, s.past, err
}

// still reports whether a schedule is due, with the lease in our hands: whoever is
// called running now is dead.
func (w *watch) still(ctx context.Context, name string) (bool, error) {
	s, err := w.sight(ctx)
	if err != nil {
		return false, err
	}
	stands := schedule.Stands(w.project().Schedules, s.past, w.now())
	return slices.ContainsFunc(stands, func(st schedule.Stand) bool { return st.Schedule.Name == name && st.Overdue }), nil
}

// reload takes the project file as it is now on disk. One that is not valid, or
// whose store cannot be opened, changes nothing but what is told. It is an error
// only if ctx ends first.
func (w *watch) reload(ctx context.Context) error {
	release, err := w.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	fresh, err := w.c.loadProject()
	if err != nil {
		w.refuse(err)
		return nil
	}
	if fresh.Hash == w.app.project.Hash && slices.Equal(fresh.Secrets, w.app.project.Secrets) {
		if w.trouble.Swap(nil) != nil {
			w.log.Info("the project file on disk is the one in force again")
		}
		return nil
	}
	a, err := w.c.openProject(ctx, fresh, w.log)
	if err != nil {
		w.refuse(err)
		return ctx.Err()
	}
	old := w.app
	w.app = a
	w.seen.Store(&sight{})
	w.inForce.Store(fresh)
	w.trouble.Store(nil)
	w.log.Info("the project file has changed and is in force now", "schedules", len(fresh.Schedules))
	if err := old.Close(); err != nil {
		w.log.Warn("the old project could not be closed", "error", err)
	}
	return nil
}

// refuse says once why what is on disk is not in force.
func (w *watch) refuse(err error) {
	text := w.c.secrets.Text(explained(err))
	if before := w.trouble.Swap(&text); before != nil && *before == text {
		return
	}
	w.log.Error("the project file on disk cannot be used; the one from before stays in force", "error", text, "help", "trueup validate")
}

// sight reads the lake, unless it has not moved since the last look. With an
// error it is what was seen last.
func (w *watch) sight(ctx context.Context) (sight, error) {
	release, err := w.hold(ctx)
	if err != nil {
		return *w.seen.Load(), err
	}
	defer release()
	last := w.seen.Load()
	head, err := w.app.lake.Head(ctx)
	if err != nil {
		return *last, err
	}
	holder, _, err := w.app.lake.Holder(ctx)
	if err != nil {
		return *last, err
	}
	if head.Commit().Seq == last.commit && holder == last.holder {
		return *last, nil
	}
	session, err := w.app.engine.Session(ctx, head)
	if err != nil {
		return *last, err
	}
	defer session.Close()
	s := sight{commit: head.Commit().Seq, holder: holder}
	if err := s.read(ctx, session, w.app.project); err != nil {
		return *last, err
	}
	w.seen.Store(&s)
	return s, nil
}

// read fills a sight from a session over its commit.
func (s *sight) read(ctx context.Context, session *duck.Session, project *config.Project) (err error) {
	if s.past, err = run.History(ctx, session, s.holder); err != nil {
		return err
	}
	if s.status, err = story.ReadStatus(ctx, session, project); err != nil {
		return err
	}
	if s.figures, err = story.Figures(ctx, session); err != nil {
		return err
	}
	s.ended, err = story.EndedRuns(ctx, session)
	return err
}
