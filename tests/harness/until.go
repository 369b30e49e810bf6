package harness

import (
	"testing"
	"time"
)

// Eventually calls f until it says yes or the time is over, and tells which. It is for the test's view from outside; where
// the product has an event, wait for that.
func Eventually(limit time.Duration, f func() bool) bool {
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		if f() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// Until fails the test when f does not say yes within the limit.
func Until(tb testing.TB, limit time.Duration, what string, f func() bool) {
	tb.Helper()
	if !Eventually(limit, f) {
		tb.Fatalf("not within %s: %s", limit, what)
	}
}
