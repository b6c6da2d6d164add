package world_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

func (r *rig) admin(method, path, body string, into any) int {
	r.t.Helper()
	got := r.send(method, r.servers.URL[world.Admin]+path, body)
	if got.err != nil {
		r.t.Fatal(got.err)
	}
	if into != nil {
		if err := json.Unmarshal(got.body, into); err != nil {
			r.t.Fatalf("%v: %s", err, got.body)
		}
	}
	return got.status
}

func TestTheAdminMovesTheWorldAndShowsTheTruth(t *testing.T) {
	r := open(t, world.Options{})
	pms, staybnb := r.pair("HM1")
	for _, step := range []struct{ path, body string }{
		{"/advance", `{"by":"90m"}`},
		{"/edit", `{"system":"pms","key":"hm1","set":{"notes":"late"}}`},
		{"/edit", `{"system":"staybnb","id":"` + staybnb + `","set":{"notes":null}}`},
		{"/create", `{"system":"staybnb","set":{"code":"HM2","check_in":"2026-01-01","check_out":"2026-01-02","status":"pending"}}`},
		{"/delete", `{"system":"pms","id":"` + pms + `","silent":true}`},
		{"/day", `{"edits":3,"over":"2h","mix":{"Create":1}}`},
		{"/faults", `{"faults":[{"kind":"html","nth":1}],"rough":0.1}`},
	} {
		if status := r.admin("POST", step.path, step.body, nil); status != 200 {
			t.Fatalf("%s %s: status %d", step.path, step.body, status)
		}
	}
	r.do(world.Staybnb, "GET", "/v2/reservations", "")
	r.do(world.Staybnb, "PATCH", "/v2/reservations/"+staybnb, patch)
	var records []world.Record
	var edits []world.Edit
	var effects []world.Effect
	var requests []world.Request
	var serves []world.Serve
	for path, into := range map[string]any{"/truth/records?key=hm1": &records, "/truth/edits": &edits, "/truth/effects": &effects,
		"/truth/requests": &requests, "/truth/serves": &serves} {
		if status := r.admin("GET", path, "", into); status != 200 {
			t.Fatalf("%s: status %d", path, status)
		}
	}
	if len(records) != 2 || len(records[0].Versions) != 3 || records[0].Now().State != world.Vanished {
		t.Errorf("records: %v", records)
	}
	if len(edits) != len(r.Edits()) || len(edits) < 9 || edits[2].After["notes"] == nil {
		t.Errorf("edits: %v", edits)
	}
	if len(requests) != 2 || requests[0].Fault != world.HTML || len(serves) != len(r.Serves()) || len(effects) != len(r.Effects()) {
		t.Errorf("requests %v, serves %v, effects %v", requests, serves, effects)
	}
	var faults struct{ Faults []world.FaultCount }
	if r.admin("GET", "/faults", "", &faults); faults.Faults[0].Fired != 1 {
		t.Errorf("faults: %v", faults)
	}
	var report world.Report
	if r.admin("POST", "/verify", `{"known":[{"key":"HM1"}]}`, &report); report.Total().Keys == 0 || report.OK() {
		t.Errorf("report: %v", report)
	}
	var clock struct{ Now string }
	if r.admin("GET", "/clock", "", &clock); clock.Now != "2026-03-02T11:30:00Z" {
		t.Errorf("clock: %v", clock)
	}
}

func TestTheAdminRefusesWhatItDoesNotUnderstand(t *testing.T) {
	r := open(t, world.Options{})
	r.pair("HM1")
	for _, bad := range []struct {
		path, body string
		status     int
	}{
		{"/advance", `{"by":"soon"}`, 422}, {"/advance", `{"by":"-1h"}`, 422}, {"/advance", `{"bye":"1h"}`, 400},
		{"/edit", `{"system":"pms","key":"HM2","set":{}}`, 422}, {"/edit", `{"system":"pms","key":"HM1","set":{"gust":"x"}}`, 422},
		{"/delete", `{"system":"pms","id":"1"}`, 422}, {"/day", `{"over":"a day"}`, 422}, {"/faults", `{"faults":[{"kind":"sluggish","nth":1}]}`, 422},
		{"/create", `{"system":"pms","set":{}}`, 422},
	} {
		var out map[string]string
		if status := r.admin("POST", bad.path, bad.body, &out); status != bad.status || out["error"] == "" {
			t.Errorf("%s %s: status %d, %v", bad.path, bad.body, status, out)
		}
	}
}

func TestTheTruthHoldsNoCredential(t *testing.T) {
	r := open(t, world.Options{Credentials: map[string]string{world.PMS: "canary-token", world.Staybnb: "canary-key"}})
	_, staybnb := r.pair("HM1")
	r.send("PATCH", r.servers.URL[world.Staybnb]+"/v2/reservations/"+staybnb, patch, "X-Api-Key", "canary-key", "X-Request-Id", "q1")
	for _, path := range []string{"/truth/requests", "/truth/effects", "/truth/serves"} {
		got := r.send("GET", r.servers.URL[world.Admin]+path, "")
		if len(got.body) < 10 || bytes.Contains(got.body, []byte("canary")) {
			t.Errorf("%s: %s", path, got.body)
		}
	}
	if e := r.Effects()[0]; e.Headers["X-Request-Id"] != "q1" {
		t.Errorf("headers: %v", e.Headers)
	}
}
