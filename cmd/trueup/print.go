package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/trueup-data/trueup/pipeline/observe"
)

// json reports whether the answer is for a program.
func (c *cli) json() bool { return c.flags.output == "json" }

// printJSON writes one value and a line break.
func (c *cli) printJSON(v any) error {
	enc := json.NewEncoder(c.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// say writes a line for a person.
func (c *cli) say(format string, args ...any) { fmt.Fprintf(c.out, format+"\n", args...) }

// grid writes rows under a header, in columns as wide as they have to be. The
// columns of these numbers, from 0, stand at the right: they are figures.
func grid(w io.Writer, header []string, rows [][]string, figures ...int) {
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	style.Box.PaddingLeft = ""
	style.Box.PaddingRight = "  "
	t.SetStyle(style)
	head := make(table.Row, len(header))
	for i, h := range header {
		head[i] = h
	}
	t.AppendHeader(head)
	for _, r := range rows {
		row := make(table.Row, len(r))
		for i, v := range r {
			row[i] = v
		}
		t.AppendRow(row)
	}
	var aligned []table.ColumnConfig
	for _, n := range figures {
		aligned = append(aligned, table.ColumnConfig{Number: n + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(aligned)
	for line := range strings.Lines(t.Render() + "\n") {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// logger writes to standard error, without secrets; as JSON where the answer is.
func (c *cli) logger() *slog.Logger {
	level := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}[c.flags.logLevel]
	options := &slog.HandlerOptions{Level: level}
	var lines slog.Handler = slog.NewTextHandler(beside{c}, options)
	if c.json() {
		lines = slog.NewJSONHandler(beside{c}, options)
	}
	return slog.New(observe.NewHandler(lines, c.secrets))
}

// count renders a number with thousands apart: 1,204.
func count(n int64) string {
	s := fmt.Sprint(n)
	var b strings.Builder
	for i, r := range s {
		if i > 0 && r != '-' && (len(s)-i)%3 == 0 && s[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// plural is "1 change", "2 changes".
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}
