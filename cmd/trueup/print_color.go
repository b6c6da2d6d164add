package main

import (
	"os"
	"strings"

	"golang.org/x/term"
)

// Colours say nothing that words do not say too.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint colours text for people at a terminal.
func (c *cli) paint(colour, text string) string {
	if !c.coloured() || text == "" || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// coloured: somebody looks, and did not say that colours are unwanted, be it by
// --no-color, by NO_COLOR (no-color.org) or by a terminal that has none.
func (c *cli) coloured() bool {
	unwanted, _ := c.env("NO_COLOR")
	kind, _ := c.env("TERM")
	return !c.flags.noColor && unwanted == "" && kind != "dumb" && c.width() > 0
}

// width is that of the terminal which shows the answer; 0: none does.
func (c *cli) width() int {
	f, ok := c.out.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// opColour is what an operation looks like.
func opColour(op string) string {
	return map[string]string{"create": green, "update": yellow, "delete": red}[op]
}

// cut is a line that fits into so many columns, with dots where some is missing;
// 0: it stays whole.
func cut(line string, width int) string {
	runes := []rune(line)
	if width <= 0 || len(runes) <= width {
		return line
	}
	return strings.TrimRight(string(runes[:max(width-1, 0)]), " ,") + "…"
}
