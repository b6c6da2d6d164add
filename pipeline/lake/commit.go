package lake

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Commit is one entry of the log: the state of every table at once. It is
// immutable; what a snapshot hands out must not be changed.
type Commit struct {
	Seq    uint64 `json:"seq"`
	ID     string `json:"id"`     // a ULID of this very put: how a writer knows its own commit
	Parent string `json:"parent"` // sha256 of the commit before, hex; "" for the first

	Epoch   uint64    `json:"epoch"`
	Tenure  string    `json:"tenure"` // which run opened the epoch: two that raced for one number are told apart by it
	Run     string    `json:"run"`
	RunAt   time.Time `json:"run_at"` // the run's pinned clock
	Project string    `json:"project"`
	Stage   string    `json:"stage"` // what committed: init, open, a stage's name, decide, compact

	Decision string            `json:"decision,omitempty"` // ID of the person's decision or compaction
	Steps    map[string]uint64 `json:"steps,omitempty"`    // committer of this epoch -> its last step
	Writers  map[string]string `json:"writers,omitempty"`  // system -> the committer of this epoch that may write intents for it
	Basis    map[string]uint64 `json:"basis,omitempty"`    // table -> the seq up to which this commit's decision read it

	Tables map[string]ManifestRef `json:"tables"`
}

// ManifestRef is what a commit says of a table: which manifest, and what can be
// known without reading it.
type ManifestRef struct {
	Key      string `json:"key"`
	SHA256   string `json:"sha256"`
	Version  int    `json:"version"`  // of the table's columns
	Changed  uint64 `json:"changed"`  // last commit that changed a row of the table
	Replaced uint64 `json:"replaced"` // last commit that changed one otherwise than by adding rows
	Files    int    `json:"files"`
	Rows     int64  `json:"rows"`
}

// manifest is the list of a table's live files, in the order of their places.
type manifest struct {
	Table string `json:"table"`
	Files []File `json:"files"`
}

// horizon is the lowest number that counts. The nonce makes two equal numbers
// different objects, since equal bytes have equal ETags.
type horizon struct {
	Lowest uint64 `json:"lowest"`
	Nonce  string `json:"nonce"`
}

const (
	logPrefix  = "log/"
	horizonKey = "log/horizon"
	seqDigits  = 20
)

func commitKey(seq uint64) string { return fmt.Sprintf("%s%0*d.json", logPrefix, seqDigits, seq) }

// seqOf reads the number out of a commit's key.
func seqOf(key string) (uint64, bool) {
	name := strings.TrimSuffix(strings.TrimPrefix(key, logPrefix), ".json")
	if len(name) != seqDigits {
		return 0, false
	}
	seq, err := strconv.ParseUint(name, 10, 64)
	return seq, err == nil
}

// sum is the sha256 of data, hex.
func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// encode renders what the lake stores. Its types hold nothing that JSON cannot say.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("lake: " + err.Error())
	}
	return append(data, '\n')
}
