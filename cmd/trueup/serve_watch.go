package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/stages/review/story"
	"github.com/trueup-data/trueup/stages/run"
	"github.com/trueup-data/trueup/stages/run/schedule"
)

// watch is what serve knows while it is up: the project that is in force, and
// what the lake says. It is safe for concurrent use: the endpoints look while a
// run goes on.
type watch struct {
	c     *cli
	log   *slog.Logger
	now   func() time.Time
	going atomic.Int64 // runs of this process that are on: 0 or 1

	mu      sync.Mutex
	app     *app
	trouble string // why the project file on disk is not in force
	seen    sight
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
	}
	return err
}

// Close ends what open and reload opened.
func (w *watch) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.app == nil {
		return nil
	}
	return w.app.Close()
}

// project is the one that is in force.
func (w *watch) project() *config.Project {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.app.project
}

// look is what the keeper asks for between runs: the schedules as the project
// file has them now, and the past.
func (w *watch) look(ctx context.Context) ([]config.Schedule, []schedule.Past, error) {
	w.reload(ctx)
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
// whose store cannot be opened, changes nothing but what is told.
func (w *watch) reload(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fresh, err := w.c.loadProject()
	if err != nil {
		w.refuse(err)
		return
	}
	if fresh.Hash == w.app.project.Hash && slices.Equal(fresh.Secrets, w.app.project.Secrets) {
		w.accept("the project file on disk is the one in force again")
		return
	}
	a, err := w.c.openProject(ctx, fresh, w.log)
	if err != nil {
		w.refuse(err)
		return
	}
	old := w.app
	w.app, w.seen = a, sight{}
	w.accept("")
	w.log.Info("the project file has changed and is in force now", "schedules", len(fresh.Schedules))
	if err := old.Close(); err != nil {
		w.log.Warn("the old project could not be closed", "error", err)
	}
}

// refuse says once why what is on disk is not in force.
func (w *watch) refuse(err error) {
	text := w.c.secrets.Text(explained(err))
	if text == w.trouble {
		return
	}
	w.trouble = text
	w.log.Error("the project file on disk cannot be used; the one from before stays in force", "error", text, "help", "trueup validate")
}

// accept ends the trouble.
func (w *watch) accept(text string) {
	if w.trouble != "" && text != "" {
		w.log.Info(text)
	}
	w.trouble = ""
}

// sight reads the lake, unless it has not moved since the last look.
func (w *watch) sight(ctx context.Context) (sight, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	head, err := w.app.lake.Head(ctx)
	if err != nil {
		return w.seen, err
	}
	holder, _, err := w.app.lake.Holder(ctx)
	if err != nil {
		return w.seen, err
	}
	if seq := head.Commit().Seq; seq == w.seen.commit && holder == w.seen.holder {
		return w.seen, nil
	}
	session, err := w.app.engine.Session(ctx, head)
	if err != nil {
		return w.seen, err
	}
	defer session.Close()
	s := sight{commit: head.Commit().Seq, holder: holder}
	var errs [4]error
	s.past, errs[0] = run.History(ctx, session, holder)
	s.status, errs[1] = story.ReadStatus(ctx, session, w.app.project)
	s.figures, errs[2] = story.Figures(ctx, session)
	s.ended, errs[3] = story.EndedRuns(ctx, session)
	if err := errors.Join(errs[:]...); err != nil {
		return w.seen, err
	}
	w.seen = s
	return s, nil
}
