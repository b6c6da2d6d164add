package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// edited loads the example with texts replaced: pairs of old and new.
func edited(t *testing.T, pairs ...string) *Project {
	t.Helper()
	text := string(readFile(t, rentals))
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the example has no %q", pairs[i])
		}
	}
	path := filepath.Join(t.TempDir(), "trueup.yaml")
	if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	return load(t, path)
}

func TestExampleLoadsWithDefaults(t *testing.T) {
	p := load(t, rentals)
	if p.Store != "file://.trueup/store" || p.Lease != time.Minute {
		t.Errorf("defaults of the top: %+v", p)
	}
	if diff := cmp.Diff(CheckpointEvery{Records: 50_000, Bytes: 64 << 20, Every: 30 * time.Second}, p.Checkpoint); diff != "" {
		t.Error(diff)
	}
	pms, _ := p.System("pms")
	if diff := cmp.Diff(Limits{RequestsPerSecond: 10, Burst: 20, Concurrency: 4, Adaptive: true, Timeout: 30 * time.Second}, pms.Limits); diff != "" {
		t.Error(diff)
	}
	bookings, _ := p.Entity("bookings")
	onPMS, _ := bookings.Stream("pms")
	onAirbnb, _ := bookings.Stream("airbnb")
	if i := onPMS.Extract.Incremental; i.Lookback != 10*time.Minute || i.NullCursor != "read" || onPMS.Extract.Version != "updated_at" {
		t.Errorf("incremental defaults: %+v, version %q", i, onPMS.Extract.Version)
	}
	if !onPMS.Extract.Absence || !onAirbnb.Extract.Absence {
		t.Error("both can be read by ID, so absence counts")
	}
	if w := onPMS.Write; w.Create || !w.Update || w.Delete || w.Verify != "read" || w.Precondition {
		t.Errorf("pms writes: %+v", w)
	}
	if w := onAirbnb.Write; !w.Create || !w.Update || !w.Delete || w.Verify != "none" || w.Idempotency != 24*time.Hour || w.Settle != 10*time.Minute {
		t.Errorf("airbnb writes: %+v", w)
	}
	if got := bookings.Rule("guest_name").Authority; !slices.Equal(got, []string{"airbnb"}) {
		t.Errorf("guest_name: %v", got)
	}
	if got := bookings.Rule("price").Authority; !slices.Equal(got, []string{"pms"}) {
		t.Errorf("price: %v", got)
	}
	if onAirbnb.Join != "adopt" || onAirbnb.Extract.Fields[4].Path != "guest.name" || !onAirbnb.Extract.Fields[7].AbsentNull {
		t.Errorf("stream: %+v", onAirbnb.Extract.Fields)
	}
}

func TestMapIsCompletedByFieldsOfTheSameName(t *testing.T) {
	bookings, _ := load(t, rentals).Entity("bookings")
	st, _ := bookings.Stream("pms")
	var names []string
	for _, m := range st.Map {
		names = append(names, m.Name+"="+m.Expr.SQL)
	}
	want := []string{`code="code"`, `channel="channel"`, `listing_id="listing_id"`, `check_in="check_in"`, `check_out="check_out"`,
		`guest_name="guest_name"`, `price="price"`, `status="status"`, `notes="notes"`}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	p := edited(t, "            notes: string\n            updated_at: timestamp", "            updated_at: timestamp", "default: {authority: pms}", "default: {authority: [pms, airbnb]}")
	bookings, _ = p.Entity("bookings")
	st, _ = bookings.Stream("pms")
	if st.Maps("notes") {
		t.Error("a field that the stream does not declare is not mapped")
	}
}

func TestAWriteWithoutOperationsCreatesAndUpdatesWhereTheConnectorSaysSo(t *testing.T) {
	bookings, _ := edited(t, "          update: true\n", "").Entity("bookings")
	st, _ := bookings.Stream("pms")
	if !st.Write.Create || !st.Write.Update || st.Write.Delete {
		t.Errorf("%+v", st.Write)
	}
}

func TestLossyNewsWaitUnlessTheFileTakesThem(t *testing.T) {
	for news, takes := range map[string]bool{"": false, "          lossy_news: hold\n": false, "          lossy_news: take\n": true} {
		at := "          scope: channel = 'airbnb'\n"
		bookings, _ := edited(t, at, at+news).Entity("bookings")
		if st, _ := bookings.Stream("airbnb"); st.Write.TakesLossy != takes {
			t.Errorf("%q: %t", news, st.Write.TakesLossy)
		}
	}
}

