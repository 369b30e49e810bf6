package stats

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine/call"
)

func TestRows(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	const id = "0123456789abcdef"
	running := func(s call.Stats) call.Stats {
		s.ID, s.Name, s.Running = id, "shop-web-1", true
		return s
	}
	plain := row{
		ID: "0123456789ab", Container: "0123456789ab", Name: "shop-web-1", CPUPerc: "0.00%", MemPerc: "0.00%",
		MemUsage: "0B / 0B", NetIO: "0B / 0B", BlockIO: "0B / 0B", PIDs: "0",
	}
	with := func(change func(*row)) row {
		r := plain
		change(&r)
		return r
	}
	for name, tc := range map[string]struct {
		before []call.Stats
		now    call.Stats
		full   bool
		want   row
	}{
		"what does not run uses nothing": {
			before: []call.Stats{running(call.Stats{Read: at})},
			now:    call.Stats{ID: id, Name: "shop-web-1", Read: at.Add(time.Second)},
			want:   plain,
		},
		"one and a half processors": {
			before: []call.Stats{running(call.Stats{Read: at, CPU: call.CPUStats{Total: 5e9}})},
			now:    running(call.Stats{Read: at.Add(2 * time.Second), CPU: call.CPUStats{Total: 8e9}}),
			want:   with(func(r *row) { r.CPUPerc = "150.00%" }),
		},
		"one that was not there before": {
			before: []call.Stats{{ID: "other", Running: true, Read: at}},
			now:    running(call.Stats{Read: at.Add(time.Second), CPU: call.CPUStats{Total: 8e9}}),
			want:   with(func(r *row) { r.CPUPerc = "--" }),
		},
		"one that did not run before": {
			before: []call.Stats{{ID: id, Read: at}},
			now:    running(call.Stats{Read: at.Add(time.Second), CPU: call.CPUStats{Total: 8e9}}),
			want:   with(func(r *row) { r.CPUPerc = "--" }),
		},
		"one that was started anew": {
			before: []call.Stats{running(call.Stats{Read: at, CPU: call.CPUStats{Total: 5e9}})},
			now:    running(call.Stats{Read: at.Add(time.Second), CPU: call.CPUStats{Total: 1e6}}),
			want:   with(func(r *row) { r.CPUPerc = "--" }),
		},
		"a clock that was set back": {
			before: []call.Stats{running(call.Stats{Read: at, CPU: call.CPUStats{Total: 5e9}})},
			now:    running(call.Stats{Read: at.Add(-time.Second), CPU: call.CPUStats{Total: 6e9}}),
			want:   with(func(r *row) { r.CPUPerc = "0.00%" }),
		},
		"memory is without cache that nobody uses": {
			before: []call.Stats{running(call.Stats{Read: at})},
			now:    running(call.Stats{Read: at.Add(time.Second), Memory: call.MemoryStats{Usage: 96 << 20, InactiveFile: 32 << 20, Limit: 1 << 30}}),
			want:   with(func(r *row) { r.MemUsage, r.MemPerc = "64MiB / 1GiB", "6.25%" }),
		},
		"interfaces are added up, and devices, but not their sums": {
			before: []call.Stats{running(call.Stats{Read: at})},
			now: running(call.Stats{
				Read:     at.Add(time.Second),
				Networks: map[string]call.InterfaceStats{"eth0": {RxBytes: 1000, TxBytes: 10}, "eth1": {RxBytes: 234, TxBytes: 1}},
				Block: []call.BlockStat{
					{Major: 8, Op: "Read", Bytes: 1e6},
					{Major: 8, Op: "Write", Bytes: 2e6},
					{Major: 8, Op: "Total", Bytes: 3e6},
					{Major: 9, Op: "read", Bytes: 5e5},
				},
				Pids: call.PidsStats{Current: 12},
			}),
			want: with(func(r *row) { r.NetIO, r.BlockIO, r.PIDs = "1.23kB / 11B", "1.5MB / 2MB", "12" }),
		},
		"whole identifiers": {
			before: []call.Stats{running(call.Stats{Read: at})}, now: running(call.Stats{Read: at.Add(time.Second)}), full: true,
			want: with(func(r *row) { r.ID, r.Container = id, id }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff([]row{tc.want}, rowsOf(tc.before, []call.Stats{tc.now}, tc.full)); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
}

func some(n int) []row {
	var rows []row
	for i := range n {
		rows = append(rows, row{
			ID: "0123456789ab", Container: "0123456789ab", Name: fmt.Sprintf("shop-web-%d", i+1), CPUPerc: "12.30%", MemPerc: "6.25%",
			MemUsage: "64MiB / 1GiB", NetIO: "1.23kB / 11B", BlockIO: "1.5MB / 2MB", PIDs: "3",
		})
	}
	return rows
}

func TestWrite(t *testing.T) {
	for name, tc := range map[string]struct {
		format string
		room   int
		want   string
	}{
		"the table of docker": {
			"", 200,
			"CONTAINER ID   NAME         CPU %     MEM USAGE / LIMIT   MEM %     NET I/O        BLOCK I/O     PIDS\n" +
				"0123456789ab   shop-web-1   12.30%    64MiB / 1GiB        6.25%     1.23kB / 11B   1.5MB / 2MB   3\n",
		},
		"no terminal has any width": {
			"table", 0,
			"CONTAINER ID   NAME         CPU %     MEM USAGE / LIMIT   MEM %     NET I/O        BLOCK I/O     PIDS\n" +
				"0123456789ab   shop-web-1   12.30%    64MiB / 1GiB        6.25%     1.23kB / 11B   1.5MB / 2MB   3\n",
		},
		"a narrow terminal has fewer columns": {
			"", 80,
			"NAME         CPU %     MEM USAGE / LIMIT   MEM %     NET I/O        PIDS\n" +
				"shop-web-1   12.30%    64MiB / 1GiB        6.25%     1.23kB / 11B   3\n",
		},
		"some columns always stay": {
			"", 10,
			"NAME         CPU %     MEM USAGE / LIMIT\nshop-web-1   12.30%    64MiB / 1GiB\n",
		},
		"JSON": {
			"json", 80,
			`{"BlockIO":"1.5MB / 2MB","CPUPerc":"12.30%","Container":"0123456789ab","ID":"0123456789ab","MemPerc":"6.25%",` +
				`"MemUsage":"64MiB / 1GiB","Name":"shop-web-1","NetIO":"1.23kB / 11B","PIDs":"3"}` + "\n",
		},
		"a template":            {"{{.Name}}: {{.CPUPerc}}", 80, "shop-web-1: 12.30%\n"},
		"a template as a table": {`table {{.Name}}\t{{.MemUsage}}`, 80, "NAME         MEM USAGE / LIMIT\nshop-web-1   64MiB / 1GiB\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := write(&b, tc.format, some(1), tc.room); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, withoutPadding(b.String())); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
}

func withoutPadding(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

func TestFrame(t *testing.T) {
	const home, clear, end = "\x1b[1;1H", "\x1b[0K\n", "\x1b[0J"
	for name, tc := range map[string]struct {
		text          string
		width, height int
		want          string
	}{
		"lines that fit":                   {"NAME   \nweb\n", 20, 5, home + "NAME" + clear + "web" + clear + end},
		"the last column stays free":       {"0123456789\n", 10, 5, home + "01234567…" + clear + end},
		"wide characters count twice":      {"日本日本\n", 7, 5, home + "日本…" + clear + end},
		"more lines than the terminal has": {"NAME\na\nb\nc\nd\n", 20, 4, home + "NAME" + clear + "a" + clear + "… and 3 more" + clear + end},
		"as many as it has":                {"NAME\na\nb\n", 20, 4, home + "NAME" + clear + "a" + clear + "b" + clear + end},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(tc.want, string(frame(tc.text, tc.width, tc.height))); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
}
