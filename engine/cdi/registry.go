package cdi

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"tags.cncf.io/container-device-interface/pkg/cdi"

	"tiffin/engine"
)

// Registry is what vendors describe on this host. Its files are read each time that devices are asked for: they are few,
// and change when a driver is loaded.
type Registry struct{ dirs []string }

// New makes a registry of the files in dirs, of which a later one wins; none are /etc/cdi and /var/run/cdi.
func New(dirs []string) *Registry { return &Registry{dirs} }

// Check says what Inject will refuse.
//
// Errors: engine.ErrNotFound, engine.ErrInvalid, engine.ErrUnsupported.
func (r *Registry) Check(requests []engine.DeviceRequest) error {
	return r.Inject(&specs.Spec{Process: &specs.Process{}, Linux: &specs.Linux{}}, requests)
}

// Inject changes a spec as the requested devices need it.
//
// Errors: as Check.
func (r *Registry) Inject(spec *specs.Spec, requests []engine.DeviceRequest) error {
	if len(requests) == 0 {
		return nil
	}
	cache, err := cdi.NewCache(cdi.WithAutoRefresh(false), cdi.WithSpecDirs(r.dirs...))
	if err != nil {
		return fmt.Errorf("read CDI files: %w", err)
	}
	wanted, err := names(requests, cache.ListDevices())
	if err != nil {
		return blame(err, cache.GetErrors())
	}
	before := len(spec.Mounts)
	if _, err := cache.InjectDevices(spec, wanted...); err != nil {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("devices %s: %w", strings.Join(wanted, ", "), err))
	}
	if len(spec.Mounts) != before {
		bindMounts(spec.Mounts)
	}
	return refused(spec, wanted)
}

// bindMounts says of mounts without a type what they are: the files of vendors leave it out.
func bindMounts(list []specs.Mount) {
	for i := range list {
		m := &list[i]
		if m.Type == "" && !slices.Contains(m.Options, "bind") && !slices.Contains(m.Options, "rbind") {
			m.Options = append(slices.Clone(m.Options), "rbind", "rprivate")
		}
	}
}

// refused names what the runtime does not do.
func refused(spec *specs.Spec, wanted []string) error {
	var what string
	switch {
	case len(spec.Linux.NetDevices) > 0:
		what = "network devices"
	case spec.Linux.IntelRdt != nil:
		what = "intelRdt"
	default:
		return nil
	}
	return engine.Hint(
		engine.Problem(engine.ErrUnsupported, fmt.Errorf("devices %s need %s, which tiffin does not carry out", strings.Join(wanted, ", "), what)),
		"A CDI file without it works: write one of your own to /etc/cdi.")
}

// blame adds the files that could not be read, in which the device may be.
func blame(err error, broken map[string][]error) error {
	if len(broken) == 0 || !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	parts := []string{err.Error()}
	for _, path := range slices.Sorted(maps.Keys(broken)) {
		parts = append(parts, fmt.Sprintf("%s: %v", path, broken[path][0]))
	}
	return engine.Hint(engine.Problem(engine.ErrNotFound, errors.New(strings.Join(parts, "; "))), engine.HintOf(err))
}
