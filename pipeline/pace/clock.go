package pace

import (
	"context"
	"time"
)

// Clock is the time that a Gate lives in. The zero Clock is the real one.
type Clock struct {
	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration) error // returns ctx's error when it ends first
}

func (c Clock) orReal() Clock {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wait == nil {
		c.Wait = Sleep
	}
	return c
}

// Sleep waits for d on the real clock, and gives ctx's error if that ends first. A
// context that is already over wins even over a wait of nothing, so that a
// cancelled run takes no more tokens.
func Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
