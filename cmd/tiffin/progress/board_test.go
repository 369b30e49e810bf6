package progress

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"

	"tiffin/engine"
)

func texts(rows []row) []string {
	var out []string
	for _, r := range rows {
		out = append(out, r.text)
	}
	return out
}

func TestBoard(t *testing.T) {
	begin := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	working := func(id, text string) engine.Progress {
		return engine.Progress{ID: id, Status: engine.Working, Text: text}
	}
	done := func(id, text string) engine.Progress {
		return engine.Progress{ID: id, Status: engine.Done, Text: text}
	}
	type report struct {
		ms int
		e  engine.Progress
	}
	for name, tc := range map[string]struct {
		reports []report
		view    view
		want    []string
	}{
		"nothing reported is nothing shown": {view: view{columns: 40, rows: 10}},
		"an object keeps its line and the time of all its steps": {
			reports: []report{
				{0, working("Container a-1", "Creating")},
				{100, working("Network x", "Creating")},
				{200, done("Container a-1", "Created")},
				{300, working("Container a-1", "Starting")},
				{1500, done("Container a-1", "Started")},
			},
			view: view{columns: 40, rows: 10, now: at(2100), spin: 1},
			want: []string{"[+] up 1/2", " ✔ Container a-1 Started           1.5s", " ⠙ Network x Creating              2.0s"},
		},
		"a line never reaches the last column": {
			reports: []report{{0, working("Container with-a-long-name-1", "Creating")}},
			view:    view{columns: 30, rows: 10, now: at(0)},
			want:    []string{"[+] up 0/1", " ⠋ Container with-a-lon… 0.0s"},
		},
		"what comes from outside stays on its line": {
			reports: []report{{0, done("Image a\nb\x1b[2J", "Pulled\tx")}},
			view:    view{columns: 40, rows: 10, now: at(0)},
			want:    []string{"[+] up 1/1", " ✔ Image a b\uFFFD[2J Pulled x          0.0s"},
		},
		"wide characters count twice": {
			reports: []report{{0, done("Image 日本", "Pulled")}},
			view:    view{columns: 30, rows: 10, now: at(0)},
			want:    []string{"[+] up 1/1", " ✔ Image 日本 Pulled     0.0s"},
		},
		"the layers of an image are summed up until it is there": {
			reports: []report{
				{0, working("Image nginx", "Pulling")},
				{1, engine.Progress{ID: "one", ParentID: "Image nginx", Status: engine.Done, Current: 1000, Total: 1000}},
				{1, engine.Progress{ID: "two", ParentID: "Image nginx", Status: engine.Working, Current: 500, Total: 3000}},
			},
			view: view{columns: 60, rows: 10, now: at(0)},
			want: []string{"[+] up 0/1", " ⠋ Image nginx Pulling [1/2] 1.5kB / 4kB               0.0s"},
		},
		"a failure and a warning have marks of their own": {
			reports: []report{
				{0, engine.Progress{ID: "Container a", Status: engine.Failed, Text: "Error"}},
				{0, engine.Progress{ID: "Network b", Status: engine.Warning, Text: "Resource is still in use"}},
			},
			view: view{columns: 50, rows: 10, now: at(0)},
			want: []string{"[+] up 2/2", " ✘ Container a Error                         0.0s", " ! Network b Resource is still in use        0.0s"},
		},
		"without room for all, those that work are shown, the oldest first": {
			reports: []report{
				{0, done("a", "Created")}, {0, working("b", "Creating")}, {0, done("c", "Created")}, {0, working("d", "Creating")}, {0, working("e", "Creating")},
			},
			view: view{columns: 30, rows: 4, now: at(0)},
			want: []string{"[+] up 2/5", " ⠋ b Creating            0.0s", " ⠋ d Creating            0.0s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := board{title: "up"}
			for _, r := range tc.reports {
				b.take(r.e, at(r.ms))
			}
			rows := b.rows(tc.view)
			if d := cmp.Diff(tc.want, texts(rows)); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
			for _, r := range rows {
				if w := runewidth.StringWidth(r.text); w != r.width || w >= tc.view.columns {
					t.Errorf("%q is %d columns wide, said %d, of %d", r.text, w, r.width, tc.view.columns)
				}
			}
		})
	}
}

func TestBoardOfManyFitsAnyTerminal(t *testing.T) {
	b := board{title: "up"}
	for i := range 50 {
		status := engine.Working
		if i%3 == 0 {
			status = engine.Done
		}
		b.take(engine.Progress{ID: fmt.Sprintf("Container project-service-%d", i), Status: status, Text: "Starting"}, time.Now())
	}
	for rows := 1; rows < 60; rows++ {
		for columns := 20; columns < 90; columns += 7 {
			got := b.rows(view{columns: columns, rows: rows, now: time.Now()})
			if len(got) > max(rows-1, 2) {
				t.Fatalf("%d lines on %d rows", len(got), rows)
			}
			for _, r := range got {
				if r.width >= columns || strings.Contains(r.text, "\n") {
					t.Fatalf("%q on %d columns", r.text, columns)
				}
			}
		}
	}
}
