package main

import (
	"database/sql"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
)

// count asks any DuckDB, as whoever gets the files would.
func (r *rental) count(t *testing.T, database, from string) (n int64) {
	t.Helper()
	db, err := sql.Open("duckdb", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+from).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// What is exported is what a query sees, in each form, as of any commit.
func TestExport(t *testing.T) {
	r := newRental(t, 71, 25)
	r.run(t, "sweep")
	asked := func(view string) string {
		return strings.Fields(must(t, r.dir, r.env, []int{exitDone}, "query", "--format", "csv", "select count(*) from "+view))[1]
	}
	file, folder, text := filepath.Join(r.dir, "out.duckdb"), filepath.Join(r.dir, "parquet"), filepath.Join(r.dir, "csv")
	out := must(t, r.dir, r.env, []int{exitDone}, "export", "--out", file)
	says(t, out, "exported golden ", "exported golden_bookings ", "exported journal ", "in "+file)
	files := must(t, r.dir, r.env, []int{exitDone}, "export", "--out", folder)
	must(t, r.dir, r.env, []int{exitDone}, "export", "--out", text, "--format", "csv", "--view", "golden_bookings,outcomes")
	for _, view := range []string{"golden", "golden_bookings", "current_bookings_pms", "outcomes", "runs", "metrics"} {
		want := asked(view)
		says(t, out, fmt.Sprintf("exported %-30s %s row", view, want))
		says(t, files, fmt.Sprintf("exported %-30s %s row", view, want))
		if got := fmt.Sprint(r.count(t, file, view)); got != want || got == "0" {
			t.Errorf("%s in the database: %s rows, want %s", view, got, want)
		}
		if got := fmt.Sprint(r.count(t, "", "'"+filepath.Join(folder, view+".parquet")+"'")); got != want {
			t.Errorf("%s as Parquet: %s rows, want %s", view, got, want)
		}
	}
	f, err := os.Open(filepath.Join(text, "golden_bookings.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil || fmt.Sprint(len(lines)-1) != asked("golden_bookings") || !strings.Contains(strings.Join(lines[0], ","), "guest_name") {
		t.Errorf("%d lines, %v", len(lines), err)
	}
	if made, err := os.ReadDir(text); err != nil || len(made) != 2 {
		t.Errorf("%v %v", made, err)
	}
	early := must(t, r.dir, r.env, []int{exitDone}, "export", "--out", filepath.Join(r.dir, "early"), "--commit", "2", "--output", "json")
	says(t, early, `"commit": 2`, `"name": "golden"`)
	if n := r.count(t, "", "'"+filepath.Join(r.dir, "early", "golden.parquet")+"'"); n != 0 {
		t.Errorf("%d golden records before the first reconcile", n)
	}
}

func TestExportRefusesWhatItCannotDoAndLeavesNothing(t *testing.T) {
	r := newRental(t, 72, 5)
	there := filepath.Join(r.dir, "there")
	if err := os.WriteFile(there, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"export"}, exitUsage, "export needs --out"},
		{[]string{"export", "--out", "x", "--format", "excel"}, exitUsage, "duckdb, parquet or csv"},
		{[]string{"export", "--out", filepath.Join(r.dir, "x"), "--view", "goldn"}, exitUsage, "perhaps golden was meant"},
		{[]string{"export", "--out", filepath.Join(r.dir, "x"), "--commit", "99"}, exitUsage, "there is no commit 99 yet"},
		{[]string{"export", "--out", there}, exitFailed, "file already exists"},
		{[]string{"export", "--out", filepath.Join(there, "below")}, exitFailed, "not a directory"},
		{[]string{"export", "--out", filepath.Join(r.dir, "no", "such", "folder")}, exitFailed, "no such file or directory"},
	} {
		_, errOut, code := here(t, r.dir, r.with(), c.args...)
		if code != c.code {
			t.Errorf("%v: exit code %d", c.args, code)
		}
		says(t, errOut, c.says, "help: ")
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); name != "there" && name != "trueup.yaml" && name != ".trueup" && name != ".gitignore" {
			t.Errorf("%s was left", name)
		}
	}
	if text, err := os.ReadFile(there); err != nil || string(text) != "mine" {
		t.Errorf("%q %v", text, err)
	}
}
