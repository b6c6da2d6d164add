// Package storetest holds what every store must do, written once. A store's own
// test calls Run with a constructor. It must never ask for more than the
// comments of store.Store promise.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
)

// Run tries everything that store.Store promises. open gives a store that no
// other test writes to; it is called once per test and may clean up by
// t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"what was put is read", putAndRead},
		{"absent is an answer", absent},
		{"a taken name is refused", takenName},
		{"a swap needs the object it saw", swap},
		{"deleted names are free", deleted},
		{"bad keys are refused", badKeys},
		{"contents are copied", contentsAreCopied},
		{"ranges", ranges},
		{"bad ranges are refused", badRanges},
		{"a listing is ordered and complete", listOrder},
		{"a listing begins after a key", listAfter},
		{"a listing ends by its receiver", listStops},
		{"a listing bears deletes and puts", listWhileChanging},
		{"an upload of any size is read back", uploads},
		{"an upload is invisible until it is done", uploadInvisible},
		{"an upload that is aborted leaves nothing", uploadAborted},
		{"an upload that is canceled leaves nothing", uploadCanceled},
		{"an ended context does nothing", endedContext},
		{"32 writers, one winner", oneWinner},
		{"no swap is lost", noSwapIsLost},
		{"readers see whole objects", wholeObjects},
		{"the probe accepts it", probeAccepts},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func put(t *testing.T, s store.Store, key, data string) store.Info {
	t.Helper()
	info, err := s.PutIfAbsent(t.Context(), key, []byte(data))
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return info
}

func get(t *testing.T, s store.Store, key string) (string, store.Info) {
	t.Helper()
	data, info, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return string(data), info
}

func list(t *testing.T, s store.Store, prefix, after string) []string {
	t.Helper()
	var keys []string
	err := s.List(t.Context(), prefix, after, func(i store.Info) error {
		keys = append(keys, i.Key)
		return nil
	})
	if err != nil {
		t.Fatalf("list %q after %q: %v", prefix, after, err)
	}
	return keys
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func wantAbsent(t *testing.T, s store.Store, key string) {
	t.Helper()
	_, _, err := s.Get(context.WithoutCancel(t.Context()), key)
	wantErr(t, "get "+key, err, store.ErrNotExist)
	if keys := list(t, s, key, ""); len(keys) > 0 {
		t.Errorf("a listing shows %v", keys)
	}
}

func putAndRead(t *testing.T, s store.Store) {
	for _, key := range []string{"a", "log/00000000000000000001.json", "data/x y+z=%25&ü(1)/f.parquet"} {
		wrote := put(t, s, key, "content of "+key)
		data, info := get(t, s, key)
		if data != "content of "+key {
			t.Errorf("%s reads as %q", key, data)
		}
		if wrote != info || info.Key != key || info.SizeBytes != int64(len(data)) || info.ETag == "" {
			t.Errorf("wrote %+v, read %+v", wrote, info)
		}
	}
	put(t, s, "empty", "")
	if data, info := get(t, s, "empty"); data != "" || info.SizeBytes != 0 {
		t.Errorf("an empty object reads as %q, %+v", data, info)
	}
	if strings.Contains(s.URL(), "@") || s.URL() == "" {
		t.Errorf("URL %q", s.URL())
	}
}

func absent(t *testing.T, s store.Store) {
	put(t, s, "folder/object", "x")
	for _, key := range []string{"nothing", "folder", "folder/obj", "folder/object2"} {
		_, _, err := s.Get(t.Context(), key)
		wantErr(t, "get "+key, err, store.ErrNotExist)
		if err != nil && !strings.Contains(err.Error(), key) {
			t.Errorf("the error does not name the object: %v", err)
		}
		_, err = s.Open(t.Context(), key, 0, 1)
		wantErr(t, "open "+key, err, store.ErrNotExist)
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("delete %s: %v", key, err)
		}
	}
	if keys := list(t, s, "nothing", ""); len(keys) > 0 {
		t.Errorf("a listing of nothing shows %v", keys)
	}
	if data, _ := get(t, s, "folder/object"); data != "x" {
		t.Errorf("the object beside reads as %q", data)
	}
}

func takenName(t *testing.T, s store.Store) {
	put(t, s, "k", "first")
	for _, data := range []string{"second", "first"} {
		_, err := s.PutIfAbsent(t.Context(), "k", []byte(data))
		wantErr(t, "put "+data, err, store.ErrPrecondition)
		_, err = s.Swap(t.Context(), "k", []byte(data), "")
		wantErr(t, "swap "+data+" without an ETag", err, store.ErrPrecondition)
		if fault.KindOf(err) != fault.LostRace {
			t.Errorf("a lost race is of kind %s", fault.KindOf(err))
		}
	}
	if data, _ := get(t, s, "k"); data != "first" {
		t.Errorf("the object reads as %q", data)
	}
}

