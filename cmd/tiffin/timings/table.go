package timings

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"tiffin/cmd/tiffin/format"
)

// Table writes what was done by when it began, with a mark at what is on the critical path, and then how long that was.
func (r *Report) Table(w io.Writer) error {
	if len(r.spans) == 0 {
		_, err := fmt.Fprintln(w, "Nothing was done that takes time.")
		return err
	}
	zero := r.begin()
	order := make([]int, len(r.spans))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return r.spans[a].Began.Compare(r.spans[b].Began) })
	var rows [][]string
	for _, i := range order {
		s := &r.spans[i]
		rows = append(rows, []string{mark(s) + s.name(), short(s.Began.Sub(zero)), short(s.Ended.Sub(s.Began)), r.waited(s)})
	}
	if err := format.Table(w, []string{"  STEP", "AT", "TOOK", "WAITED FOR"}, rows); err != nil {
		return err
	}
	var busy time.Duration
	for _, i := range r.path {
		busy += r.spans[i].Ended.Sub(r.spans[i].Began)
	}
	_, err := fmt.Fprintf(w, "Critical path (*): %s of %s\n", short(busy), short(r.end().Sub(zero)))
	return err
}

func mark(s *Span) string {
	if s.critical {
		return "* "
	}
	return "  "
}

// waited is what it waited for, and for its turn when that was long: so many steps are under way at once and no more.
func (r *Report) waited(s *Span) string {
	var out []string
	if s.gate >= 0 {
		out = append(out, r.spans[s.gate].name())
	}
	if turn := s.Began.Sub(s.Ready); turn >= time.Millisecond {
		out = append(out, "its turn "+short(turn))
	}
	if s.Failed {
		out = append(out, "(failed)")
	}
	return strings.Join(out, ", ")
}

func short(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Round(time.Millisecond).Milliseconds())
	default:
		return fmt.Sprintf("%.2fs", d.Seconds())
	}
}
