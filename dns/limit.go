package dns

import (
	"sync"
	"time"
)

// What one endpoint may have forwarded: enough for a load test that looks a
// name up for each request, a hundredth of what a loop can ask for.
const (
	forwardsAtOnce    = 64
	forwardsPerSecond = 1000
	forwardsBurst     = 2000
)

// limits keeps one endpoint from using the forwarder up for all others.
type limits struct {
	inFlight chan struct{}
	bucket   bucket
}

func newLimits() limits {
	return limits{inFlight: make(chan struct{}, forwardsAtOnce)}
}

// take asks for leave to forward one query; release gives it back.
func (l *limits) take() bool {
	select {
	case l.inFlight <- struct{}{}:
	default:
		return false
	}
	if !l.bucket.take(time.Now()) {
		l.release()
		return false
	}
	return true
}

func (l *limits) release() { <-l.inFlight }

// bucket fills with forwardsPerSecond tokens a second up to forwardsBurst.
// The zero value is full.
type bucket struct {
	mu    sync.Mutex
	spent time.Duration // the time it takes to fill up again
	at    time.Time     // when that was so
}

func (b *bucket) take(now time.Time) bool {
	const token, full = time.Second / forwardsPerSecond, forwardsBurst * time.Second / forwardsPerSecond
	b.mu.Lock()
	defer b.mu.Unlock()
	spent := max(0, b.spent-now.Sub(b.at)) + token
	if b.at.IsZero() {
		spent = token
	}
	if spent > full {
		return false
	}
	b.spent, b.at = spent, now
	return true
}
