package config

import (
	"fmt"
	"time"
)

// How much has to stand out before it is a finding.
const (
	SensitivityLow    = "low"
	SensitivityNormal = "normal"
	SensitivityHigh   = "high"
)

// Monitors is how runs are watched.
type Monitors struct {
	Sensitivity string // low, normal or high
	Timezone    string // in which people work: IANA name
}

type monitorsPart struct {
	Sensitivity string `yaml:"sensitivity" enum:"low|normal|high" help:"how little has to stand out to become a finding; default normal"`
	Timezone    string `yaml:"timezone" help:"the time zone in which people work, such as Europe/Lisbon: what an hour of the week is; default UTC"`
	Notify      Node   `yaml:"notify" unbuilt:"findings are told by trueup findings and by exit code 3"`
}

// monitors checks what decoding cannot see.
func (b *builder) monitors(at Position, m monitorsPart) Monitors {
	out := Monitors{Sensitivity: or(m.Sensitivity, SensitivityNormal), Timezone: or(m.Timezone, "UTC")}
	if _, err := time.LoadLocation(out.Timezone); err != nil || out.Timezone == "Local" {
		b.problems.add(at, fmt.Sprintf("%q is no time zone", out.Timezone), "", "write one such as Europe/Lisbon")
	}
	return out
}
