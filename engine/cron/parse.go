package cron

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// field is one of the five: how it is called, its limits, and names for its numbers from
// min on.
type field struct {
	what     string
	min, max int
	names    []string
}

func fields() [5]field {
	return [5]field{
		{what: "minute", max: 59},
		{what: "hour", max: 23},
		{what: "day of the month", min: 1, max: 31},
		{what: "month", min: 1, max: 12, names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{what: "day of the week", max: 7, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}, // 7 is Sunday, too
	}
}

// nicknames are what crontab(5) has for usual times.
func nickname(text string) string {
	switch text {
	case "@yearly", "@annually":
		return "0 0 1 1 *"
	case "@monthly":
		return "0 0 1 * *"
	case "@weekly":
		return "0 0 * * 0"
	case "@daily", "@midnight":
		return "0 0 * * *"
	case "@hourly":
		return "0 * * * *"
	default:
		return text
	}
}

// Parse reads five fields (minute, hour, day of the month, month, day of the week), or a
// nickname such as @daily.
func Parse(text string) (Schedule, error) {
	words := strings.Fields(nickname(strings.ToLower(strings.TrimSpace(text))))
	if len(words) != 5 {
		return Schedule{}, fmt.Errorf("%q is no cron expression: it has %d fields, not 5 (minute, hour, day of the month, month, day of the week)", text, len(words))
	}
	var sets [5]uint64
	for i, f := range fields() {
		for part := range strings.SplitSeq(words[i], ",") {
			bits, err := f.parse(part)
			if err != nil {
				return Schedule{}, fmt.Errorf("%q is no cron expression: %w", text, err)
			}
			sets[i] |= bits
		}
	}
	if sets[4]&(1<<7) != 0 {
		sets[4] |= 1
	}
	star := func(i int) bool { return strings.HasPrefix(words[i], "*") }
	s := Schedule{
		minutes: sets[0], hours: sets[1], days: sets[2], months: sets[3], weekdays: sets[4],
		everyHour: star(1), everyDay: star(2), everyWeekday: star(4),
	}
	if s.Next(time.Unix(0, 0).UTC()).IsZero() {
		return Schedule{}, fmt.Errorf("%q never comes: there is no such day", text)
	}
	return s, nil
}

// parse reads *, N, N-M, each with /STEP perhaps.
func (f *field) parse(part string) (uint64, error) {
	span, by, stepped := strings.Cut(part, "/")
	from, to, err := f.span(span)
	if err != nil {
		return 0, err
	}
	step := 1
	if stepped {
		if step, err = strconv.Atoi(by); err != nil || step < 1 {
			return 0, fmt.Errorf("%s %q: a step is a number from 1", f.what, part)
		}
		if !strings.ContainsAny(span, "*-") {
			to = f.max
		}
	}
	var bits uint64
	for n := from; n <= to; n += step {
		bits |= 1 << n
	}
	return bits, nil
}

func (f *field) span(text string) (from, to int, err error) {
	if text == "*" {
		return f.min, f.max, nil
	}
	low, high, isRange := strings.Cut(text, "-")
	if from, err = f.number(low); err != nil {
		return 0, 0, err
	}
	if to = from; isRange {
		if to, err = f.number(high); err != nil {
			return 0, 0, err
		}
	}
	if to < from {
		return 0, 0, fmt.Errorf("%s %q ends before it begins", f.what, text)
	}
	return from, to, nil
}

func (f *field) number(text string) (int, error) {
	if i := slices.Index(f.names, text); i >= 0 {
		return f.min + i, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.min || n > f.max {
		return 0, fmt.Errorf("%s %q: say a number from %d to %d, a range, a list, or *", f.what, text, f.min, f.max)
	}
	return n, nil
}
