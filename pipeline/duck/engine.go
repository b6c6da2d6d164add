//go:build duckdb_arrow

// Package duck runs DuckDB over pinned commits: which files a table has, how
// their rows fold into one row per key, and in which order they count. It must
// never read a file that the commit does not name, write a table by itself, or
// substitute anything but quoted names and literals into a statement.
package duck

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/sql"
)

// Snapshot is one state of all tables: the files of each, in the order of their
// places. A *lake.Snapshot is one.
type Snapshot interface {
	Files(ctx context.Context, table string) ([]lake.File, error)
}

// Files brings a file of the lake to this machine, whole and checked, and gives
// its path. The file may be evicted later: an engine holds what it reads by a
// link of its own. Safe for concurrent use.
type Files interface {
	Path(ctx context.Context, f lake.File) (string, error)
}

// Options bound an engine.
type Options struct {
	// MemoryBytes is what all sessions together may hold before they spill; 0
	// means half of what the machine has. What reads and writes files beside
	// DuckDB takes memory of its own, so give it about half of the process's.
	MemoryBytes int64

	Threads int    // 0: as many as there are cores
	TempDir string // where joins spill and files are linked, best on the file system of Files; "": the system's
	Files   Files
}

// Engine is one DuckDB in this process. It reads the files of its sessions'
// snapshots and nothing else. It is safe for concurrent use; sessions of one
// engine share its memory and threads and nothing else.
type Engine struct {
	db       *sql.DB
	links    *links
	sessions atomic.Uint64
}

// Open starts an engine. Close it.
func Open(o Options) (*Engine, error) {
	links, err := openLinks(o.TempDir, o.Files)
	if err != nil {
		return nil, err
	}
	connector, err := duckdb.NewConnector("", beginConnection)
	if err != nil {
		return nil, errors.Join(classify("start DuckDB", err), links.close())
	}
	e := &Engine{db: sql.OpenDB(connector), links: links}
	e.db.SetMaxIdleConns(-1) // a connection that is used again would show another session's views
	if err := e.settle(o); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// Close ends the engine, all its sessions and what they spilled. Closing twice is
// safe.
func (e *Engine) Close() error { return errors.Join(e.db.Close(), e.links.close()) }

// settle bounds the whole instance. The last setting cannot be taken back.
func (e *Engine) settle(o Options) error {
	settings := []string{
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET allow_community_extensions = false",
		"SET allow_persistent_secrets = false",
		"SET preserve_insertion_order = false", // who needs an order says so, and large reads take less memory
		"SET parquet_metadata_cache = true",    // files never change
		"SET temp_directory = " + Literal(e.links.spill),
		"SET allowed_directories = [" + Literal(e.links.dir) + "]",
	}
	memory := o.MemoryBytes
	if memory <= 0 {
		memory = halfOfMemory()
	}
	if memory > 0 {
		settings = append(settings, fmt.Sprintf("SET memory_limit = '%dB'", memory))
	}
	if o.Threads > 0 {
		settings = append(settings, fmt.Sprintf("SET threads = %d", o.Threads))
	}
	for _, s := range append(settings, "SET enable_external_access = false") {
		if _, err := e.db.ExecContext(context.Background(), s); err != nil {
			return classify(s, err)
		}
	}
	return nil
}

// beginConnection makes every connection the same on every machine.
func beginConnection(conn driver.ExecerContext) error {
	macros, err := queries.Text("duck/begin.sql")
	if err != nil {
		return err
	}
	for _, s := range []string{"SET TimeZone = 'UTC'", macros} {
		if _, err := conn.ExecContext(context.Background(), s, nil); err != nil {
			return fmt.Errorf("begin a connection: %w", err)
		}
	}
	return nil
}

// Session opens a connection of its own over one snapshot. Close it. A session
// is one unit of work and not safe for concurrent use.
func (e *Engine) Session(ctx context.Context, at Snapshot) (*Session, error) {
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return nil, classify("open a DuckDB session", err)
	}
	return &Session{conn: conn, links: e.links, at: at, number: e.sessions.Add(1)}, nil
}
