package rest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
)

// The API echoes what it is sent wherever it can: in errors, in next URLs, in
// bodies. No credential may come back out.
func TestNoSecretInALogErrorRequestOrCheckpoint(t *testing.T) {
	const canary = "canary/s3cr3t+key=="
	for name, auth := range map[string]string{
		"bearer":        `auth: {bearer: "` + canary + `"}`,
		"basic":         `auth: {basic: {user: u, password: "` + canary + `"}}`,
		"key in header": `auth: {api_key: {header: X-Key, value: "` + canary + `"}}`,
		"key in query":  `auth: {api_key: {query: api_key, value: "` + canary + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, "next_url")
			var out bytes.Buffer
			log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
			s, _ := streamOf(t, parts{auth: auth, paginate: "{next_url: meta.next}"}.yaml(a.URL), Deps{Log: log})
			fill(a, 10)
			show := func(v any) {
				b, _ := json.Marshal(v)
				fmt.Fprintln(&out, string(b), fmt.Sprintf("%+v", v))
			}
			_, batches, _, err := readAll(t, s, pipeline.ReadRequest{})
			if err != nil || len(batches) != 3 {
				t.Fatalf("%d batches, %v", len(batches), err)
			}
			for _, b := range batches {
				show(*b.Checkpoint)
			}
			req, err := s.Prepare(pipeline.Write{Change: "c", Op: pipeline.OpUpdate, ID: "r00001", Key: "k", After: pipeline.Values{}})
			show(req)
			show(err)
			echoing(a)
			_, _, _, err = readAll(t, s, pipeline.ReadRequest{})
			fmt.Fprintln(&out, fault.Describe(err))
			answer, err := s.Send(t.Context(), req, pipeline.OpUpdate, yes)
			show(answer)
			fmt.Fprintln(&out, err)
			a.Close()
			_, _, _, err = readAll(t, s, pipeline.ReadRequest{})
			fmt.Fprintln(&out, fault.Describe(err))
			_, err = s.Send(t.Context(), req, pipeline.OpUpdate, yes)
			fmt.Fprintln(&out, fault.Describe(err))
			got, _ := s.Fetch(t.Context(), []string{"r00001"})
			fmt.Fprintln(&out, got.Failed)
			for _, form := range []string{canary, url.QueryEscape(canary), url.PathEscape(canary), "s3cr3t",
				base64.StdEncoding.EncodeToString([]byte("u:" + canary))} {
				if strings.Contains(out.String(), form) {
					t.Errorf("%q came out:\n%s", form, out.String())
				}
			}
		})
	}
}

// echoing answers everything with 400 and all that was sent.
func echoing(a *api) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"you_sent":%q,"headers":%q}`, r.URL.String(), fmt.Sprint(r.Header))
		return true
	}
}
