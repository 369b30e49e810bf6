package shape

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"tiffin/engine"
)

// refusedWell says that an error is one of who asks, of a kind that clients understand.
func refusedWell(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, engine.ErrInvalid) && !errors.Is(err, engine.ErrUnsupported) && !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("an error of no kind: %v", err)
	}
}

// FuzzAsk asks for containers: what is carried out can be shown.
func FuzzAsk(f *testing.F) {
	for name, a := range hostConfig() {
		value, err := json.Marshal(a.value)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(`{"Image":"x","HostConfig":{"` + name + `":` + string(value) + `}}`))
	}
	for name, a := range config() {
		value, err := json.Marshal(a.value)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(`{"` + name + `":` + string(value) + `}`))
	}
	for _, text := range []string{
		`null`, `{}`, `{"Image":"x","HostConfig":null,"NetworkingConfig":{"EndpointsConfig":null}}`, `{"MacAddress":"02:00:00:00:00:01"}`,
		`{"Image":"x","HostConfig":{"NetworkMode":"n"},"NetworkingConfig":{"EndpointsConfig":{"n":null,"m":{"IPAMConfig":{"IPv4Address":"::1"},"MacAddress":"x"}}}}`,
		`{"Image":"x","HostConfig":{"BlkioWeightDevice":[null]}}`, `{"Image":"x","HostConfig":{"BlkioDeviceReadBps":[null]}}`, `{"Image":"x","HostConfig":{"Ulimits":[null]}}`, `{"Image":"x","HostConfig":{"Mounts":[{}]}}`,
		`{"Image":"x","HostConfig":{"PortBindings":{"1-3/tcp":[{"HostPort":"9-2"}]},"Devices":[{}]}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		req := &CreateRequest{}
		if json.Unmarshal(text, req) != nil {
			return
		}
		wish, err := Ask(req)
		refusedWell(t, err)
		if err != nil {
			return
		}
		c := &engine.Container{Spec: wish.Spec}
		for _, shown := range []any{HostConfig(c), Config(c), Inspect(c, Places{}, nil, nil), PublishAll(&wish.Spec, &engine.ImageConfig{})} {
			if _, err := json.Marshal(shown); err != nil {
				t.Errorf("it cannot be shown: %v", err)
			}
		}
	})
}

// FuzzMergeResources changes limits.
func FuzzMergeResources(f *testing.F) {
	for _, text := range []string{`{}`, `{"Memory":1,"MemorySwap":-1}`, `{"NanoCpus":1,"CpuQuota":2}`, `{"PidsLimit":-1,"BlkioWeight":10}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var u container.UpdateConfig
		if json.Unmarshal(text, &u) != nil {
			return
		}
		_, _, err := MergeResources(&engine.Resources{Memory: 1 << 20, MemorySwap: 2 << 20}, &u.Resources)
		refusedWell(t, err)
	})
}

// FuzzEndpoint connects containers to networks.
func FuzzEndpoint(f *testing.F) {
	for _, text := range []string{`{}`, `null`, `{"IPAMConfig":{"IPv4Address":"192.0.2.1","IPv6Address":"192.0.2.1"}}`, `{"MacAddress":"02:42:ac:11:00:02"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var set *network.EndpointSettings
		if json.Unmarshal(text, &set) != nil {
			return
		}
		_, err := Endpoint("n", set)
		refusedWell(t, err)
	})
}
