package docker

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"tiffin/engine"
)

func TestListsOfVolumes(t *testing.T) {
	for filters, want := range map[string]string{
		``:                       "aa11 data loose",
		`{"dangling":["true"]}`:  "aa11 loose",
		`{"dangling":["false"]}`: "data",
		`{"driver":["local"]}`:   "aa11 data loose",
		`{"driver":["nfs"]}`:     "",
		`{"label":["a"]}`:        "data",
		`{"label":["com.docker.volume.anonymous"]}`: "aa11",
		`{"name":["o+se$","aa"]}`:                   "aa11 loose",
	} {
		code, answer := asked(t, someNetworks(), http.MethodGet, filtered("/volumes", filters), "")
		if got := names(t, answer, "Volumes"); code != http.StatusOK || got != want {
			t.Errorf("%s: %d %q, want %q", filters, code, got, want)
		}
	}
}

func TestVolumes(t *testing.T) {
	tryCalls(t, []calling{
		{"GET", "/volumes/data", "", 200, `"Driver":"local","Labels":{"a":"b"}`, ""},
		{"GET", "/volumes/dat", "", 404, `{"message":"get dat: no such volume"}`, ""},
		{"GET", filtered("/volumes", `{"size":["1"]}`), "", 400, `invalid filter 'size'`, ""},
		{"POST", "/volumes/create", `{"Name":"v","DriverOpts":{"type":"tmpfs"}}`, 201, `"Name":"v"`, "create volume v map[type:tmpfs]"},
		{"POST", "/volumes/create", `{"Name":"v","Driver":"nfs"}`, 404, `plugin \"nfs\" not found`, ""},
		{"POST", "/volumes/create", `{"Name":"v","ClusterVolumeSpec":{}}`, 501, `ClusterVolumeSpec is not supported`, ""},
		{"PUT", "/volumes/v?version=1", `{}`, 503, `not a swarm manager`, ""},
		{"DELETE", "/volumes/data", "", 204, "", "remove volume data"},
		{"DELETE", "/volumes/absent", "", 404, "get absent: no such volume", ""},
		{"DELETE", "/volumes/absent?force=1", "", 204, "", ""},
		{"POST", "/volumes/prune", "", 200, `{"VolumesDeleted":["aa11"],"SpaceReclaimed":0}`, "remove volume aa11"},
		{"POST", filtered("/volumes/prune", `{"all":["1"]}`), "", 200, `["aa11","loose"]`, "remove volume aa11; remove volume loose"},
		{"POST", filtered("/volumes/prune", `{"all":["true"],"label!":["com.docker.volume.anonymous"]}`), "", 200, `["loose"]`, "remove volume loose"},
		{"POST", filtered("/volumes/prune", `{"all":["some"]}`), "", 400, `invalid filter 'all=`, ""},
	}, nil)
}

func TestWhatAPruneGetsBack(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"a": 1000, "sub/b": 24} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "sub/again")); err != nil {
		t.Fatal(err)
	}
	f := &fakeNetworks{volumes: []engine.Volume{{Name: "v", Anonymous: true, Mountpoint: dir}}}
	code, answer := asked(t, f, http.MethodPost, "/volumes/prune", "")
	if want := `{"VolumesDeleted":["v"],"SpaceReclaimed":1024}` + "\n"; code != http.StatusOK || answer != want {
		t.Errorf("%d %s, want %s", code, answer, want)
	}
	if len(f.events) != 1 || f.events[0].Attributes["reclaimed"] != "1024" {
		t.Errorf("%+v", f.events)
	}
}
