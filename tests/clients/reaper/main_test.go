package main

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestALineOfFilters(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		want []string // none: it is not understood
	}{
		"labels":                 {"label=b=2&label=a=1", []string{"a=1", "b=2"}},
		"escaped":                {"label=a%3D1%262", []string{"a=1&2"}},
		"other filters are not":  {"label=a=1&name=x", []string{"a=1"}},
		"nothing":                {"", nil},
		"another filter alone":   {"name=x", nil},
		"an empty label":         {"label=&label=a=1", nil},
		"what cannot be escaped": {"label=%zz", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parse(c.line)
			if !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestWhenTheSessionsAreOver(t *testing.T) {
	const first, again = time.Minute, 10 * time.Second
	come, gone, named := event{connections: 1}, event{connections: -1}, event{labels: []string{"a=1"}}
	for name, c := range map[string]struct {
		events []event // a second apart
		want   time.Duration
	}{
		"nobody comes":                  {nil, first},
		"one comes and goes":            {[]event{come, named, gone}, 3*time.Second + again},
		"somebody looks at the port":    {[]event{come, gone}, 2*time.Second + first},
		"one of two goes, and the last": {[]event{come, named, come, gone, gone}, 5*time.Second + again},
		"one comes back":                {[]event{come, named, gone, come, gone}, 5*time.Second + again},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				heard := make(chan event)
				go func() {
					for _, e := range c.events {
						time.Sleep(time.Second)
						heard <- e
					}
				}()
				begin := time.Now()
				attend(t.Context(), heard, first, again)
				if got := time.Since(begin); got != c.want {
					t.Errorf("over after %s, want %s", got, c.want)
				}
			})
		})
	}
}
