package pace

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfterIsObeyedAndAbsurdValuesAreClampedAndReported(t *testing.T) {
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	const most = time.Hour
	cases := []struct {
		name   string
		header map[string]string
		want   Hints
	}{
		{"nothing", nil, Hints{}},
		{"seconds", map[string]string{"Retry-After": "7"}, Hints{RetryAfter: 7 * time.Second}},
		{"fraction", map[string]string{"Retry-After": "0.5"}, Hints{RetryAfter: 500 * time.Millisecond}},
		{"milliseconds", map[string]string{"Retry-After-Ms": "250", "Retry-After": "9"}, Hints{RetryAfter: 250 * time.Millisecond}},
		{"date", map[string]string{"Retry-After": "Sat, 01 Mar 2025 12:00:30 GMT"}, Hints{RetryAfter: 30 * time.Second}},
		{"date by the server's clock", map[string]string{"Date": "Sat, 01 Mar 2025 14:00:00 GMT", "Retry-After": "Sat, 01 Mar 2025 14:00:10 GMT"}, Hints{RetryAfter: 10 * time.Second}},
		{"date in the past", map[string]string{"Retry-After": "Sat, 01 Mar 2025 11:00:00 GMT"}, Hints{}},
		{"a day", map[string]string{"Retry-After": "86400"}, Hints{RetryAfter: most, Absurd: `Retry-After "86400" taken as 1h0m0s`}},
		{"infinite", map[string]string{"Retry-After": "Inf"}, Hints{RetryAfter: most, Absurd: `Retry-After "Inf" taken as 1h0m0s`}},
		{"NaN", map[string]string{"Retry-After": "NaN"}, Hints{Absurd: `Retry-After "NaN" ignored`}},
		{"negative", map[string]string{"Retry-After": "-5"}, Hints{}},
		{"words", map[string]string{"Retry-After": "soon"}, Hints{Absurd: `Retry-After "soon" ignored`}},
		{"X-RateLimit, epoch", map[string]string{"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "1740830460"}, Hints{Remaining: 3, HasRemaining: true, Reset: time.Minute}},
		{"X-RateLimit, epoch ms", map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1740830402000"}, Hints{HasRemaining: true, Reset: 2 * time.Second}},
		{"RateLimit, delta", map[string]string{"RateLimit-Remaining": "9", "RateLimit-Reset": "20"}, Hints{Remaining: 9, HasRemaining: true, Reset: 20 * time.Second}},
		{"draft, items", map[string]string{"RateLimit": `"default";r=50;t=30`}, Hints{Remaining: 50, HasRemaining: true, Reset: 30 * time.Second}},
		{"draft, pairs", map[string]string{"RateLimit": "limit=100, remaining=4, reset=30"}, Hints{Remaining: 4, HasRemaining: true, Reset: 30 * time.Second}},
		{"reset in 2090", map[string]string{"X-RateLimit-Reset": "3800000000"}, Hints{Reset: most, Absurd: `rate-limit reset "3800000000" taken as 1h0m0s`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{}
			for k, v := range c.header {
				h.Set(k, v)
			}
			if got := ReadHints(h, now, most); got != c.want {
				t.Errorf("got %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func FuzzHintsStayWithinTheClamp(f *testing.F) {
	f.Add("12", "34", "5")
	f.Add("1e300", "-1e300", "99999999999999999999")
	f.Fuzz(func(t *testing.T, after, reset, remaining string) {
		h := http.Header{"Retry-After": {after}, "X-Ratelimit-Reset": {reset}, "Ratelimit": {remaining}}
		got := ReadHints(h, time.Unix(1700000000, 0), time.Minute)
		if got.RetryAfter < 0 || got.RetryAfter > time.Minute || got.Reset < 0 || got.Reset > time.Minute || got.Remaining < 0 {
			t.Errorf("%+v is out of bounds", got)
		}
	})
}
