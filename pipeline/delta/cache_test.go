package delta_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/store"
)

type counter struct{ n atomic.Int64 }

func (c *counter) add() { c.n.Add(1) }

// elsewhere is a cache of the same store that holds nothing yet.
func (b *bench) elsewhere(t testing.TB, o delta.CacheOptions) *delta.Cache {
	t.Helper()
	c, err := delta.NewCache(filepath.Join(b.dir, "elsewhere"), b.store, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (b *bench) fileOf(t testing.TB, keys ...string) lake.File {
	t.Helper()
	return b.write(t, seen(), delta.Options{}, seenRows(0, keys...))[0]
}

func TestWhatIsWrittenHereIsNeverFetched(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	f := b.fileOf(t, "a")
	b.read(t, seen(), f)
	again := b.openCache(t, delta.CacheOptions{})
	if _, err := again.Path(context.Background(), f); err != nil {
		t.Fatal(err)
	}
	if b.store.opened.n.Load() != 0 || b.cache.Stats().Entered != 1 || b.cache.Stats().Hits != 1 || again.Stats().Hits != 1 {
		t.Errorf("%d reads of the store; %+v, %+v", b.store.opened.n.Load(), b.cache.Stats(), again.Stats())
	}
}

func TestAFileIsFetchedOnceForEverybody(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	f := b.fileOf(t, "a", "b")
	c := b.elsewhere(t, delta.CacheOptions{})
	release := make(chan struct{})
	b.store.open = func(_ string, body io.ReadCloser) (io.ReadCloser, error) {
		<-release
		return body, nil
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			path, err := c.Path(context.Background(), f)
			if err != nil {
				t.Error(err)
				return
			}
			if rows, err := delta.ReadAll(path, seen()); err != nil || rows.NumRows() != 2 {
				t.Errorf("%v", err)
			}
		})
	}
	close(release)
	group.Wait()
	if s := c.Stats(); b.store.opened.n.Load() != 1 || s.Fetches != 1 || s.FetchedBytes != f.SizeBytes || s.Hits != 7 {
		t.Errorf("%d reads of the store, %+v", b.store.opened.n.Load(), s)
	}
}

func TestWhoWaitsDoesNotFailWithWhoLed(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	f := b.fileOf(t, "a")
	c := b.elsewhere(t, delta.CacheOptions{})
	led, stop := context.WithCancel(context.Background())
	first := true
	begun := make(chan struct{})
	b.store.open = func(_ string, body io.ReadCloser) (io.ReadCloser, error) {
		if first {
			first = false
			close(begun)
			<-led.Done()
			return nil, led.Err()
		}
		return body, nil
	}
	failed := make(chan error)
	go func() {
		_, err := c.Path(led, f)
		failed <- err
	}()
	<-begun
	done := make(chan error)
	go func() {
		_, err := c.Path(context.Background(), f)
		done <- err
	}()
	stop()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("who led: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("who waited: %v", err)
	}
	if _, err := c.Path(led, lake.File{Key: "x"}); err == nil {
		t.Error("a file that does not exist was found")
	}
}

func TestOtherBytesThanWereCommittedAreNeverGivenOut(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	f := b.fileOf(t, "a")
	for _, wrong := range []lake.File{
		{Key: f.Key, SizeBytes: f.SizeBytes, SHA256: strings.Repeat("0", 64)},
		{Key: f.Key, SizeBytes: f.SizeBytes - 1, SHA256: f.SHA256},
	} {
		c := b.elsewhere(t, delta.CacheOptions{})
		path, err := c.Path(context.Background(), wrong)
		if path != "" || !fault.Is(err, fault.Permanent) || fault.HelpOf(err) == "" || !strings.Contains(err.Error(), "sha256") {
			t.Errorf("%q, %v", path, err)
		}
		if found, _ := filepath.Glob(filepath.Join(c.Dir(), "*")); len(found) != 0 {
			t.Errorf("kept: %v", found)
		}
	}
}