func TestAFolderIsOneProject(t *testing.T) {
	text := string(readFile(t, rentals))
	head, entities, _ := strings.Cut(text, "\nentities:\n")
	bookings, listings, _ := strings.Cut(entities, "\n  listings:\n")
	dir := t.TempDir()
	for name, content := range map[string]string{
		"trueup.yaml":   head,
		"bookings.yml":  "entities:\n" + bookings,
		"listings.yaml": "version: 1\nentities:\n  listings:\n" + listings,
		"notes.txt":     "not: yaml: at all",
		".hidden.yaml":  "nor: [this",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := load(t, dir)
	if len(p.Entities) != 2 || len(p.Systems) != 2 {
		t.Fatalf("%d entities, %d systems", len(p.Entities), len(p.Systems))
	}
	if p.Hash != load(t, rentals).Hash {
		t.Error("how a project is spread over files is no part of its hash")
	}
	if e, _ := p.Entity("listings"); filepath.Base(e.At.File) != "listings.yaml" {
		t.Errorf("listings are placed in %s", e.At.File)
	}
}

func TestAMissingFileNamesWhatToDo(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "trueup.yaml"), t.TempDir()} {
		_, err := Load(path, environment, nil)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%v", err)
		}
	}
}

func TestHashIgnoresFormatCommentsAndSecrets(t *testing.T) {
	base := load(t, rentals)
	same := edited(t,
		"key: [code]\n    fields:\n      code:       {type: string, normalize: [trim, upper]}", "# why\n    key:\n      - 'code'\n    fields:\n      code:\n        normalize: [trim, upper]\n        type: \"string\"")
	if same.Hash != base.Hash {
		t.Error("format or comments changed the hash")
	}
	other := func(name string) (string, bool) {
		v, ok := environment(name)
		return strings.ReplaceAll(v, "canary", "another"), ok
	}
	rotated, err := Load(rentals, other, testKnown())
	if err != nil {
		t.Fatal(err)
	}
	if rotated.Hash != base.Hash || rotated.StreamFingerprint("bookings", "airbnb") != base.StreamFingerprint("bookings", "airbnb") ||
		rotated.StreamFingerprint("bookings", "pms") != base.StreamFingerprint("bookings", "pms") {
		t.Error("a rotated secret changed the hash")
	}
	if edited(t, "price * 100", "price * 1000").Hash == base.Hash {
		t.Error("an expression is part of the hash")
	}
}

func TestFingerprintsSeeWhatTheyStandFor(t *testing.T) {
	base := load(t, rentals)
	for name, c := range map[string]struct {
		pair         []string
		scope, merge bool
	}{
		"limits":           {[]string{"requests_per_second: 20", "requests_per_second: 5"}, false, false},
		"lookback":         {[]string{"lookback_window: 10m", "lookback_window: 20m"}, false, false},
		"read by ID":       {[]string{"gone: [404, 410]", "gone: [404]"}, false, false},
		"guards":           {[]string{"percent: 20", "percent: 30"}, false, false},
		"settle":           {[]string{"settle: 10m", "settle: 20m"}, false, false},
		"request filter":   {[]string{"path: /v2/reservations, query: {updated", "path: /v2/reservations, query: {all: 'yes', updated"}, true, false},
		"page size":        {[]string{"value: 200", "value: 100"}, true, false},
		"covers":           {[]string{"run_date() - 90", "run_date() - 91"}, true, true},
		"tombstone":        {[]string{"state = 'deleted'", "state = 'gone'"}, true, true},
		"field's format":   {[]string{"format: epoch_ms", "format: epoch_s"}, true, true},
		"key's mapping":    {[]string{"code: confirmation_code\n          listing", "code: upper(confirmation_code)\n          listing"}, true, true},
		"key's normalize":  {[]string{"normalize: [trim, upper]", "normalize: [upper]"}, true, true},
		"other mapping":    {[]string{"total_cents * 0.01", "total_cents / 100"}, false, true},
		"write expression": {[]string{"price * 100", "round(price * 100)"}, false, true},
		"rule":             {[]string{"guest_name: {authority: airbnb}", "guest_name: {authority: pms}"}, false, true},
		"deletes":          {[]string{"against_update: hold", "against_update: update"}, false, true},
		"order of fields":  {[]string{"            state: string\n", "", "            id: string\n            confirmation", "            state: string\n            id: string\n            confirmation"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := edited(t, c.pair...)
			if got := p.StreamFingerprint("bookings", "airbnb") != base.StreamFingerprint("bookings", "airbnb"); got != c.scope {
				t.Errorf("scope moved: %v", got)
			}
			if got := p.MergeFingerprint("bookings") != base.MergeFingerprint("bookings"); got != c.merge {
				t.Errorf("merge moved: %v", got)
			}
			if p.StreamFingerprint("listings", "pms") != base.StreamFingerprint("listings", "pms") {
				t.Error("another stream's fingerprint moved")
			}
		})
	}
	if base.StreamFingerprint("bookings", "nobody") != "" || base.MergeFingerprint("nothing") != "" {
		t.Error("what does not exist has no fingerprint")
	}
}

