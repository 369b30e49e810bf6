package timings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

var zero = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return zero.Add(time.Duration(ms) * time.Millisecond) }

// did is a span that was ready when it began: GROUP.SEQ SUBJECT/WHAT, in milliseconds.
func did(name string, began, ended int, after ...int) Span {
	var group, seq int
	place, name, _ := strings.Cut(name, " ")
	if _, err := fmt.Sscanf(place, "%d.%d", &group, &seq); err != nil {
		panic(err)
	}
	subject, what, _ := strings.Cut(name, "/")
	return Span{Group: group, Seq: seq, Subject: subject, What: what, After: after, Ready: at(began), Began: at(began), Ended: at(ended)}
}

func TestTable(t *testing.T) {
	turn := did("1.2 b/create", 400, 500)
	turn.Ready = at(100)
	failed := did("1.1 a/start", 0, 20)
	failed.Failed = true
	for name, tc := range map[string]struct {
		spans []Span
		want  string
	}{
		"nothing": {nil, "Nothing was done that takes time.\n"},
		"the path goes by what ended last": {
			[]Span{
				did("1.1 net/create", 0, 30), did("1.2 vol/create", 0, 50), did("1.3 db/start", 50, 2050, 1, 2),
				did("1.4 web/start", 2050, 2100, 3), did("1.5 log/start", 30, 40, 1),
			},
			`  STEP         AT        TOOK      WAITED FOR
  net create   0.0ms     30ms
* vol create   0.0ms     50ms
  log start    30ms      10ms      net create
* db start     50ms      2.00s     vol create
* web start    2.05s     50ms      db start
Critical path (*): 2.10s of 2.10s
`,
		},
		"a plan comes after the whole of the one before": {
			[]Span{
				did("2.1 web/start", 300, 310), did("1.1 busybox/pull", 0, 300), did("1.2 nginx/pull", 0, 100), did("3.1 web/await", 310, 1310),
			},
			`  STEP           AT        TOOK      WAITED FOR
* busybox pull   0.0ms     300ms
  nginx pull     0.0ms     100ms
* web start      300ms     10ms      busybox pull
* web await      310ms     1.00s     web start
Critical path (*): 1.31s of 1.31s
`,
		},
		"waiting for one's turn is no work": {
			[]Span{did("1.1 a/create", 0, 100), turn},
			`  STEP       AT        TOOK      WAITED FOR
  a create   0.0ms     100ms
* b create   400ms     100ms     its turn 300ms
Critical path (*): 100ms of 500ms
`,
		},
		"a step that was never done is no gate": {
			[]Span{failed, did("1.3 b/start", 10, 15, 2)},
			`  STEP      AT        TOOK      WAITED FOR
* a start   0.0ms     20ms      (failed)
  b start   10ms      5.0ms
Critical path (*): 20ms of 20ms
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Arrange(tc.spans).Table(&b); err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for line := range strings.Lines(b.String()) {
				got.WriteString(strings.TrimRight(line, " \n") + "\n")
			}
			if d := cmp.Diff(tc.want, got.String()); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
}

func TestTrace(t *testing.T) {
	spans := []Span{did("1.1 db/start", 0, 10), did("1.2 db/await", 10, 30, 1), did("1.3 db/await", 20, 30)}
	var b bytes.Buffer
	if err := Arrange(spans).Trace(&b); err != nil {
		t.Fatal(err)
	}
	var got struct{ TraceEvents []traceEvent }
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	row := func(n int, name string) traceEvent {
		return traceEvent{Name: "thread_name", Phase: "M", Process: 1, Thread: n, Args: map[string]any{"name": name}}
	}
	want := []traceEvent{
		row(1, "db"),
		{Name: "start", Category: "step", Phase: "X", Time: 0, Duration: 10000, Process: 1, Thread: 1, Args: map[string]any{"critical": false}},
		{Name: "await", Category: "step", Phase: "X", Time: 10000, Duration: 20000, Process: 1, Thread: 1, Args: map[string]any{"critical": false, "waited for": "db start"}},
		row(2, "db (2)"), // at the same time as the other one
		{Name: "await", Category: "step", Phase: "X", Time: 20000, Duration: 10000, Process: 1, Thread: 2, Args: map[string]any{"critical": true}},
	}
	if d := cmp.Diff(want, got.TraceEvents); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
}

func TestCollectorKeepsTimesFromTheOtherReports(t *testing.T) {
	c, err := New(Table)
	if err != nil {
		t.Fatal(err)
	}
	var others []engine.Progress
	report := c.Take(func(p engine.Progress) { others = append(others, p) })
	report(engine.Progress{Timing: &engine.StepTiming{Seq: 1, Subject: "db", What: "start", Ready: at(0), Began: at(0), Ended: at(1)}})
	report(engine.Progress{ID: "Container db", Text: "Started"})
	if len(others) != 1 || others[0].Text != "Started" {
		t.Errorf("handed on: %+v", others)
	}
	var b bytes.Buffer
	if err := c.Show(&b); err != nil || !strings.Contains(b.String(), "db start") {
		t.Errorf("%v: %s", err, &b)
	}
	if c, err := New("trace.txt"); err == nil {
		t.Errorf("a file with another ending is taken: %v", c)
	}
}
