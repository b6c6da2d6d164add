package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/stages/review/story"
)

// queryMemory bounds what a query may hold.
const queryMemory = 2 << 30

// queryWorkerCommand is the process that runs a query: it gets a bundle on
// standard input and has nothing else.
func (c *cli) queryWorkerCommand() *cobra.Command {
	return &cobra.Command{Use: "query-worker", Hidden: true, Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var b bundle
			if err := json.NewDecoder(c.in).Decode(&b); err != nil {
				return fmt.Errorf("read the query: %w", err)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), b.Timeout)
			defer cancel()
			return c.answer(ctx, &b)
		}}
}

// answer runs a bundle's statement on an engine that can reach the bundle's files only.
func (c *cli) answer(ctx context.Context, b *bundle) error {
	engine, err := duck.Open(duck.Options{MemoryBytes: queryMemory, TempDir: b.Folder, Files: bundleFiles{b}})
	if err != nil {
		return err
	}
	defer engine.Close()
	session, err := engine.Session(ctx, b.snapshot())
	if err != nil {
		return err
	}
	defer session.Close()
	if err := story.Bind(ctx, session, b.Sources); err != nil {
		return err
	}
	if err := session.Lock(ctx); err != nil {
		return err
	}
	if b.Format == "parquet" {
		err := session.Parquet(ctx, b.Statement, int64(b.Rows), c.out)
		if errors.Is(err, duck.ErrTooMany) {
			err = tooMany(b.Rows)
		}
		return mistake(ctx, b, err)
	}
	rows, err := session.Query(ctx, b.Statement)
	if err != nil {
		return mistake(ctx, b, err)
	}
	defer rows.Close()
	return mistake(ctx, b, c.printRows(rows, b.Format, b.Rows))
}

// mistake says what is wrong with a statement: most errors here are its author's.
func mistake(ctx context.Context, b *bundle, err error) error {
	help := "trueup query --describe"
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.New(fault.Canceled, "query", fmt.Errorf("it took longer than %s", b.Timeout)).WithCode(fault.CodeQueryTime).WithHelp("narrow it, or raise --timeout")
	case slices.Contains([]string{duck.CodeMemory, duck.CodeFile, duck.CodeBroken}, fault.CodeOf(err)):
		return err
	case fault.HelpOf(err) != "":
		help = fault.HelpOf(err)
	}
	if strings.HasSuffix(err.Error(), "at end of input") { // the only place that DuckDB does not point to
		lines := strings.Split(strings.TrimSpace(b.Statement), "\n")
		last := lines[len(lines)-1]
		err = fault.New(fault.Permanent, "", fmt.Errorf("%s\n  %s\n  %s^", explained(&usageError{err: err}), last, strings.Repeat(" ", len([]rune(last))))).WithCode(fault.CodeStatement)
	}
	return &usageError{err: err, help: help}
}

func tooMany(limit int) error {
	return &usageError{err: fmt.Errorf("the result has more than %s", plural(int64(limit), "row", "rows")), help: "narrow it, or raise --rows"}
}

// printRows writes a result; more rows than limit are an error, never cut in silence.
func (c *cli) printRows(rows *sql.Rows, format string, limit int) error {
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	var all [][]any
	for rows.Next() {
		if len(all) == limit {
			return tooMany(limit)
		}
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, v := range values {
			values[i] = plain(v, types[i].DatabaseTypeName())
		}
		all = append(all, values)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	switch format {
	case "json":
		return c.rowsJSON(names, all)
	case "csv":
		return c.rowsCSV(names, all)
	}
	grid(c.out, names, texts(all))
	c.say("%s", plural(int64(len(all)), "row", "rows"))
	return nil
}

func (c *cli) rowsJSON(names []string, all [][]any) error {
	out := make([]map[string]any, len(all))
	for i, r := range all {
		out[i] = map[string]any{}
		for j, n := range names {
			out[i][n] = r[j]
		}
	}
	return c.printJSON(out)
}

func (c *cli) rowsCSV(names []string, all [][]any) error {
	w := csv.NewWriter(c.out)
	if err := w.Write(names); err != nil {
		return err
	}
	if err := w.WriteAll(texts(all)); err != nil {
		return err
	}
	return w.Error()
}

func texts(all [][]any) [][]string {
	out := make([][]string, len(all))
	for i, r := range all {
		out[i] = make([]string, len(r))
		for j, v := range r {
			if v != nil {
				out[i][j] = fmt.Sprint(v)
			}
		}
	}
	return out
}

// plain makes a value of DuckDB one that prints and marshals as people expect.
func plain(v any, databaseType string) any {
	switch v := v.(type) {
	case time.Time:
		switch databaseType {
		case "DATE":
			return v.Format(time.DateOnly)
		case "TIME":
			return v.Format("15:04:05.999999")
		}
		return v.UTC().Format(time.RFC3339Nano)
	case duckdb.Decimal:
		return fixed(v)
	case duckdb.Interval:
		return span(v)
	case duckdb.OrderedMap, map[string]any, []any:
		return nested{inside(v)}
	case fmt.Stringer:
		return v.String()
	case []byte:
		if id := (duckdb.UUID{}); databaseType == "UUID" && len(v) == len(id) {
			copy(id[:], v)
			return id.String()
		}
		return string(v)
	}
	return v
}

// inside makes the values in a list or a struct plain.
func inside(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = inside(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for name := range v {
			out[name] = inside(v[name])
		}
		return out
	case duckdb.OrderedMap:
		return v
	}
	return plain(v, "")
}

// span renders an interval as DuckDB does, such as "1 month 3 days 00:01:30".
func span(v duckdb.Interval) string {
	var parts []string
	for _, p := range []struct {
		n         int32
		one, many string
	}{{v.Months / 12, "year", "years"}, {v.Months % 12, "month", "months"}, {v.Days, "day", "days"}} {
		if p.n != 0 {
			parts = append(parts, plural(int64(p.n), p.one, p.many))
		}
	}
	if v.Micros != 0 || len(parts) == 0 {
		sign, d := "", time.Duration(v.Micros)*time.Microsecond
		if d < 0 {
			sign, d = "-", -d
		}
		text := fmt.Sprintf("%s%02d:%02d:%02d", sign, int64(d.Hours()), int64(d.Minutes())%60, int64(d.Seconds())%60)
		if rest := (d % time.Second).Microseconds(); rest != 0 {
			text += strings.TrimRight(fmt.Sprintf(".%06d", rest), "0")
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

// nested is a list, a struct or JSON: text prints it as JSON too.
type nested struct{ value any }

// MarshalJSON is the value's own.
func (n nested) MarshalJSON() ([]byte, error) { return json.Marshal(n.value) }

// String is JSON in one line; what JSON cannot say, as Go prints it.
func (n nested) String() string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(n.value) != nil {
		return fmt.Sprint(n.value)
	}
	return strings.TrimSpace(b.String())
}

// fixed renders a decimal with all the places that its type has.
func fixed(d duckdb.Decimal) string {
	digits := new(big.Int).Abs(d.Value).String()
	scale := int(d.Scale)
	if scale > 0 {
		digits = strings.Repeat("0", max(0, scale+1-len(digits))) + digits
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if d.Value.Sign() < 0 {
		return "-" + digits
	}
	return digits
}