func TestAMissingFileIsAnErrorAndNeverAnEmptyResult(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	f := b.fileOf(t, "a")
	if err := b.store.Delete(context.Background(), f.Key); err != nil {
		t.Fatal(err)
	}
	path, err := b.elsewhere(t, delta.CacheOptions{}).Path(context.Background(), f)
	if path != "" || !errors.Is(err, store.ErrNotExist) || !fault.Is(err, fault.Permanent) || fault.HelpOf(err) == "" {
		t.Errorf("%q, %v", path, err)
	}
}

// torn ends with an error after some bytes.
type torn struct {
	io.ReadCloser
	left int
}

func (r *torn) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, fault.New(fault.Transient, "read", io.ErrUnexpectedEOF)
	}
	n, err := r.ReadCloser.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

func TestAStreamThatTearsIsReadAgainButNotForEver(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	f := b.fileOf(t, "a")
	for tears, works := range map[int]bool{2: true, 100: false} {
		left := tears
		b.store.open = func(_ string, body io.ReadCloser) (io.ReadCloser, error) {
			if left--; left >= 0 {
				return &torn{body, 10}, nil
			}
			return body, nil
		}
		dir := filepath.Join(b.dir, fmt.Sprint("torn", tears))
		c, err := delta.NewCache(dir, b.store, delta.CacheOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Path(context.Background(), f)
		if works != (err == nil) || !works && !fault.Is(err, fault.Transient) {
			t.Errorf("%d tears: %v", tears, err)
		}
	}
}

func TestTheFileThatWasAskedForLongestAgoGoesFirst(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	var files []lake.File
	for i := range 4 {
		files = append(files, b.fileOf(t, fmt.Sprint(i)))
	}
	c := b.elsewhere(t, delta.CacheOptions{MaxBytes: 2*files[0].SizeBytes + files[0].SizeBytes/2})
	for _, i := range []int{0, 1, 0, 2, 3, 2, 0} { // 1 goes for 2, 0 goes for 3, 3 goes for 0
		if _, err := c.Path(context.Background(), files[i]); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Stats(); s.Fetches != 5 || s.Hits != 2 || s.Evicted != 3 {
		t.Errorf("%+v", s)
	}
	tiny, err := delta.NewCache(c.Dir(), b.store, delta.CacheOptions{MaxBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	path, err := tiny.Path(context.Background(), files[1])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil || tiny.Stats().Evicted != 2 {
		t.Errorf("%v, %+v: what just came stays, what an earlier process left goes", err, tiny.Stats())
	}
}

func TestATornFileOfTheCacheIsFetchedAgain(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	f := b.fileOf(t, "a")
	path, err := b.cache.Path(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 3); err != nil {
		t.Fatal(err)
	}
	if rows := b.read(t, seen(), f); rows.NumRows() != 1 || b.cache.Stats().Fetches != 1 {
		t.Errorf("%+v", b.cache.Stats())
	}
	if err := os.Remove(path); err != nil { // as another process's eviction does
		t.Fatal(err)
	}
	if rows := b.read(t, seen(), f); rows.NumRows() != 1 || b.cache.Stats().Fetches != 2 {
		t.Errorf("%+v", b.cache.Stats())
	}
}

func TestWhatTheDeadLeftIsRemovedAndTheLivingKeepTheirs(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	w := delta.NewWriter(b.destination(), seen(), delta.Options{MaxBytes: 1})
	if err := w.Write(seenRows(0, "a")); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(b.dir, "tmp", "part-123")
	if err := os.WriteFile(dead, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := delta.NewWriter(b.destination(), seen(), delta.Options{MaxBytes: 1})
	if err := other.Write(seenRows(0, "b")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Errorf("what the dead left is still there: %v", err)
	}
	for _, w := range []*delta.Writer{w, other} {
		if files, err := w.Close(context.Background()); err != nil || len(files) != 1 {
			t.Errorf("%v, %v", files, err)
		}
	}
}
