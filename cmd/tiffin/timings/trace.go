package timings

import (
	"fmt"
	"io"
	"time"

	"tiffin/cmd/tiffin/format"
)

// traceEvent is one of Chrome's Trace Event Format: X is something with a duration, M names a row.
type traceEvent struct {
	Name     string         `json:"name"`
	Category string         `json:"cat,omitempty"`
	Phase    string         `json:"ph"`
	Time     float64        `json:"ts"` // microseconds
	Duration float64        `json:"dur,omitempty"`
	Process  int            `json:"pid"`
	Thread   int            `json:"tid"`
	Args     map[string]any `json:"args,omitempty"`
}

// Trace writes a file for chrome://tracing or Perfetto, with a row for each object; what overlaps there has a further one.
func (r *Report) Trace(w io.Writer) error {
	events := []traceEvent{}
	ends := map[string]time.Time{} // of the last one in a row, by the row's name
	rows := map[string]int{}
	for i := range r.spans {
		s, zero := &r.spans[i], r.begin()
		row := s.Subject
		for n := 2; ends[row].After(s.Began); n++ {
			row = fmt.Sprintf("%s (%d)", s.Subject, n)
		}
		ends[row] = s.Ended
		if rows[row] == 0 {
			rows[row] = len(rows) + 1
			events = append(events, traceEvent{Name: "thread_name", Phase: "M", Process: 1, Thread: rows[row], Args: map[string]any{"name": row}})
		}
		args := map[string]any{"critical": s.critical}
		if text := r.waited(s); text != "" {
			args["waited for"] = text
		}
		events = append(events, traceEvent{
			Name: s.What, Category: "step", Phase: "X", Time: micros(s.Began.Sub(zero)), Duration: micros(s.Ended.Sub(s.Began)),
			Process: 1, Thread: rows[row], Args: args,
		})
	}
	return format.JSON(w, map[string]any{"traceEvents": events, "displayTimeUnit": "ms"})
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
