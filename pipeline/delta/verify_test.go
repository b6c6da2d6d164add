package delta

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

func TestAFileThatIsNotWhatWasMeantIsFoundOut(t *testing.T) {
	table := tables.SweepSeen(pipeline.StreamID{Entity: "e", System: "s"})
	l := newLayout(table)
	rows := func(keys ...string) *sorted {
		b := NewRows(table)
		for _, k := range keys {
			b.Number(schemas.HashKey(k)).Text(k).Text(k).Null().Null()
		}
		s, err := newSorted([]arrow.RecordBatch{b.Batch()}, l)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	write := func(l *layout, s *sorted, unsorted bool) (*os.File, lake.File) {
		f, err := os.Create(filepath.Join(t.TempDir(), "file"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		if unsorted {
			s.rows[0], s.rows[1] = s.rows[1], s.rows[0]
		}
		sum := newSum(f)
		if err := encode(sum, l, s, 1); err != nil {
			t.Fatal(err)
		}
		least, most := s.bounds()
		return f, lake.File{SizeBytes: sum.size, MinHash: least, MaxHash: most}
	}
	good := rows("a", "b", "c")
	f, described := write(l, good, false)
	if err := verify(f, l, good, described); err != nil {
		t.Fatal(err)
	}
	narrow := newLayout(tables.Table{Name: "t", Columns: table.Columns[:3]})
	unsorted, unsortedFile := write(l, rows("a", "b"), true)
	truncated, truncatedFile := write(l, good, false)
	if err := truncated.Truncate(truncatedFile.SizeBytes - 9); err != nil {
		t.Fatal(err)
	}
	shorter := truncatedFile
	shorter.SizeBytes -= 9
	moved := described
	moved.MaxHash++
	for reason, err := range map[string]error{
		"3 rows, 2 were written":   verify(f, l, rows("a", "b"), described),
		"5 columns, the table 3":   verify(f, narrow, good, described),
		"holds the hashes":         verify(f, l, good, moved),
		"not in the order":         verify(unsorted, l, rows("a", "b"), unsortedFile),
		"bytes":                    verify(truncated, l, good, truncatedFile),
		"reading footer of parque": verify(truncated, l, good, shorter),
	} {
		if err == nil || !strings.Contains(err.Error(), reason) && reason != "reading footer of parque" {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

func TestSumsAreThoseOfTheBytesThatPassed(t *testing.T) {
	var out strings.Builder
	w, want := newSum(&out), sha256.Sum256([]byte("some bytes"))
	for _, part := range []string{"some ", "", "bytes"} {
		if _, err := w.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if w.hex() != hex.EncodeToString(want[:]) || w.size != 10 || out.String() != "some bytes" {
		t.Errorf("%s, %d bytes", w.hex(), w.size)
	}
}
