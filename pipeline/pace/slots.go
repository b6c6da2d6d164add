package pace

import "context"

// Class says what a request is for. Records are read in bulk; writes, and the
// reads that settle them, are urgent: they hold up others when they wait.
type Class uint8

// The classes of a request.
const (
	Bulk Class = iota
	Urgent
)

// slots bound how many requests are under way. Urgent ones come first when a
// slot is free, but never more than streak in a row while a bulk one waits. The
// zero value is not usable; Gate guards it with its own lock.
type slots struct {
	used    int
	waiting [2][]chan struct{} // by Class, in the order of arrival; closed when granted
	streak  int
}

const maxStreak = 4

// take gets a slot of limit, or a channel to wait on.
func (s *slots) take(c Class, limit int) chan struct{} {
	if s.used < limit && len(s.waiting[Bulk])+len(s.waiting[Urgent]) == 0 {
		s.used++
		return nil
	}
	ch := make(chan struct{})
	s.waiting[c] = append(s.waiting[c], ch)
	s.grant(limit)
	return ch
}

// give returns a slot.
func (s *slots) give(limit int) {
	s.used--
	s.grant(limit)
}

// grant hands out what is free.
func (s *slots) grant(limit int) {
	for s.used < limit {
		c := s.next()
		if len(s.waiting[c]) == 0 {
			return
		}
		ch := s.waiting[c][0]
		s.waiting[c] = s.waiting[c][1:]
		s.used++
		close(ch)
	}
}

func (s *slots) next() Class {
	bulkWaits := len(s.waiting[Bulk]) > 0
	if len(s.waiting[Urgent]) > 0 && (!bulkWaits || s.streak < maxStreak) {
		s.streak++
		return Urgent
	}
	s.streak = 0
	return Bulk
}

// drop takes a waiter out of the queue; false: it was granted meanwhile.
func (s *slots) drop(c Class, ch chan struct{}) bool {
	for i, w := range s.waiting[c] {
		if w == ch {
			s.waiting[c] = append(s.waiting[c][:i], s.waiting[c][i+1:]...)
			return true
		}
	}
	return false
}

// slot waits for a free slot of the gate.
func (g *Gate) slot(ctx context.Context, c Class) error {
	g.mu.Lock()
	ch := g.slots.take(c, g.limit())
	g.mu.Unlock()
	if ch == nil {
		return nil
	}
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.slots.drop(c, ch) {
		g.slots.give(g.limit())
	}
	return ctx.Err()
}

func (g *Gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slots.give(g.limit())
}

// limit is the number of slots that the system bears now. The caller holds the lock.
func (g *Gate) limit() int { return g.adaptive.of(g.o.Concurrency) }
