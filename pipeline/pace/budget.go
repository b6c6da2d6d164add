package pace

import "time"

// budget bounds the retries of one system by a share of its requests, so that
// a system in trouble does not get a multiple of its load (the retry budget of
// Finagle). It is not safe for concurrent use: Gate guards it.
type budget struct {
	share   float64 // retries that one request earns
	floor   float64 // retries per second that are earned without requests
	most    float64
	balance float64
	at      time.Time
}

func newBudget(share float64, now time.Time) *budget {
	const most, floor = 20, 0.2
	return &budget{share: share, floor: floor, most: most, balance: most, at: now}
}

func (b *budget) earn(now time.Time, n float64) {
	if d := now.Sub(b.at); d > 0 {
		n += d.Seconds() * b.floor
		b.at = now
	}
	b.balance = min(b.most, b.balance+n)
}

// request counts a first try.
func (b *budget) request(now time.Time) { b.earn(now, b.share) }

// retry takes one retry, or reports that there is none left.
func (b *budget) retry(now time.Time) bool {
	b.earn(now, 0)
	if b.balance < 1 {
		return false
	}
	b.balance--
	return true
}
