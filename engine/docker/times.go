package docker

import (
	"strconv"
	"strings"
	"time"
)

// timeOf reads a time of the API: seconds of the epoch with a fraction, RFC 3339, or a
// duration, which is how long before now. "" is the zero time.
//
// Errors: engine.ErrInvalid.
func timeOf(text string, now time.Time) (time.Time, error) {
	if text == "" || text == "0" {
		return time.Time{}, nil
	}
	whole, fraction, _ := strings.Cut(text, ".")
	if seconds, err := strconv.ParseInt(whole, 10, 64); err == nil {
		const digits = 9
		nanos, err := strconv.ParseInt((fraction + "000000000")[:digits], 10, 64)
		if err == nil {
			return time.Unix(seconds, nanos), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, invalid("invalid time %q: write seconds, RFC 3339 or a duration", text)
}
