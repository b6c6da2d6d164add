package monitor

import "testing"

// A system that is down on the first day is a retry storm, without any history:
// one that is only slow to answer some is not.
func TestASystemThatIsDownNeedsNoHistory(t *testing.T) {
	p := newPlatform(31, 1, 0)
	p.hours = 3
	p.troubles = []trouble{{kind: "retry_storm", system: "airbnb", from: 1, to: 1, size: 0.5}, {kind: "retry_storm", system: "pms", from: 2, to: 2, size: 1}}
	w := newWeeks(t, p)
	w.watch()
	if len(w.alarms) != 1 || w.alarms[0].kind != "retry_storm" || w.alarms[0].system != "pms" || w.alarms[0].h != 2 {
		t.Fatalf("%+v", w.alarms)
	}
}
