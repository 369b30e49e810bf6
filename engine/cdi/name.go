package cdi

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tiffin/engine"
)

// gpuKinds are the kinds of CDI devices that a driver stands for, in the order in which they are looked for when no
// driver is named.
var gpuKinds = []struct{ driver, kind string }{{"nvidia", "nvidia.com/gpu"}, {"amd", "amd.com/gpu"}}

// names finds the CDI names of what is requested, among those that there are, each once.
//
// Errors: engine.ErrNotFound, with what there is; engine.ErrUnsupported for what no driver can do.
func names(requests []engine.DeviceRequest, have []string) ([]string, error) {
	var out []string
	for i := range requests {
		found, err := request(&requests[i], have)
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			if !slices.Contains(have, name) {
				return nil, missing(fmt.Errorf("there is no device %s", name), have)
			}
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out, nil
}

func request(r *engine.DeviceRequest, have []string) ([]string, error) {
	if r.Driver == engine.DriverCDI {
		for _, name := range r.DeviceIDs {
			if !engine.IsCDIName(name) {
				return nil, engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("%q is no CDI device name", name)), "It has the form vendor.com/class=name.")
			}
		}
		return r.DeviceIDs, nil
	}
	kind, err := kindOf(r, have)
	if err != nil {
		return nil, err
	}
	switch {
	case len(r.DeviceIDs) > 0:
		return qualify(kind, r.DeviceIDs), nil
	case r.Count < 0:
		return all(kind, have), nil
	default:
		return counted(kind, r.Count, have)
	}
}

// kindOf finds what driver and capabilities mean.
func kindOf(r *engine.DeviceRequest, have []string) (string, error) {
	isGPU := slices.Contains(r.Capabilities, "gpu")
	var present []string
	for _, k := range gpuKinds {
		if r.Driver == k.driver {
			return k.kind, nil
		}
		if slices.ContainsFunc(have, of(k.kind)) {
			present = append(present, k.kind)
		}
	}
	switch {
	case r.Driver != "" || !isGPU:
		return "", engine.Hint(engine.Problem(engine.ErrUnsupported,
			fmt.Errorf("could not select device driver %q with capabilities: [%s]", r.Driver, strings.Join(r.Capabilities, " "))),
			"There are nvidia and amd for capabilities: [gpu], and cdi with CDI names as device_ids.")
	case len(present) == 0:
		return "", missing(errors.New("no GPU is described on this host"), have)
	default:
		return present[0], nil
	}
}

// of knows the devices of a kind.
func of(kind string) func(string) bool {
	return func(name string) bool { return strings.HasPrefix(name, kind+"=") }
}

// qualify makes CDI names of IDs, which may be ones already.
func qualify(kind string, ids []string) []string {
	var out []string
	for _, id := range ids {
		if !engine.IsCDIName(id) {
			id = kind + "=" + id
		}
		out = append(out, id)
	}
	return out
}

// all prefers the device that a vendor describes for this: it can be more than the others together.
func all(kind string, have []string) []string {
	var out []string
	for _, name := range have {
		if name == kind+"=all" {
			return []string{name}
		}
		if of(kind)(name) {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return []string{kind + "=all"}
	}
	return out
}

// counted takes the first ones by their numbers, as Docker does: devices have other names, too, of which none is to be
// counted twice.
func counted(kind string, count int64, have []string) ([]string, error) {
	var out []string
	for n := range max(count, 1) { // without a count there is one
		name := kind + "=" + strconv.FormatInt(n, 10)
		if !slices.Contains(have, name) {
			return nil, missing(fmt.Errorf("%d devices %s are asked for, and there are %d", max(count, 1), kind, n), have)
		}
		out = append(out, name)
	}
	return out, nil
}

// missing is the error about devices that are not there; the hint says which are.
func missing(err error, have []string) error {
	hint := "No device is described on this host: have the vendor's tool describe them, as `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`."
	if len(have) > 0 {
		const most = 12
		hint = "There are: " + strings.Join(have[:min(len(have), most)], ", ")
		if len(have) > most {
			hint += fmt.Sprintf(" and %d more", len(have)-most)
		}
		hint += "."
	}
	return engine.Hint(engine.Problem(engine.ErrNotFound, err), hint)
}
