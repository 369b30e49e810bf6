package cron

import (
	"strings"
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cron, zone, after string
		want              string // times with spaces between them
	}{
		"each minute":                        {"* * * * *", "UTC", "2026-01-01T00:00:30Z", "2026-01-01T00:01:00Z 2026-01-01T00:02:00Z"},
		"not the same moment again":          {"0 6 * * *", "UTC", "2026-01-01T06:00:00Z", "2026-01-02T06:00:00Z"},
		"steps, ranges and lists":            {"*/20,7 8-9 * * *", "UTC", "2026-01-01T08:21:00Z", "2026-01-01T08:40:00Z 2026-01-01T09:00:00Z 2026-01-01T09:07:00Z"},
		"a step from a number on":            {"50/5 * * * *", "UTC", "2026-01-01T08:00:00Z", "2026-01-01T08:50:00Z 2026-01-01T08:55:00Z 2026-01-01T09:50:00Z"},
		"weekdays by name":                   {"0 6 * * Mon-Fri", "UTC", "2026-01-02T07:00:00Z", "2026-01-05T06:00:00Z"},
		"7 is Sunday":                        {"0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"},
		"one of two kinds of day is enough":  {"0 0 13 * fri", "UTC", "2026-01-10T00:00:00Z", "2026-01-13T00:00:00Z 2026-01-16T00:00:00Z"},
		"a star leaves the day to the other": {"0 0 */2 * fri", "UTC", "2026-01-01T00:00:00Z", "2026-01-09T00:00:00Z 2026-01-23T00:00:00Z"},
		"the 29th of February":               {"0 0 29 feb *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		"a nickname":                         {"@monthly", "UTC", "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"},
		"a time zone":                        {"30 6 * * *", "Asia/Kolkata", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"},
		"a date that is another one there":   {"0 1 1 1 *", "Pacific/Auckland", "2025-12-31T11:00:00Z", "2025-12-31T12:00:00Z"},
		// Berlin: 2026-03-29 02:00 → 03:00, 2026-10-25 03:00 → 02:00.
		"clocks are set forward over it":        {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z"},
		"several times that there are not":      {"*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z"},
		"each hour, forward":                    {"30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z 2026-03-29T01:30:00Z"},
		"it comes twice":                        {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z"},
		"each hour, back":                       {"30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-25T02:30:00Z"},
		"clocks that are set by half an hour":   {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z 2026-10-04T15:15:00Z"},
		"midnight that there is not":            {"0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", "2026-09-06T04:00:00Z 2026-09-07T03:00:00Z"},
		"a day that there is not (date line)":   {"0 12 30 12 *", "Pacific/Apia", "2011-12-29T00:00:00Z", "2011-12-30T10:00:00Z 2012-12-29T22:00:00Z"},
		"no daylight saving time, no surprises": {"0 3 * * *", "America/Phoenix", "2026-03-08T00:00:00Z", "2026-03-08T10:00:00Z 2026-03-09T10:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Parse(c.cron)
			if err != nil {
				t.Fatal(err)
			}
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, c.after)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for range strings.FieldsSeq(c.want) {
				at = s.Next(at.In(zone))
				got = append(got, at.UTC().Format(time.RFC3339))
			}
			if g := strings.Join(got, " "); g != c.want {
				t.Errorf("%s after %s:\ngot  %s\nwant %s", c.cron, c.after, g, c.want)
			}
		})
	}
}

func TestWhatIsNoCronExpression(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":               "it has 0 fields",
		"* * * *":        "it has 4 fields",
		"0 * * * * *":    "it has 6 fields",
		"@every 5m":      "it has 2 fields",
		"@reboot":        "it has 1 fields",
		"60 * * * *":     `minute "60"`,
		"* 24 * * *":     `hour "24"`,
		"* * 0 * *":      `day of the month "0"`,
		"* * * 13 *":     `month "13"`,
		"* * * * 8":      `day of the week "8"`,
		"* * * * funday": `day of the week "funday"`,
		"*/0 * * * *":    "a step is a number from 1",
		"*/x * * * *":    "a step is a number from 1",
		"9-5 * * * *":    "ends before it begins",
		"1,,2 * * * *":   `minute ""`,
		"-1 * * * *":     `minute ""`,
		"0 0 30 feb *":   "never comes",
	} {
		_, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
