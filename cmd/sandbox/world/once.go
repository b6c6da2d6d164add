package world

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"
)

// savedAnswer is what an idempotency key replays.
type savedAnswer struct {
	Print  string    `json:"print"` // of the request
	At     time.Time `json:"at"`
	Status int       `json:"status"`
	Body   string    `json:"body"`
	Shown  []Shown   `json:"shown,omitempty"`
}

// once executes a write, or replays the answer that its key has, where the system
// knows keys. Kept are answers of what was executed, also failures (500);
// refusals may be corrected and sent again under the same key.
func (v *server) once(c *call) answer {
	if c.key() == "" || !v.sys.keys {
		return v.write(c)
	}
	key := v.sys.name + " " + c.key()
	content := fingerprint(c)
	if v.w.inFlight(c) {
		return v.fail(http.StatusConflict, "in flight", "a request with this idempotency key is still being processed")
	}
	if old, ok := v.w.saved[key]; ok && v.w.now.Sub(old.At) < v.w.opt.Retention {
		if old.Print != content {
			return v.fail(http.StatusUnprocessableEntity, "key reused", "this idempotency key was used for another request")
		}
		return old.replay()
	}
	a := v.keyed(c)
	if a.status < 300 || a.status >= 500 {
		saved := savedAnswer{Print: content, At: v.w.now, Status: a.status, Body: string(a.body), Shown: a.shown}
		v.w.saved[key] = saved
		v.w.journal.write(entry{Saved: &storedAnswer{Key: key, Answer: saved}})
	}
	return a
}

// keyed executes the first request of a key, which a fault may spoil before its
// answer is kept.
func (v *server) keyed(c *call) answer {
	broken := v.fail(http.StatusInternalServerError, "internal error", "something went wrong while the request was processed")
	if c.suffers(SavedError) {
		return broken
	}
	a := v.write(c)
	if c.suffers(SavedErrorAfter) && a.effect != 0 {
		broken.effect = a.effect
		return broken
	}
	return a
}

func (s savedAnswer) replay() answer {
	a := plain(s.Status, "application/json", s.Body)
	a.header.Set("Idempotent-Replayed", "true")
	a.shown = s.Shown
	return a
}

// fingerprint tells requests of one key apart.
func fingerprint(c *call) string {
	sum := sha256.Sum256([]byte(c.method + "\n" + c.path + "\n" + string(c.body)))
	return fmt.Sprintf("%x", sum[:8])
}
