// Package pgtest runs a real PostgreSQL for tests: a private cluster in a
// temporary folder, on a port of the loopback address, that forgets to sync. It
// must never touch a cluster that it did not make, nor be linked into the program.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Password is in every DSN, so that tests can look for it where it must not be.
// The server does not ask for it.
const Password = "canary-password"

// Server is a running cluster. It is safe for concurrent use.
type Server struct {
	dir   string
	port  int
	cmd   *exec.Cmd
	log   bytes.Buffer
	ended chan struct{}
	count atomic.Int64
}

// Start makes a cluster and waits until it answers. Stop it. Without the server's
// programs the error says how to get them.
func Start() (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "trueup-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, ended: make(chan struct{})}
	if err := s.start(bin); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// programs finds the folder of initdb and postgres: the newest of Debian's, or
// what PATH names.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) > 0 {
		return filepath.Dir(found[0]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("PostgreSQL's server programs were not found: run 'make setup'")
	}
	return filepath.Dir(path), nil
}

func version(initdb string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	if err != nil {
		return 0
	}
	return n
}

func (s *Server) start(bin string) error {
	as, err := s.unprivileged()
	if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", //nolint:gosec // a server's program, into a folder of ours
		data, "-U", "trueup", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = as, s.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	s.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, //nolint:gosec // as above
		"-p", strconv.Itoa(s.port), "-k", s.dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
		"-c", "max_prepared_transactions=4", "-c", "autovacuum=off", "-c", "shared_buffers=32MB")
	s.cmd.SysProcAttr, s.cmd.Dir, s.cmd.Stderr = as, s.dir, &s.log
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	go func() {
		_ = s.cmd.Wait() // a server that ends early is noticed by whoever waits for it
		close(s.ended)
	}()
	return s.await()
}

// unprivileged is another user, if we are root: PostgreSQL refuses to run as root.
func (s *Server) unprivileged() (*syscall.SysProcAttr, error) {
	if os.Getuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2, os.Chown(s.dir, int(uid), int(gid))); err != nil {
			return nil, err
		}
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody: run 'make setup', or the tests as somebody else")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

// await tries until the server answers.
func (s *Server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgconn.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.ended:
			return fmt.Errorf("postgres ended: %s", s.log.String())
		case <-ctx.Done():
			s.Stop()
			return fmt.Errorf("postgres does not answer: %w: %s", err, s.log.String())
		case <-tick.C:
		}
	}
}

// DSN leads to a database of the server.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("postgres://trueup:%s@127.0.0.1:%d/%s?sslmode=disable", Password, s.port, database)
}

// Address is where the server listens.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Stop ends the server at once and removes its files. Stopping twice is safe.
func (s *Server) Stop() {
	select {
	case <-s.ended:
	default:
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // it may just have ended
		<-s.ended
	}
	os.RemoveAll(s.dir)
}

// Database makes an empty database for a test, which is dropped after it.
func (s *Server) Database(t testing.TB) (name string) {
	t.Helper()
	name = fmt.Sprintf("test_%d", s.count.Add(1))
	s.Exec(t, "postgres", "CREATE DATABASE "+name+" TEMPLATE template0")
	t.Cleanup(func() { s.Exec(t, "postgres", "DROP DATABASE "+name+" WITH (FORCE)") })
	return name
}

// Connect opens a connection that ends with the test.
func (s *Server) Connect(t testing.TB, database string) *pgconn.PgConn {
	t.Helper()
	conn, err := pgconn.Connect(context.Background(), s.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // it may have been killed by the test
	return conn
}

// Exec runs statements on a connection of their own and gives the rows of the
// last one as text, NULL as "NULL".
func (s *Server) Exec(t testing.TB, database, statements string) [][]string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgconn.Connect(ctx, s.DSN(database))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	return Exec(t, conn, statements)
}

// Exec runs statements and gives the rows of the last one as text, NULL as "NULL".
func Exec(t testing.TB, conn *pgconn.PgConn, statements string) [][]string {
	t.Helper()
	results, err := conn.Exec(context.Background(), statements).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
	var out [][]string
	for _, row := range results[len(results)-1].Rows {
		texts := make([]string, len(row))
		for i, v := range row {
			texts[i] = "NULL"
			if v != nil {
				texts[i] = string(v)
			}
		}
		out = append(out, texts)
	}
	return out
}
