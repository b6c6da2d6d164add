package file_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/file"
	"github.com/trueup-data/trueup/pipeline/store/mem"
	"github.com/trueup-data/trueup/pipeline/store/storetest"
)

func open(t *testing.T, dir string) *file.Store {
	t.Helper()
	s, err := file.Open(dir, file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) })
}

// Two stores over one folder meet only in the file system, as two processes do.
func TestConformanceOfTwoOverOneFolder(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		dir := t.TempDir()
		return &alternating{a: open(t, dir), b: open(t, dir)}
	})
}

func TestItAnswersAsAStoreInMemory(t *testing.T) {
	storetest.Agree(t, 30, func() store.Store { return mem.New() }, func() store.Store { return open(t, t.TempDir()) })
}

func TestOpenMakesNoFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "store")
	s := open(t, dir)
	if err := s.List(t.Context(), "", "", func(store.Info) error { return io.EOF }); err != nil {
		t.Errorf("a store without a folder lists nothing: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opening made a folder: %v", err)
	}
	if _, err := s.PutIfAbsent(t.Context(), "k", nil); err != nil {
		t.Errorf("the first put makes it: %v", err)
	}
	if s.URL() != "file://"+dir {
		t.Errorf("URL %s", s.URL())
	}
}

func TestOpenRefusesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Open(path, file.Options{}); err == nil {
		t.Error("a file was opened as a store")
	}
}

func TestAnObjectIsNoFolder(t *testing.T) {
	s := open(t, t.TempDir())
	if _, err := s.PutIfAbsent(t.Context(), "a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	_, err := s.PutIfAbsent(t.Context(), "a/b", []byte("y"))
	if fault.KindOf(err) != fault.Permanent || errors.Is(err, store.ErrPrecondition) {
		t.Errorf("got %v", err)
	}
}

// Files of the folder that no key can name are not objects.
func TestForeignFilesAreNotListed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, name := range []string{".DS_Store", "bad\nname", strings.Repeat("x", 220)} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	err := s.List(t.Context(), "", "", func(i store.Info) error { return fmt.Errorf("listed %q", i.Key) })
	if err != nil {
		t.Error(err)
	}
}

func TestACutFileIsAnErrorNotAnEnd(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.PutIfAbsent(t.Context(), "k", make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	body, err := s.Open(t.Context(), "k", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if err := os.Truncate(filepath.Join(dir, "k"), 1000); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, body)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes, then %v", n, err)
	}
}

func temps(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, ".tmp"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// What a killed writer left is removed by the next one to open the store; what
// a living one is writing is not.
func TestOrphansAreRemovedAndLivingWritersAreNot(t *testing.T) {
	dir := t.TempDir()
	killed := startChild(t, dir, "upload")
	killed.waitFor(t, "uploading")
	if got := temps(t, dir); len(got) != 1 {
		t.Fatalf("temporary files: %v", got)
	}

	alive := open(t, dir)
	source, feed := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := alive.Upload(context.Background(), "alive", source)
		done <- err
	}()
	if _, err := feed.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if open(t, dir); len(temps(t, dir)) != 2 {
		t.Error("a living writer's file was removed")
	}
	killed.kill(t)
	if open(t, dir); len(temps(t, dir)) != 1 {
		t.Error("a dead writer's file stays")
	}
	feed.Close()
	if err := <-done; err != nil {
		t.Errorf("the living writer: %v", err)
	}
	if _, _, err := alive.Get(t.Context(), "killed"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("a killed upload is visible: %v", err)
	}
}

// A process that is stopped while it holds the lock blocks a swap only until the
// caller gives up, and one that dies frees it.
func TestTheLockDiesWithItsHolder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	info, err := s.PutIfAbsent(t.Context(), "k", []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	holder := startChild(t, dir, "lock")
	holder.waitFor(t, "locked")

	ctx, cancel := context.WithCancel(t.Context())
	swapped := make(chan error, 1)
	go func() {
		_, err := s.Swap(ctx, "k", []byte("2"), info.ETag)
		swapped <- err
	}()
	cancel()
	if err := <-swapped; fault.KindOf(err) != fault.Canceled {
		t.Errorf("a swap that gave up: %v", err)
	}
	go func() {
		_, err := s.Swap(t.Context(), "k", []byte("3"), info.ETag)
		swapped <- err
	}()
	holder.kill(t)
	if err := <-swapped; err != nil {
		t.Errorf("a swap after the holder died: %v", err)
	}
	if data, _, _ := s.Get(t.Context(), "k"); string(data) != "3" {
		t.Errorf("the object reads %q", data)
	}
}

// Processes race for one name: exactly one is told that it won.
func TestOneWinnerAmongProcesses(t *testing.T) {
	dir := t.TempDir()
	var children []*child
	for range 6 {
		children = append(children, startChild(t, dir, "race"))
	}
	for _, c := range children {
		c.waitFor(t, "ready")
	}
	for _, c := range children {
		fmt.Fprintln(c.stdin, "go")
	}
	winners := 0
	for _, c := range children {
		answer := c.line(t)
		switch answer {
		case "won":
			winners++
		case "lost":
		default:
			t.Errorf("a child says %q", answer)
		}
	}
	if winners != 1 {
		t.Errorf("%d winners", winners)
	}
}

// child is this test binary, run as another process.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Scanner
}

const childVariable = "STORE_FILE_TEST_CHILD"

func startChild(t *testing.T, dir, task string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0]) //nolint:gosec // this very binary
	cmd.Env = append(os.Environ(), childVariable+"="+task+":"+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &child{cmd: cmd, stdin: stdin, out: bufio.NewScanner(stdout)}
}

func (c *child) line(t *testing.T) string {
	t.Helper()
	if !c.out.Scan() {
		t.Fatalf("the child said nothing more: %v", c.out.Err())
	}
	return c.out.Text()
}

func (c *child) waitFor(t *testing.T, want string) {
	t.Helper()
	if got := c.line(t); got != want {
		t.Fatalf("the child says %q, want %q", got, want)
	}
}

func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait()
}

func TestMain(m *testing.M) {
	task, dir, isChild := strings.Cut(os.Getenv(childVariable), ":")
	if !isChild {
		os.Exit(m.Run())
	}
	if err := runChild(task, dir); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func runChild(task, dir string) error {
	s, err := file.Open(dir, file.Options{})
	if err != nil {
		return err
	}
	switch task {
	case "upload":
		_, err = s.Upload(context.Background(), "killed", &announcing{})
	case "lock":
		f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			return err
		}
		fmt.Println("locked")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "race":
		fmt.Println("ready")
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		_, err = s.PutIfAbsent(context.Background(), "log/1", []byte(fmt.Sprint(os.Getpid())))
		switch {
		case err == nil:
			fmt.Println("won")
		case errors.Is(err, store.ErrPrecondition):
			fmt.Println("lost")
			err = nil
		}
	}
	return err
}

// announcing gives some bytes, says so, and then blocks until it is killed.
type announcing struct{ given bool }

func (a *announcing) Read(p []byte) (int, error) {
	if !a.given {
		a.given = true
		return len(p), nil
	}
	fmt.Println("uploading")
	return os.Stdin.Read(p)
}

// Some file systems answer "not found" to every mkdir: that is an error, not a loop.
func TestAFolderThatCannotBeMadeIsAnError(t *testing.T) {
	st, err := file.Open("/proc/trueup/store", file.Options{})
	if err == nil {
		_, err = st.PutIfAbsent(t.Context(), "a", []byte("b"))
	}
	if err == nil {
		t.Fatal("made a folder where none can be made")
	}
}
