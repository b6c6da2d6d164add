package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trueup-data/trueup/stages/review/story"
)

// printRecord shows where a record stands, and tells how it came there.
func (c *cli) printRecord(r story.Record) {
	state := "live"
	switch {
	case !r.Known:
		state = "not resolved yet"
	case !r.Live:
		state = "deleted"
	}
	head := c.paint(bold, r.Entity+" "+r.Key) + ": " + state
	if r.Known {
		head += fmt.Sprintf(", version %d since %s", r.Version, stamp(*r.ChangedAt))
	}
	c.say("%s", head)
	c.say("")
	c.printMatrix(r)
	for _, ch := range r.Chapters {
		c.say("")
		c.printChapter(ch)
	}
	c.say("")
	c.say("%s", c.paint(dim, r.Begins))
}

// printMatrix is a row per field, with golden and each system as columns. A cell
// that agrees does not repeat golden's value.
func (c *cli) printMatrix(r story.Record) {
	header := []string{"field", "golden", "from"}
	for _, s := range r.Sides {
		header = append(header, s.System)
	}
	ids := []string{"(ID)", "", ""}
	for _, s := range r.Sides {
		ids = append(ids, standing(s))
	}
	rows := [][]string{ids}
	most := c.cellWidth(len(r.Sides))
	for _, f := range r.Fields {
		row := []string{f.Field, cut(plainly(f.Golden), most), strings.ReplaceAll(f.Source, " ", ", ")}
		for _, s := range r.Sides {
			row = append(row, c.paint(cellColour(f.Cells, s), cellText(f.Cells, s, most)))
		}
		rows = append(rows, row)
	}
	grid(c.out, header, rows)
	for _, why := range reasons(r) {
		c.say("%s", why)
	}
}

// cellWidth is how many characters of a value are shown, so that all systems fit.
func (c *cli) cellWidth(systems int) int {
	w := c.width()
	if w == 0 {
		return 0
	}
	return max((w-30)/(systems+1), 10)
}

// standing is a system's record in a word: its ID, or that it has none.
func standing(s story.Side) string {
	text := cmp.Or(s.ID, "no record")
	if s.Standing != "live" && s.Standing != "none" {
		text = strings.TrimSpace(s.ID + " " + s.Standing)
	}
	if s.State != "" {
		text += " (" + stateWord(s.State) + ")"
	}
	return text
}

func stateWord(state string) string {
	if state == story.Apart {
		return "known difference"
	}
	return state
}

// cellText is a field in a system.
func cellText(cells map[string]story.Cell, s story.Side, most int) string {
	cell, there := cells[s.System]
	switch {
	case !there:
		return ""
	case s.State == story.Unknown:
		return "? " + cut(plainly(cell.Value), most)
	case cell.State == story.Agreed:
		return story.Agreed
	}
	return cut(plainly(cell.Value), most) + " (" + stateWord(cell.State) + ")"
}

// cellColour is what a person should look at.
func cellColour(cells map[string]story.Cell, s story.Side) string {
	switch state := cells[s.System].State; {
	case s.State == story.Unknown, state == story.Held, state == story.Unknown:
		return red
	case state == story.Agreed:
		return dim
	}
	return yellow
}

// plainly is a value in a table; "-" is none.
func plainly(v *string) string { return cell(map[string]*string{"": v}, "") }

// reasons say why something does not agree, each once.
func reasons(r story.Record) []string {
	var out []string
	add := func(name, state, why string) {
		if why != "" && state != "" {
			out = append(out, fmt.Sprintf("%s: %s: %s", stateWord(state), name, why))
		}
	}
	for _, s := range r.Sides {
		add(s.System, s.State, s.Why)
		for _, f := range r.Fields {
			if cell := f.Cells[s.System]; cell.State != story.Agreed {
				add(s.System+" "+f.Field, cell.State, cell.Why)
			}
		}
	}
	return slices.Compact(out)
}

// printChapter tells what one run did.
func (c *cli) printChapter(ch story.Chapter) {
	name := "by a person"
	if ch.Run != "" {
		name = strings.TrimSpace("run " + ch.Run + " " + ch.Mode)
	}
	c.say("%s  %s", c.paint(bold, stamp(ch.At)), name)
	what, system := 0, 0
	for _, e := range ch.Events {
		what, system = max(what, len(e.What)), max(system, len(e.System))
	}
	for i := 0; i < len(ch.Events); i++ {
		e := ch.Events[i]
		same := 1
		for !e.Failed && i+1 < len(ch.Events) && ch.Events[i+1].Text == e.Text && ch.Events[i+1].System == e.System && !ch.Events[i+1].Failed {
			same++
			i++
		}
		text := e.Text
		if same > 1 {
			text += fmt.Sprintf(" (%d times)", same)
		}
		colour := ""
		if e.Failed {
			colour = red
		}
		c.say("  %s  %s  %-*s  %s", e.At.Format(time.TimeOnly), c.paint(colour, fmt.Sprintf("%-*s", what, e.What)), system, e.System, c.secrets.Text(strings.Join(strings.Fields(text), " ")))
	}
}
