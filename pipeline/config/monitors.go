package config

import (
	"github.com/trueup-data/trueup/pipeline/calendar"
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
	Timezone    string // in which people work: IANA name; "": that of the schedules, else UTC
}

type monitorsPart struct {
	Sensitivity string `yaml:"sensitivity" enum:"low|normal|high" help:"how little has to stand out to become a finding; default normal"`
	Timezone    string `yaml:"timezone" help:"the time zone in which people work, such as Europe/Lisbon: what an hour of the week is; default that of the schedules, else UTC"`
	Notify      Node   `yaml:"notify" unbuilt:"findings are told by trueup findings and by exit code 3"`
}

// monitors checks what decoding cannot see.
func (b *builder) monitors(at Position, m monitorsPart) Monitors {
	out := Monitors{Sensitivity: or(m.Sensitivity, SensitivityNormal), Timezone: m.Timezone}
	if out.Timezone == "" {
		return out
	}
	if _, err := calendar.Zone(out.Timezone); err != nil {
		b.problems.add(at, err.Error(), "", "write an IANA name such as Europe/Lisbon or UTC")
	}
	return out
}