func TestAccountIsPartOfTheScope(t *testing.T) {
	base := load(t, rentals)
	other := func(name string) (string, bool) {
		v, ok := environment(name)
		return strings.NewReplacer("trueup:", "somebody:", "/airbnb", "/other").Replace(v), ok
	}
	p, err := Load(rentals, other, testKnown())
	if err != nil {
		t.Fatal(err)
	}
	for _, system := range []string{"pms", "airbnb"} {
		if p.StreamFingerprint("bookings", system) == base.StreamFingerprint("bookings", system) {
			t.Errorf("%s: another account is another scope", system)
		}
	}
}

// Lessons: a setting that cannot take effect is an error.
func TestASettingThatCannotTakeEffectIsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		pairs []string
		want  string
	}{
		"absence without a read by ID": {
			[]string{"          read: {path: \"/v2/reservations/{{ id }}\", gone: [404, 410]}\n", "", "deletes: {tombstone: state = 'deleted'}", "deletes: {tombstone: state = 'deleted', absence: true}"},
			`deletes.absence" has no effect`,
		},
		"search without create":    {[]string{"          create: {method: POST, path: /v2/reservations}\n", ""}, `extract.search" has no effect`},
		"precondition on creates":  {[]string{"          update: {method: PATCH, path: \"/v2/reservations/{{ id }}\"}\n", "", "          delete: {method: DELETE, path: \"/v2/reservations/{{ id }}\"}\n", ""}, `write.precondition" has no effect`},
		"fields without create":    {[]string{"          update: true\n", "          delete: true\n"}, `write.fields" has no effect`},
		"normalize of a number":    {[]string{"price:      decimal(12,2)", "price: {type: \"decimal(12,2)\", normalize: [trim]}"}, "normalize of field price has no effect"},
		"an authority of nothing":  {[]string{"guest_name: {authority: airbnb}", "guest_name: {authority: [airbnb, other]}"}, `system "other" has no stream of bookings`},
		"a zone of an epoch":       {[]string{"format: epoch_ms}", "format: epoch_ms, zone: Europe/Lisbon}"}, `has no effect`},
		"a system without streams": {[]string{"systems:\n", "systems:\n  spare: {postgres: {dsn: \"host=db\"}}\n"}, "system spare has no effect"},
		"a key of another level":   {[]string{"    key: [code]\n    fields:\n      code:       {", "    key: [code]\n    limits: {burst: 1}\n    fields:\n      code:       {"}, `unknown key "entities.bookings.limits"`},
	} {
		t.Run(name, func(t *testing.T) {
			text := string(readFile(t, rentals))
			changed := strings.NewReplacer(c.pairs...).Replace(text)
			if changed == text {
				t.Fatal("nothing was changed")
			}
			path := filepath.Join(t.TempDir(), "trueup.yaml")
			if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path, environment, testKnown())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q in %v", c.want, err)
			}
		})
	}
}

// Lessons: naive times are refused without a declared zone.
func TestNaiveTimesAreRefusedWithoutADeclaredZone(t *testing.T) {
	text := strings.Replace(string(readFile(t, rentals)), "{type: timestamp, format: epoch_ms}", `{type: timestamp, format: "%Y-%m-%d %H:%M:%S"}`, 1)
	path := filepath.Join(t.TempDir(), "trueup.yaml")
	for zone, wrong := range map[string]bool{"": true, ", zone: Europe/Lisbon": false, ", zone: Lisbon": true} {
		if err := os.WriteFile(path, []byte(strings.Replace(text, `%S"}`, `%S"`+zone+`}`, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path, environment, testKnown()); (err != nil) != wrong {
			t.Errorf("zone %q: %v", zone, err)
		}
	}
}

func TestParentsComeFirst(t *testing.T) {
	p := Project{}
	for name, ref := range map[string]string{"tasks": "bookings", "bookings": "listings", "listings": "", "prices": "listings"} {
		p.Entities = append(p.Entities, Entity{Name: name, Fields: []EntityField{{Name: "parent", Ref: ref}}})
	}
	slices.SortFunc(p.Entities, func(a, b Entity) int { return strings.Compare(b.Name, a.Name) })
	var names []string
	for _, e := range p.ParentsFirst() {
		names = append(names, e.Name)
	}
	if diff := cmp.Diff([]string{"bookings", "listings", "prices", "tasks"}, slices.Sorted(slices.Values(names))); diff != "" {
		t.Error(diff)
	}
	for _, e := range p.Entities {
		if ref := e.Fields[0].Ref; ref != "" && slices.Index(names, ref) > slices.Index(names, e.Name) {
			t.Errorf("%s stands before its parent %s: %v", e.Name, ref, names)
		}
	}
	bookings, _ := load(t, rentals).Entity("bookings")
	if got := bookings.Systems(); !slices.Equal(got, []string{"pms", "airbnb"}) || len(bookings.Columns()) != 9 {
		t.Errorf("%v, %v", got, bookings.Columns())
	}
}
