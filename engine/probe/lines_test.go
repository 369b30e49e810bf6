package probe

import (
	"regexp"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	t.Parallel()
	const out, err = 1, 2
	const none = "no line"
	type piece struct {
		stream int
		text   string
	}
	long := strings.Repeat("x", maxLine)
	tests := map[string]struct {
		want   string
		pieces []piece
		match  string
	}{
		"a line among others":                {"ready", []piece{{out, "one\nis ready now\ntwo\n"}}, "is ready now"},
		"a line in three pieces":             {"^is ready$", []piece{{out, "one\nis "}, {out, "rea"}, {out, "dy\n"}}, "is ready"},
		"a newline in a piece of its own":    {"ready", []piece{{out, "ready"}, {out, "\n"}}, "ready"},
		"streams that write between":         {"^ready$", []piece{{out, "rea"}, {err, "oops\n"}, {out, "dy\n"}}, "ready"},
		"no line of two streams' pieces":     {"ready", []piece{{out, "rea"}, {err, "dy\n"}, {out, "lly\n"}}, none},
		"on standard error":                  {"ready", []piece{{err, "ready\n"}}, "ready"},
		"not before it has ended":            {"ready$", []piece{{out, "not ready"}, {out, " yet\n"}}, none},
		"nothing that has not ended":         {"ready", []piece{{out, "ready"}}, none},
		"as a terminal writes it":            {"ready$", []piece{{out, "ready\r\n"}}, "ready"},
		"an empty line":                      {"^$", []piece{{out, "a\n\n"}}, ""},
		"not over a newline":                 {"a.*b|a\\sb", []piece{{out, "a\nb\n"}}, none},
		"the beginning of one too long":      {"^xxx", []piece{{out, long + "ready"}, {out, "ready\n"}}, long},
		"not the rest of one too long":       {"ready", []piece{{out, long + "ready"}, {out, "ready\n"}}, none},
		"nor when it comes at once":          {"ready", []piece{{out, long + "ready\n"}}, none},
		"the line after one too long":        {"ready", []piece{{out, long + "ready"}, {out, "\nready\n"}}, "ready"},
		"bytes that are no text":             {"ready", []piece{{out, "\xff\xfe\x00ready\n"}}, "\xff\xfe\x00ready"},
		"words that the shell would explain": {`(?i)READY \d+`, []piece{{out, "Ready 42\n"}}, "Ready 42"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines := Lines{Want: regexp.MustCompile(test.want)}
			got, found := "", false
			for _, p := range test.pieces {
				if found {
					t.Fatal("found before the last piece")
				}
				got, found = lines.Add(p.stream, []byte(p.text))
			}
			if !found {
				got = none
			}
			if got != test.match {
				t.Errorf("found %.80q, want %.80q", got, test.match)
			}
		})
	}
}

func TestALineWithoutEndIsNotKept(t *testing.T) {
	t.Parallel()
	lines := Lines{Want: regexp.MustCompile("ready")}
	for range 1000 {
		lines.Add(1, []byte(strings.Repeat("x", 10_000)))
	}
	if kept := cap(lines.open[1]); kept > 2*maxLine {
		t.Errorf("%d bytes are kept", kept)
	}
}
