package lake

import (
	"strconv"
	"strings"
)

// FileKind says what the rows of a file are to a read of the table.
type FileKind string

// The kinds of files. A read of current rows takes folded and delta files; the
// story of a record takes history files too.
const (
	Folded  FileKind = "folded"  // one row per key, older than every delta
	Delta   FileKind = "delta"   // rows as they came
	History FileKind = "history" // rows that a fold replaced, kept for the story of a record
)

// File is one immutable data file of a table. Whoever writes it fills
// everything but Seq and Epoch, which the lake sets when it commits the file.
type File struct {
	Key       string   `json:"key"` // data/<table>/<epoch>/<ulid>.parquet
	Kind      FileKind `json:"kind"`
	Rows      int64    `json:"rows"`
	SizeBytes int64    `json:"bytes"`
	SHA256    string   `json:"sha256"` // of the whole file, hex
	MinHash   int64    `json:"min_hash"`
	MaxHash   int64    `json:"max_hash"`
	Seq       uint64   `json:"seq"`           // place: the commit that added it; the highest of its inputs for a file that replaced others
	Epoch     uint64   `json:"epoch"`         // the tenure under which it was written
	Tag       string   `json:"tag,omitempty"` // free text of the writer, such as the run of a list of seen records
}

// Files are the files of several tables, by table.
type Files = map[string][]File

const (
	dataPrefix  = "data/"
	tablePrefix = "tables/"
)

// dataKey names a new data file. id was never used before.
func dataKey(table string, epoch uint64, id string) string {
	return dataPrefix + table + "/" + strconv.FormatUint(epoch, 10) + "/" + id + ".parquet"
}

// manifestKey names a new manifest. id was never used before.
func manifestKey(table string, epoch uint64, id string) string {
	return tablePrefix + table + "/" + strconv.FormatUint(epoch, 10) + "/" + id + ".json"
}

// epochOf reads the epoch out of the key of a data file or manifest. Not ok:
// the key is not one of ours, and nobody may judge it.
func epochOf(key string) (epoch uint64, ok bool) {
	if !strings.HasPrefix(key, dataPrefix) && !strings.HasPrefix(key, tablePrefix) {
		return 0, false
	}
	parts := strings.Split(key, "/")
	if len(parts) < 4 {
		return 0, false
	}
	epoch, err := strconv.ParseUint(parts[len(parts)-2], 10, 64)
	return epoch, err == nil
}
