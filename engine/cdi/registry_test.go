package cdi

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine"
)

const card = `
cdiVersion: "1.1.0"
kind: vendor.com/card
containerEdits:
  env: [CARD_DRIVER=7]
devices:
- name: one
  containerEdits:
    deviceNodes: [{path: /dev/card0, hostPath: /dev/null, permissions: rw}]
    mounts: [{hostPath: /opt/card, containerPath: /usr/lib/card}]
    env: [CARD=one]
    additionalGids: [44]
- name: lost
  containerEdits: {deviceNodes: [{path: /dev/no-such-card}]}
- name: ported
  containerEdits: {netDevices: [{hostInterfaceName: c0, name: eth7}]}
`

// described is a registry with a file in each of two folders.
func described(t *testing.T, files map[string]string) *Registry {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return New([]string{filepath.Join(dir, "none"), dir})
}

func TestInject(t *testing.T) {
	t.Parallel()
	r := described(t, map[string]string{"card.yaml": card})
	deny := specs.LinuxDeviceCgroup{Access: "rwm"}
	spec := &specs.Spec{
		Process: &specs.Process{Env: []string{"CARD=none"}, User: specs.User{AdditionalGids: []uint32{7}}},
		Mounts:  []specs.Mount{{Destination: "/proc", Type: "proc"}},
		Linux:   &specs.Linux{Resources: &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{deny}}},
	}
	err := r.Inject(spec, []engine.DeviceRequest{{Driver: "cdi", DeviceIDs: []string{"vendor.com/card=one"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := &specs.Spec{
		Process: &specs.Process{
			Env: []string{"CARD=one", "CARD_DRIVER=7"}, User: specs.User{AdditionalGids: []uint32{7, 44}},
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc"},
			{Destination: "/usr/lib/card", Source: "/opt/card", Options: []string{"rbind", "rprivate"}},
		},
		Linux: &specs.Linux{
			Devices: []specs.LinuxDevice{{Path: "/dev/card0", Type: "c", Major: 1, Minor: 3, FileMode: new(os.FileMode(0o666))}},
			Resources: &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{
				deny, {Allow: true, Type: "c", Major: new(int64(1)), Minor: new(int64(3)), Access: "rw"},
			}},
		},
	}
	if diff := cmp.Diff(want, spec); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	r := described(t, map[string]string{"card.yaml": card, "bad.yaml": "kind: [", "gpu.yaml": strings.ReplaceAll(card, "vendor.com/card", "nvidia.com/gpu")})
	for name, c := range map[string]struct {
		driver, id string
		kind       error
		says       string
	}{
		"one that is there":             {driver: "cdi", id: "vendor.com/card=one"},
		"a GPU":                         {driver: "nvidia", id: "one"},
		"a file that cannot be read":    {"cdi", "vendor.com/card=two", engine.ErrNotFound, "bad.yaml"},
		"a node that is not there":      {"cdi", "vendor.com/card=lost", engine.ErrInvalid, "/dev/no-such-card"},
		"what the runtime does not do":  {"cdi", "vendor.com/card=ported", engine.ErrUnsupported, "need network devices"},
		"a driver that nobody knows of": {"intel", "0", engine.ErrUnsupported, `could not select device driver "intel"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := r.Check([]engine.DeviceRequest{{Driver: c.driver, DeviceIDs: []string{c.id}}})
			if c.kind == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}
