package cdi

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func TestNames(t *testing.T) {
	t.Parallel()
	nvidia := []string{"nvidia.com/gpu=0", "nvidia.com/gpu=1", "nvidia.com/gpu=GPU-1f2e", "nvidia.com/gpu=all"}
	amd := []string{"amd.com/gpu=0", "amd.com/gpu=1"}
	gpu := []string{"gpu"}
	for name, c := range map[string]struct {
		request     engine.DeviceRequest
		have        []string
		want        []string
		fails, hint string
	}{
		"by its name": {
			request: engine.DeviceRequest{Driver: "cdi", DeviceIDs: []string{"vendor.com/net=nic0"}},
			have:    []string{"vendor.com/net=nic0"}, want: []string{"vendor.com/net=nic0"},
		},
		"all of them are one that the vendor describes": {
			request: engine.DeviceRequest{Count: -1, Capabilities: gpu}, have: nvidia, want: []string{"nvidia.com/gpu=all"},
		},
		"all of them, one by one": {
			request: engine.DeviceRequest{Driver: "amd", Count: -1, Capabilities: gpu}, have: amd, want: amd,
		},
		"some": {
			request: engine.DeviceRequest{Driver: "nvidia", Count: 2, Capabilities: gpu}, have: nvidia,
			want: []string{"nvidia.com/gpu=0", "nvidia.com/gpu=1"},
		},
		"a number says how many, or there is one": {
			request: engine.DeviceRequest{Driver: "nvidia", Capabilities: gpu}, have: nvidia, want: []string{"nvidia.com/gpu=0"},
		},
		"by IDs": {
			request: engine.DeviceRequest{DeviceIDs: []string{"1", "GPU-1f2e"}, Capabilities: gpu}, have: nvidia,
			want: []string{"nvidia.com/gpu=1", "nvidia.com/gpu=GPU-1f2e"},
		},
		"by IDs that are whole names, one twice": {
			request: engine.DeviceRequest{DeviceIDs: []string{"nvidia.com/gpu=1", "1"}, Capabilities: gpu}, have: nvidia,
			want: []string{"nvidia.com/gpu=1"},
		},
		"without a driver it is the one that there is": {
			request: engine.DeviceRequest{Count: 1, Capabilities: gpu}, have: amd, want: []string{"amd.com/gpu=0"},
		},
		"a driver by its name needs no capabilities": {
			request: engine.DeviceRequest{Driver: "nvidia", Count: 1}, have: nvidia, want: []string{"nvidia.com/gpu=0"},
		},
		"more than there are": {
			request: engine.DeviceRequest{Driver: "nvidia", Count: 3, Capabilities: gpu}, have: nvidia,
			fails: "3 devices nvidia.com/gpu are asked for, and there are 2",
			hint:  "There are: nvidia.com/gpu=0, nvidia.com/gpu=1, nvidia.com/gpu=GPU-1f2e, nvidia.com/gpu=all.",
		},
		"one that is not there": {
			request: engine.DeviceRequest{Driver: "cdi", DeviceIDs: []string{"amd.com/gpu=7"}}, have: amd,
			fails: "there is no device amd.com/gpu=7", hint: "There are: amd.com/gpu=0, amd.com/gpu=1.",
		},
		"none at all": {
			request: engine.DeviceRequest{Count: -1, Capabilities: gpu}, fails: "no GPU is described on this host",
			hint: "No device is described on this host: have the vendor's tool describe them, as `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`.",
		},
		"all of none": {
			request: engine.DeviceRequest{Driver: "amd", Count: -1}, have: nvidia[:1],
			fails: "there is no device amd.com/gpu=all", hint: "There are: nvidia.com/gpu=0.",
		},
		"no GPU": {
			request: engine.DeviceRequest{Count: 1, Capabilities: []string{"tpu"}}, have: nvidia,
			fails: `could not select device driver "" with capabilities: [tpu]`,
			hint:  "There are nvidia and amd for capabilities: [gpu], and cdi with CDI names as device_ids.",
		},
		"no name": {
			request: engine.DeviceRequest{Driver: "cdi", DeviceIDs: []string{"gpu0"}}, have: nvidia,
			fails: `"gpu0" is no CDI device name`, hint: "It has the form vendor.com/class=name.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := names([]engine.DeviceRequest{c.request}, c.have)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != c.fails || engine.HintOf(err) != c.hint {
				t.Errorf("got error %q (%s)", text, engine.HintOf(err))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
