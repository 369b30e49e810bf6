package classic

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine/builder/client"
)

func TestUsageOfTheCache(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	got, err := json.Marshal(usageOf([]client.Record{
		{ID: "a", Type: "regular", Description: "a step", Size: 5, Created: at, LastUsed: at, UsageCount: 2, Parents: []string{"p"}},
		{ID: "b", Type: "source.local", Size: 20, InUse: true, Created: at},
		{ID: "c", Type: "regular", Size: 100, Shared: true, Created: at},
	}))
	if err != nil {
		t.Fatal(err)
	}
	const item = `,"CreatedAt":"2026-01-02T03:04:05Z","LastUsedAt":`
	const want = `{"ActiveCount":1,"Items":[` +
		`{"ID":"a"," Parents":["p"],"Type":"regular","Description":"a step","InUse":false,"Shared":false,"Size":5` + item + `"2026-01-02T03:04:05Z","UsageCount":2},` +
		`{"ID":"b","Type":"source.local","Description":"","InUse":true,"Shared":false,"Size":20` + item + `null,"UsageCount":0},` +
		`{"ID":"c","Type":"regular","Description":"","InUse":false,"Shared":true,"Size":100` + item + `null,"UsageCount":0}],` +
		`"Reclaimable":5,"TotalCount":3,"TotalSize":25}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}
