package builds

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine/builder/client"
)

func records() []client.Record {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return []client.Record{
		{ID: "aaa", Size: 2_500_000, Created: begin, LastUsed: begin, UsageCount: 2, Type: "regular", Description: "RUN make", Parents: []string{"bbb", "ccc"}, Shared: true},
		{ID: "bbb", Size: 8192, Created: begin, InUse: true, Mutable: true, Type: "source.local", Description: "bad \x1b[31m"},
	}
}

func rows() []Row {
	var out []Row
	for _, r := range records() {
		out = append(out, RowOf(&r, time.Date(2026, 1, 2, 5, 4, 5, 0, time.UTC)))
	}
	return out
}

func TestCacheTable(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := WriteTable(&out, rows()); err != nil {
		t.Fatal(err)
	}
	if err := WriteSums(&out, records()); err != nil {
		t.Fatal(err)
	}
	want := "ID\tRECLAIMABLE\tSIZE\tLAST ACCESSED\naaa\ttrue\t\t2.5MB*\t2 hours ago\nbbb*\tfalse\t\t8.192kB\t\n" +
		"Shared:\t\t2.5MB\nPrivate:\t8.192kB\nReclaimable:\t2.5MB\nTotal:\t\t2.508MB\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestCacheRecords(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := WriteRecords(&out, rows()[:1]); err != nil {
		t.Fatal(err)
	}
	want := "ID:\t\taaa\nParents:\tbbb, ccc\nCreated at:\t2026-01-02 03:04:05 +0000 UTC\nMutable:\tfalse\nReclaimable:\ttrue\nShared:\t\ttrue\n" +
		"Size:\t\t2.5MB\nDescription:\tRUN make\nUsage count:\t2\nLast used:\t2 hours ago\nType:\t\tregular\n\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	if err := WriteRecords(&out, rows()[1:]); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("a description reaches the terminal: %q", out.String())
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "[] 0s <nil>",
		"type=regular":                    "[type==regular] 0s <nil>",
		"type==regular":                   "[type==regular] 0s <nil>",
		"type!=regular description~=make": "[type!=regular,description~=make] 0s <nil>",
		"until=24h":                       "[] 24h0m0s <nil>",
		"unused-for=90m id=x":             "[id==x] 1h30m0s <nil>",
		"until=soon":                      `[] 0s filter "until=soon": "soon" is no length of time: 24h is`,
		"what":                            `[] 0s filter "what" is not KEY=VALUE`,
	} {
		filters, keep, err := Filters(strings.Fields(text))
		if got := fmt.Sprint(filters, keep, err); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
