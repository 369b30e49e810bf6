package lines

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine/call"
)

func TestLogPrinter(t *testing.T) {
	web := &call.LogSource{Name: "demo-web-1"}
	job := &call.LogSource{Name: "demo-job-1"}
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	out := func(src *call.LogSource, text string) call.LogEntry {
		return call.LogEntry{Source: src, Stream: call.Stdout, Data: []byte(text), Time: at}
	}
	errOut := func(src *call.LogSource, text string) call.LogEntry {
		return call.LogEntry{Source: src, Stream: call.Stderr, Data: []byte(text), Time: at}
	}
	exit := func(src *call.LogSource, code int, restarting bool) call.LogEntry {
		return call.LogEntry{Source: src, Exit: &call.LogExit{Code: code, Restarting: restarting}}
	}
	for name, tc := range map[string]struct {
		opts     Options
		announce []string
		entries  []call.LogEntry
		out, err string
	}{
		"each line has the name of its container": {
			entries: []call.LogEntry{out(web, "one\ntwo\n"), out(job, "three\n")},
			out:     "web-1  | one\nweb-1  | two\njob-1  | three\n",
		},
		"names that were announced make the width": {
			announce: []string{"demo-database-1"},
			entries:  []call.LogEntry{out(web, "one\n")},
			out:      "web-1       | one\n",
		},
		"a line is printed when it has ended": {
			entries: []call.LogEntry{out(web, "be"), out(job, "job\n"), out(web, "gin\n")},
			out:     "job-1  | job\nweb-1  | begin\n",
		},
		"lines of the two streams do not mix": {
			opts:    Options{Split: true},
			entries: []call.LogEntry{out(web, "out "), errOut(web, "err\n"), out(web, "more\n")},
			out:     "web-1  | out more\n", err: "web-1  | err\n",
		},
		"an open line ends before the news of the container's end": {
			opts:    Options{Split: true},
			entries: []call.LogEntry{out(web, "last"), exit(web, 3, false)},
			out:     "web-1  | last\nweb-1 exited with code 3\n",
		},
		"a restart is no end": {
			opts:    Options{Split: true},
			entries: []call.LogEntry{exit(web, 1, true)},
			out:     "web-1 exited with code 1 (restarting)\n",
		},
		"logs says nothing of ends": {
			entries: []call.LogEntry{out(web, "x\n"), exit(web, 1, false)},
			out:     "web-1  | x\n",
		},
		"without prefix lines are still whole": {
			opts:    Options{NoPrefix: true},
			entries: []call.LogEntry{out(web, "a"), out(job, "b\n"), out(web, "c\n")},
			out:     "b\nac\n",
		},
		"a time is that of the beginning of the line": {
			opts: Options{Timestamps: true, NoPrefix: true},
			entries: []call.LogEntry{
				out(web, "be"),
				{Source: web, Stream: call.Stdout, Data: []byte("gin\nnext\n"), Time: at.Add(time.Second)},
			},
			out: "2026-11-24T12:00:00.000000000Z begin\n2026-11-24T12:00:01.000000000Z next\n",
		},
		"what has not ended is printed in the end": {
			entries: []call.LogEntry{out(web, "no newline"), errOut(job, "nor here")},
			out:     "web-1  | no newline\njob-1  | nor here\n",
		},
		"colours go around the name": {
			opts:    Options{Colour: true},
			entries: []call.LogEntry{out(web, "x\n"), out(job, "y\n")},
			out:     "\x1b[36mweb-1  | \x1b[0mx\n\x1b[33mjob-1  | \x1b[0my\n",
		},
		"a name that is not the project's is whole": {
			entries: []call.LogEntry{out(&call.LogSource{Name: "mine"}, "x\n")},
			out:     "mine  | x\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var gotOut, gotErr bytes.Buffer
			tc.opts.Project = "demo"
			p := New(&gotOut, &gotErr, tc.opts)
			if tc.announce != nil {
				p.Announce(tc.announce...)
			}
			for _, e := range tc.entries {
				if err := p.Entry(e); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.out, gotOut.String()); d != "" {
				t.Errorf("standard output: want -, got +\n%s", d)
			}
			if d := cmp.Diff(tc.err, gotErr.String()); d != "" {
				t.Errorf("standard error: want -, got +\n%s", d)
			}
		})
	}
}

func TestLogPrinterKeepsNoEndlessLine(t *testing.T) {
	var got strings.Builder
	p := New(&got, &got, Options{Project: "demo"})
	web := &call.LogSource{Name: "demo-web-1"}
	chunk := []byte(strings.Repeat("x", 64<<10))
	for range 40 {
		if err := p.Entry(call.LogEntry{Source: web, Stream: call.Stdout, Data: chunk}); err != nil {
			t.Fatal(err)
		}
		if kept := len(p.sources[0].open[call.Stdout].text); kept > maxOpenLine+len(chunk) {
			t.Fatalf("%d bytes are kept", kept)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if want := "web-1  | " + strings.Repeat(string(chunk), 40) + "\n"; got.String() != want {
		t.Errorf("the line came with %d bytes, want %d", got.Len(), len(want))
	}
}
