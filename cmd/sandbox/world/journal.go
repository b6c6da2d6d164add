package world

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// entry is one line of the journal: exactly one member is set.
type entry struct {
	Clock   *time.Time     `json:"clock,omitempty"`
	Version *storedVersion `json:"version,omitempty"`
	Edit    *Edit          `json:"edit,omitempty"`
	Effect  *Effect        `json:"effect,omitempty"`
	Saved   *storedAnswer  `json:"saved,omitempty"`
}

type storedVersion struct {
	System  string  `json:"system"`
	Entity  string  `json:"entity"`
	ID      string  `json:"id"`
	Number  int64   `json:"number"`
	Version Version `json:"version"`
}

type storedAnswer struct {
	Key    string      `json:"key"`
	Answer savedAnswer `json:"answer"`
}

// journal writes what changes the world. The first failure is kept and ends it:
// a world goes on without its journal, and says so when it is closed.
type journal struct {
	to  io.Writer
	err error
}

func (j *journal) write(e entry) {
	if j.to == nil || j.err != nil {
		return
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = j.to.Write(append(line, '\n'))
	}
	j.err = err
}

func (j *journal) failed() error {
	if j.err != nil {
		return fmt.Errorf("write the world's journal: %w", j.err)
	}
	return nil
}

// Restore makes a world from a journal: the same records, edits, effects, kept
// answers and time. The logs of requests and serves begin anew. A torn last line,
// as a killed process leaves it, is dropped. Options must be those of the world
// that wrote it; Records counts what it began with. New entries go to o.Journal.
func Restore(o Options, from io.Reader) (*World, error) {
	keep := o.Journal
	o.Journal = nil
	w := bare(o)
	if err := w.weather.set(w.opt.Faults); err != nil {
		return nil, err
	}
	for _, s := range w.shelves {
		s.bulk = true
	}
	if err := w.replay(bufio.NewReader(from)); err != nil {
		return nil, err
	}
	for _, s := range w.shelves {
		s.settle()
	}
	w.journal.to = keep
	return w, nil
}

func (w *World) replay(from *bufio.Reader) error {
	for n := 1; ; n++ {
		line, err := from.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // what stands after the last line end is torn
		}
		if err != nil {
			return fmt.Errorf("read the world's journal: %w", err)
		}
		var e entry
		if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
			return fmt.Errorf("the world's journal, line %d: %w", n, err)
		}
		if err := w.apply(e); err != nil {
			return fmt.Errorf("the world's journal, line %d: %w", n, err)
		}
	}
}

func (w *World) apply(e entry) error {
	switch {
	case e.Clock != nil:
		w.now = *e.Clock
	case e.Edit != nil:
		w.remember(*e.Edit)
	case e.Effect != nil:
		w.truth.effects = append(w.truth.effects, *e.Effect)
	case e.Saved != nil:
		w.saved[e.Saved.Key] = e.Saved.Answer
	case e.Version != nil:
		return w.applyVersion(*e.Version)
	}
	return nil
}

func (w *World) applyVersion(v storedVersion) error {
	s, err := w.shelf(v.Entity, v.System)
	if err != nil {
		return err
	}
	w.version = max(w.version, v.Version.Number)
	if r, ok := s.records[v.ID]; ok {
		s.push(r, v.Version)
		return nil
	}
	s.last = v.Number - 1
	s.add(v.Version)
	return nil
}
