package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMonitorsHaveDefaultsAndAreChecked(t *testing.T) {
	p := load(t, rentals)
	if p.Monitors != (Monitors{Sensitivity: SensitivityNormal, Timezone: ""}) {
		t.Errorf("defaults: %+v", p.Monitors)
	}
	p = edited(t, "version: 1", "version: 1\nmonitors: {sensitivity: low, timezone: Europe/Lisbon}")
	if p.Monitors != (Monitors{Sensitivity: SensitivityLow, Timezone: "Europe/Lisbon"}) {
		t.Errorf("as written: %+v", p.Monitors)
	}
	for text, want := range map[string]string{
		"monitors: {timezone: Mars/Olympus}":  `no zone is named "Mars/Olympus"`,
		"monitors: {timezone: Local}":         `"Local" is no name of a zone`,
		"monitors: {sensitivity: paranoid}":   "sensitivity",
		"monitors: {notify: [\"slack://x\"]}": `"monitors.notify" is not built yet`,
	} {
		path := filepath.Join(t.TempDir(), "trueup.yaml")
		if err := os.WriteFile(path, []byte(strings.Replace(string(readFile(t, rentals)), "version: 1", "version: 1\n"+text, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path, environment, testKnown()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
