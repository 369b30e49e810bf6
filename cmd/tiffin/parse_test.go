package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/progress"
)

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                               {},
		"42m":                            now.Add(-42 * time.Minute),
		"1h30m":                          now.Add(-90 * time.Minute),
		"2013-01-02T13:23:37Z":           time.Date(2013, 1, 2, 13, 23, 37, 0, time.UTC),
		"2013-01-02T13:23:37.5+02:00":    time.Date(2013, 1, 2, 11, 23, 37, 5e8, time.UTC),
		"2013-01-02T13:23:37":            time.Date(2013, 1, 2, 13, 23, 37, 0, time.Local),
		"2013-01-02T13:23":               time.Date(2013, 1, 2, 13, 23, 0, 0, time.Local),
		"2013-01-02":                     time.Date(2013, 1, 2, 0, 0, 0, 0, time.Local),
		"1136073845":                     time.Unix(1136073845, 0),
		"1136073845.000000001":           time.Unix(1136073845, 1),
		"1136073845.5":                   time.Unix(1136073845, 5e8),
		"2013-01-02T13:23:37.000000001Z": time.Date(2013, 1, 2, 13, 23, 37, 1, time.UTC),
	} {
		got, err := parseTime("since", text, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "12:00", "2013-13-01", "1.2.3", "-", "1136073845.x"} {
		if got, err := parseTime("since", text, now); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestParseScale(t *testing.T) {
	got, err := caller.ParseScale([]string{"web=3", "api=0", "web=2"})
	if d := cmp.Diff(map[string]int{"web": 2, "api": 0}, got); d != "" || err != nil {
		t.Errorf("want -, got + (%v)\n%s", err, d)
	}
	for _, pair := range []string{"web", "web=", "=1", "web=-1", "web=1.5", "web=x"} {
		if _, err := caller.ParseScale([]string{pair}); err == nil {
			t.Errorf("%q is taken", pair)
		}
	}
}

func TestSplitReference(t *testing.T) {
	for ref, want := range map[string][2]string{
		"nginx":                     {"nginx", "latest"},
		"nginx:alpine":              {"nginx", "alpine"},
		"localhost:5000/nginx":      {"localhost:5000/nginx", "latest"},
		"localhost:5000/nginx:1.25": {"localhost:5000/nginx", "1.25"},
		"nginx@sha256:abc":          {"nginx", "<none>"},
		"nginx:alpine@sha256:abc":   {"nginx", "alpine"},
		"<none>:<none>":             {"<none>", "<none>"},
	} {
		repository, tag := splitReference(ref)
		if got := [2]string{repository, tag}; got != want {
			t.Errorf("%s: got %q, want %q", ref, got, want)
		}
	}
}

func TestWithoutDocker(t *testing.T) {
	for name, tc := range map[string]struct{ in, want []string }{
		"nothing":                        {nil, nil},
		"a command":                      {[]string{"up", "-d"}, []string{"up", "-d"}},
		"as a plugin":                    {[]string{"compose", "up", "-d"}, []string{"up", "-d"}},
		"with docker's flags":            {[]string{"--context", "x", "-D", "--host=y", "compose", "-f", "z", "up"}, []string{"-f", "z", "up"}},
		"our own flags are left alone":   {[]string{"-f", "compose", "compose"}, []string{"-f", "compose", "compose"}},
		"completion":                     {[]string{"__complete", "compose", "up", ""}, []string{"__complete", "up", ""}},
		"completion of our own":          {[]string{"__complete", "up", ""}, []string{"__complete", "up", ""}},
		"a flag of docker without value": {[]string{"--context"}, []string{"--context"}},
		"a service of that name":         {[]string{"up", "compose"}, []string{"up", "compose"}},
	} {
		if d := cmp.Diff(tc.want, withoutDocker(tc.in)); d != "" {
			t.Errorf("%s: want -, got +\n%s", name, d)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain text\nand tab\t": "plain text\nand tab\t",
		"\x1b]0;title\x07":      "\uFFFD]0;title\uFFFD",
		"\u009b2J\x7f\r":        "\uFFFD2J\uFFFD\uFFFD",
		"日本 ✔":                  "日本 ✔",
	} {
		if got := progress.Printable(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
