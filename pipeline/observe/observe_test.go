package observe

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const canary = `C4n@ry/s3cret+"quoted"`

type holder struct{ Name, Inner string }

func (h holder) LogValue() slog.Value { return slog.GroupValue(slog.String("inner", h.Inner)) }

type stringer string

func (s stringer) String() string { return "stringer " + string(s) }

func TestNoSecretInALog(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			var out bytes.Buffer
			o := &slog.HandlerOptions{Level: slog.LevelDebug}
			var next slog.Handler = slog.NewTextHandler(&out, o)
			if format == "json" {
				next = slog.NewJSONHandler(&out, o)
			}
			log := slog.New(NewHandler(next, NewRedactor(canary)))
			log = log.With("base", "x"+canary+"y", "token", "abc").WithGroup("g").With("later", canary)
			basic := base64.StdEncoding.EncodeToString([]byte("user:" + canary))
			log.Info("message with "+canary,
				"string", canary, "error", fmt.Errorf("wrapped: %w", errors.New(canary)),
				"struct", struct{ Name string }{canary}, "pointer", &struct{ Name string }{canary},
				"map", map[string]any{"a": []string{canary}}, "bytes", []byte(canary), "stringer", stringer(canary),
				"valuer", holder{"n", canary}, slog.Group("inner", "a", canary, slog.Group("deep", "b", canary)),
				"header", http.Header{"Authorization": {"Basic " + basic}, "X-Other": {canary}}, "encoded", basic,
				"url", "https://api/x?key="+url.QueryEscape(canary), "path", "/x/"+url.PathEscape(canary),
				"values", url.Values{"k": {canary}}, "api_key", "known by its name")
			for _, part := range []string{"C4n@ry", "s3cret", url.QueryEscape(canary)[:12], basic[8:28], "known by its name", "abc"} {
				if strings.Contains(out.String(), part) {
					t.Errorf("%q is in the log:\n%s", part, out.String())
				}
			}
			if n := strings.Count(out.String(), Mask); n < 18 {
				t.Errorf("only %d values are masked:\n%s", n, out.String())
			}
		})
	}
}

func TestCredentialsThatNobodyDeclaredAreKnownByShape(t *testing.T) {
	r := NewRedactor()
	for text, want := range map[string]string{
		"postgres://trueup:hunter22@db:5432/x": "postgres://trueup:" + Mask + "@db:5432/x",
		"Authorization: Bearer abcdefgh1234":   "Authorization: Bearer " + Mask,
		"GET /a?access_token=zzz&b=1":          "GET /a?access_token=" + Mask + "&b=1",
		"a basic question about the bearer":    "a basic question about the bearer",
		"https://host/path?x=1":                "https://host/path?x=1",
	} {
		if got := r.Text(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestSecretsAddedLaterAreMaskedFromThenOn(t *testing.T) {
	r := NewRedactor("first-secret")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { r.Add(fmt.Sprintf("token-%03d", i)); _ = r.Text("x") })
	}
	wg.Wait()
	for i := range 20 {
		if got := r.Text(fmt.Sprintf("a token-%03d b first-secret", i)); got != "a "+Mask+" b "+Mask {
			t.Errorf("%q", got)
		}
	}
}

func TestShortSecretsDoNotBlankOutOrdinaryText(t *testing.T) {
	r := NewRedactor("on", "")
	if got := r.Text("one of many"); got != "one of many" {
		t.Errorf("%q", got)
	}
	if got := r.Text("on"); got != Mask {
		t.Errorf("a whole value that is a secret stays: %q", got)
	}
}

func TestBase64OfASecretIsMaskedAtEveryOffset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Za-z0-9]{12,24}`).Draw(t, "secret")
		before := rapid.StringMatching(`[a-z:]{0,9}`).Draw(t, "before")
		got := NewRedactor(secret).Text(base64.StdEncoding.EncodeToString([]byte(before + secret + "tail")))
		if !strings.Contains(got, Mask) {
			t.Fatalf("%q after %q shows in %q", secret, before, got)
		}
	})
}

func TestHandlerAsksNextWhetherALevelIsOn(t *testing.T) {
	h := NewHandler(slog.NewTextHandler(&bytes.Buffer{}, &slog.HandlerOptions{Level: slog.LevelWarn}), NewRedactor())
	if h.Enabled(context.Background(), slog.LevelInfo) || !h.Enabled(context.Background(), slog.LevelError) {
		t.Error("levels are not next's")
	}
}

func TestZeroIsStoredAsZero(t *testing.T) {
	f := NewFigures()
	f.Declare("pms")
	f.Rows("bookings", "pms", "rows_read", 0)
	want := []Figure{
		{System: "pms", Name: Failures}, {System: "pms", Name: Requests}, {System: "pms", Name: Retries}, {System: "pms", Name: Throttles},
		{Entity: "bookings", System: "pms", Name: "rows_read"},
	}
	got := f.Snapshot()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestFiguresCountFromManyGoroutines(t *testing.T) {
	f := NewFigures()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				f.Request("a", time.Duration(i)*time.Millisecond, i%10 == 0)
				f.Retry("a")
				f.Throttle("b")
				f.AddField("bookings", "a", "note", "nulls", 2)
				f.Set("bookings", "a", "lag_seconds", 7)
				_ = f.Snapshot()
			}
		})
	}
	wg.Wait()
	got := map[string]float64{}
	for _, x := range f.Snapshot() {
		got[x.Entity+"|"+x.System+"|"+x.Field+"|"+x.Name] = x.Value
	}
	for key, want := range map[string]float64{"|a||requests": 800, "|a||failures": 80, "|a||retries": 800, "|b||throttles": 800,
		"bookings|a|note|nulls": 1600, "bookings|a||lag_seconds": 7, "|a||latency_max": 0.099} {
		if got[key] != want {
			t.Errorf("%s = %v, want %v", key, got[key], want)
		}
	}
}

func TestQuantilesAreWithinFivePercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.SliceOfN(rapid.Int64Range(1, 1e10), 1, 200).Draw(t, "micros")
		var q Quantiles
		for _, m := range micros {
			q.Add(time.Duration(m) * time.Microsecond)
		}
		sort.Slice(micros, func(i, j int) bool { return micros[i] < micros[j] })
		p := rapid.Float64Range(0, 0.999).Draw(t, "p")
		exact := float64(micros[max(1, int(math.Ceil(p*float64(len(micros)))))-1])
		got := float64(q.At(p).Microseconds())
		if got < exact*0.95-1 || got > exact*1.05+1 {
			t.Fatalf("p%v is %v, exactly %v", p, got, exact)
		}
		if q.At(1) != time.Duration(micros[len(micros)-1])*time.Microsecond || q.Count() != int64(len(micros)) {
			t.Fatal("largest or count is wrong")
		}
	})
	if (&Quantiles{}).At(0.5) != 0 {
		t.Error("a quantile of nothing is not 0")
	}
}