func swap(t *testing.T, s store.Store) {
	first := put(t, s, "lease", "nonce 1")
	second, err := s.Swap(t.Context(), "lease", []byte("nonce 2, longer"), first.ETag)
	if err != nil {
		t.Fatalf("swap: %v", err)
	}
	if second.ETag == first.ETag || second.SizeBytes != 15 {
		t.Errorf("after %+v comes %+v", first, second)
	}
	_, err = s.Swap(t.Context(), "lease", []byte("nonce 3"), first.ETag)
	wantErr(t, "swap by an ETag that is gone", err, store.ErrPrecondition)
	if data, info := get(t, s, "lease"); data != "nonce 2, longer" || info != second {
		t.Errorf("reads as %q, %+v, want %+v", data, info, second)
	}
	_, err = s.Swap(t.Context(), "other", []byte("x"), first.ETag)
	wantErr(t, "swap of nothing", err, store.ErrNotExist)
	wantAbsent(t, s, "other")
	if _, err := s.Swap(t.Context(), "created", []byte("x"), ""); err != nil {
		t.Errorf("swap without an ETag creates: %v", err)
	}
}

func deleted(t *testing.T, s store.Store) {
	put(t, s, "d/e/k", "first")
	for range 2 {
		if err := s.Delete(t.Context(), "d/e/k"); err != nil {
			t.Fatalf("delete: %v", err)
		}
	}
	wantAbsent(t, s, "d/e/k")
	put(t, s, "d/e/k", "second")
	if data, _ := get(t, s, "d/e/k"); data != "second" {
		t.Errorf("reads as %q", data)
	}
}

func badKeys(t *testing.T, s store.Store) {
	long := strings.Repeat("x", 250)
	for _, key := range []string{"", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".hidden", "a\\b", "a\nb", "\xff", long} {
		ctx := t.Context()
		_, _, getErr := s.Get(ctx, key)
		_, openErr := s.Open(ctx, key, 0, 1)
		_, putErr := s.PutIfAbsent(ctx, key, nil)
		_, swapErr := s.Swap(ctx, key, nil, "x")
		_, uploadErr := s.Upload(ctx, key, strings.NewReader("x"))
		deleteErr := s.Delete(ctx, key)
		for op, err := range map[string]error{"get": getErr, "open": openErr, "put": putErr, "swap": swapErr,
			"upload": uploadErr, "delete": deleteErr} {
			if err == nil || errors.Is(err, store.ErrNotExist) || fault.KindOf(err) != fault.Permanent {
				t.Errorf("%s %.20q: %v", op, key, err)
			}
		}
	}
}

func contentsAreCopied(t *testing.T, s store.Store) {
	data := []byte("first")
	if _, err := s.PutIfAbsent(t.Context(), "k", data); err != nil {
		t.Fatal(err)
	}
	copy(data, "XXXXX")
	read, _, err := s.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	copy(read, "YYYYY")
	if again, _ := get(t, s, "k"); again != "first" {
		t.Errorf("reads as %q", again)
	}
}

func readAll(t *testing.T, s store.Store, key string, offset, length int64) []byte {
	t.Helper()
	body, err := s.Open(t.Context(), key, offset, length)
	if err != nil {
		t.Fatalf("open %s at %d for %d: %v", key, offset, length, err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("read %s at %d for %d: %v", key, offset, length, err)
	}
	return data
}

func ranges(t *testing.T, s store.Store) {
	content := pattern(100_000)
	put(t, s, "k", string(content))
	put(t, s, "empty", "")
	size := int64(len(content))
	for _, r := range [][2]int64{{0, -1}, {0, 1}, {0, size}, {1, 10}, {size - 1, 1}, {size - 1, -1}, {50_000, -1}, {99, 70_000}} {
		want := content[r[0]:]
		if r[1] >= 0 {
			want = want[:r[1]]
		}
		if got := readAll(t, s, "k", r[0], r[1]); !bytes.Equal(got, want) {
			t.Errorf("range %v gives %d bytes, want %d", r, len(got), len(want))
		}
	}
	if got := readAll(t, s, "empty", 0, -1); len(got) > 0 {
		t.Errorf("an empty object gives %d bytes", len(got))
	}
	var whole writerAt
	err := store.Download(t.Context(), s, "k", size, &whole, store.Ranges{PartBytes: 7001, Parallel: 3})
	if err != nil || !bytes.Equal(whole.data(), content) {
		t.Errorf("a download by ranges gives %d of %d bytes: %v", len(whole.data()), size, err)
	}
}

func badRanges(t *testing.T, s store.Store) {
	put(t, s, "k", "0123456789")
	for _, r := range [][2]int64{{-1, 1}, {0, 0}, {0, 11}, {10, 1}, {11, -1}, {5, 6}, {10, -1}} {
		body, err := s.Open(t.Context(), "k", r[0], r[1])
		if err == nil {
			data, readErr := io.ReadAll(body)
			body.Close()
			t.Errorf("range %v gives %q, %v", r, data, readErr)
			continue
		}
		if fault.KindOf(err) != fault.Permanent {
			t.Errorf("range %v is of kind %s: %v", r, fault.KindOf(err), err)
		}
	}
}
