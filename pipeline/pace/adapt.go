package pace

import "time"

// adaptive follows what a system bears: it falls by a factor when the system
// pushes back, at most once per cooling time, and climbs back slowly (additive
// increase, multiplicative decrease: Chiu and Jain, 1989). The value is a share
// of what the project file allows, in [floor, 1].
type adaptive struct {
	on      bool
	share   float64
	floor   float64
	climb   float64 // share regained per second without push-back
	fall    float64
	cooling time.Duration
	at      time.Time // of the last climb
	fell    time.Time
}

func newAdaptive(on bool, now time.Time) *adaptive {
	return &adaptive{on: on, share: 1, floor: 0.05, climb: 0.02, fall: 0.7, cooling: time.Second, at: now}
}

// pushback lowers the share. Answers to requests that were already under way
// when it last fell tell nothing new: they fall into the cooling time.
func (a *adaptive) pushback(now time.Time) {
	if !a.on || now.Sub(a.fell) < a.cooling {
		return
	}
	a.share, a.fell, a.at = max(a.floor, a.share*a.fall), now, now
}

// success raises the share by the time since the last rise.
func (a *adaptive) success(now time.Time) {
	if d := now.Sub(a.at); d > 0 && a.share < 1 {
		a.share = min(1, a.share+d.Seconds()*a.climb)
	}
	a.at = now
}

// of applies the share to a whole number, at least 1.
func (a *adaptive) of(n int) int { return max(1, int(a.share*float64(n)+0.5)) }
