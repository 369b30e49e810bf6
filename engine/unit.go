package engine

import (
	"encoding/json"
	"fmt"
	"time"
)

// Bytes is a number of bytes.
type Bytes int64

// Duration is a time.Duration that JSON shows as text (1m30s), so that a Stack can be read.
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes the text form.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads the text form.
//
// Errors: for anything but a text that time.ParseDuration takes; d is left as it was.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("duration: %w", err)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("duration: %w", err)
	}
	*d = Duration(v)
	return nil
}
