package healthcheck

import (
	"fmt"
	"time"
)

// Check is how a service is probed. Zero fields mean Docker's defaults.
type Check struct {
	Interval      time.Duration // from the end of a probe to the next; 30 s
	Timeout       time.Duration // for one probe; 30 s
	Retries       int           // failures in a row that make unhealthy; 3
	StartPeriod   time.Duration // failures that do not count, after the start; none
	StartInterval time.Duration // the interval in the start period; 5 s
	// Awaits, when set, says in words what a probe waits for: it returns when that has
	// come, which makes the service healthy for good. Until then a failure is noted at
	// each regular time. Timeout has no meaning.
	Awaits string
}

// Validate refuses what Docker refuses: negative values and times under a
// millisecond.
func (c Check) Validate() error {
	for _, field := range []struct {
		name  string
		value time.Duration
	}{
		{"interval", c.Interval},
		{"timeout", c.Timeout},
		{"start period", c.StartPeriod},
		{"start interval", c.StartInterval},
	} {
		if field.value != 0 && field.value < time.Millisecond {
			return fmt.Errorf("health check: %s %v is less than 1ms", field.name, field.value)
		}
	}
	if c.Retries < 0 {
		return fmt.Errorf("health check: retries %d is negative", c.Retries)
	}
	return nil
}

// withDefaults fills in what is not set.
func (c Check) withDefaults() Check {
	def := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	def(&c.Interval, 30*time.Second)
	def(&c.Timeout, 30*time.Second)
	def(&c.StartInterval, 5*time.Second)
	if c.Retries <= 0 {
		c.Retries = 3
	}
	c.StartPeriod = max(c.StartPeriod, 0)
	return c
}
