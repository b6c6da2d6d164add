package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// serveFlags are the flags of sandbox serve.
type serveFlags struct {
	at      map[string]string
	options world.Options
	start   string
	journal string
	rough   float64
	harsh   float64
}

func serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the world until interrupted; the first line of output is the URLs as JSON, by system",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return serve(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringToStringVar(&f.at, "listen", nil, "where a system or admin listens, as in pms=127.0.0.1:8001; others pick a free port. The admin API has no authentication")
	flags.Uint64Var(&f.options.Seed, "seed", 7, "what everything follows from")
	flags.IntVar(&f.options.Records, "records", 500, "bookings at the start; other entities in proportion")
	flags.BoolVar(&f.options.Whole, "whole", false, "all five systems and entities; otherwise bookings in pms and staybnb")
	flags.StringVar(&f.start, "now", "", "simulated time at the start, RFC 3339 (default 2026-03-02T08:00:00Z)")
	flags.StringToStringVar(&f.options.Credentials, "credential", nil, "credential of a system, as in pms=secret; default SYSTEM-token")
	flags.DurationVar(&f.options.Retention, "retention", 24*time.Hour, "how long idempotency keys are kept, in simulated time")
	flags.Float64Var(&f.rough, "rough", 0, "share of requests that each kind of fault hits")
	flags.Float64Var(&f.harsh, "harsh", 0, "the same, with slow, stale and broken answers among the faults")
	flags.StringVar(&f.journal, "journal", "", "file that keeps the world; an existing one is continued")
	return cmd
}

// serve runs the world until the command's context ends.
func serve(cmd *cobra.Command, f serveFlags) error {
	w, done, err := f.open()
	if err != nil {
		return err
	}
	servers, err := w.Serve(cmd.Context(), f.at)
	if err != nil {
		return errors.Join(err, done())
	}
	line, err := json.Marshal(servers.URL)
	if err == nil {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), string(line))
	}
	if err == nil {
		<-cmd.Context().Done()
	}
	return errors.Join(err, servers.Close(), done())
}

// open makes the world, or continues the one of the journal. done closes the journal.
func (f serveFlags) open() (w *world.World, done func() error, err error) {
	done = func() error { return nil }
	if f.start != "" {
		if f.options.Start, err = time.Parse(time.RFC3339, f.start); err != nil {
			return nil, nil, fmt.Errorf("--now: %w", err)
		}
	}
	switch {
	case f.rough > 0 && f.harsh > 0:
		return nil, nil, errors.New("--harsh is --rough and more: give one of them")
	case f.rough > 0:
		f.options.Faults = world.Rough(f.rough)
	case f.harsh > 0:
		f.options.Faults = world.Harsh(f.harsh)
	}
	if f.journal == "" {
		w, err = world.New(f.options)
		return w, done, err
	}
	old, err := f.wholeLines()
	if err != nil {
		return nil, nil, err
	}
	f.options.Journal = old
	if size, sizeErr := old.Seek(0, io.SeekEnd); sizeErr == nil && size == 0 {
		w, err = world.New(f.options)
	} else {
		w, err = f.restore(old)
	}
	if err != nil {
		return nil, nil, errors.Join(err, old.Close())
	}
	return w, old.Close, nil
}

// restore continues the world of the journal, which is open for appending.
func (f serveFlags) restore(journal *os.File) (*world.World, error) {
	from, err := os.Open(journal.Name())
	if err != nil {
		return nil, err
	}
	defer from.Close()
	return world.Restore(f.options, from)
}

// wholeLines opens the journal for appending, after cutting off a torn last line:
// what would be appended to it could not be read.
func (f serveFlags) wholeLines() (*os.File, error) {
	raw, err := os.ReadFile(f.journal)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--journal: %w", err)
	}
	whole := len(raw)
	for whole > 0 && raw[whole-1] != '\n' {
		whole--
	}
	file, err := os.OpenFile(f.journal, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--journal: %w", err)
	}
	if err := file.Truncate(int64(whole)); err != nil {
		return nil, errors.Join(fmt.Errorf("--journal: %w", err), file.Close())
	}
	return file, nil
}
