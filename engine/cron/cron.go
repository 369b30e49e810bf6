package cron

import (
	"slices"
	"time"
	_ "time/tzdata" // hosts may have no time zones
)

// Schedule is a set of times. Bit n of a set says that n is in it.
type Schedule struct {
	minutes, hours, days, months, weekdays uint64
	// A field that begins with * leaves the day to the other one; of two that do not, one is enough.
	everyDay, everyWeekday bool
	// everyHour goes by the time that passes: when clocks are set, it neither makes up for hours that
	// there are not nor leaves out those that come twice.
	everyHour bool
}

// horizon is how many days ahead a time can be: the 29th of February is eight years away at most.
const horizon = 366 * 9

// Next is the first time after another one, in its time zone. Clocks that are set forward
// over a time make it the moment when they are; one that comes twice as they are set back counts the first
// time. Zero: never.
func (s Schedule) Next(after time.Time) time.Time {
	year, month, day := after.Date()
	for i := range horizon {
		// Days are counted at noon UTC, where each has 24 hours.
		date := time.Date(year, month, day+i, 12, 0, 0, 0, time.UTC)
		if !s.on(date) {
			continue
		}
		for _, t := range s.of(date, after.Location()) {
			if t.After(after) {
				return t
			}
		}
	}
	return time.Time{}
}

// on says whether there are times on a day.
func (s Schedule) on(date time.Time) bool {
	has := func(set uint64, n int) bool { return set&(1<<n) != 0 }
	if !has(s.months, int(date.Month())) {
		return false
	}
	day, weekday := has(s.days, date.Day()), has(s.weekdays, int(date.Weekday()))
	if s.everyDay || s.everyWeekday {
		return day && weekday
	}
	return day || weekday
}

// of are the times on a day, sorted.
func (s Schedule) of(date time.Time, zone *time.Location) []time.Time {
	var out []time.Time
	for hour := range 24 {
		for minute := range 60 {
			if s.hours&(1<<hour) != 0 && s.minutes&(1<<minute) != 0 {
				out = append(out, s.at(time.Date(date.Year(), date.Month(), date.Day(), hour, minute, 0, 0, time.UTC), zone)...)
			}
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}

// at are the moments at which clocks show a time, which is given as if it were UTC.
func (s Schedule) at(shown time.Time, zone *time.Location) []time.Time {
	var out []time.Time
	guess := shown.In(zone)
	_, offset := guess.Zone()
	guess = guess.Add(-time.Duration(offset) * time.Second)
	for _, near := range []time.Duration{-24 * time.Hour, 0, 24 * time.Hour} {
		_, offset := guess.Add(near).Zone()
		t := shown.Add(-time.Duration(offset) * time.Second).In(zone)
		if t.Hour() == shown.Hour() && t.Minute() == shown.Minute() && t.Day() == shown.Day() && !slices.ContainsFunc(out, t.Equal) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	switch {
	case s.everyHour:
		return out
	case len(out) == 0:
		return []time.Time{setForward(guess)}
	default:
		return out[:1]
	}
}

// setForward is the moment near another one when clocks are set forward.
func setForward(near time.Time) time.Time {
	start, end := near.ZoneBounds()
	if end.IsZero() || !start.IsZero() && near.Sub(start) < end.Sub(near) {
		return start
	}
	return end
}
