package runtime

import (
	"errors"
	"path/filepath"

	"github.com/opencontainers/cgroups"
	devices "github.com/opencontainers/cgroups/devices/config"
	"golang.org/x/sys/unix"
)

// allowDevicesV1 sets the device rules of a new v1 directory, if they are of the usual kind: nothing, but for what the
// rules allow. It says whether they were. The library, which takes all kinds, reads what is there, works out a difference and
// reads again what came of it: 280 µs, against 50 here.
func allowDevicesV1(dir string, rules []*devices.Rule) (usual bool, err error) {
	rules = withoutDenyAll(rules)
	for _, r := range rules {
		if !r.Allow || r.Type == devices.WildcardDevice {
			return false, nil
		}
	}
	if err := writeFile(filepath.Join(dir, "devices.deny"), "a"); err != nil {
		return true, err
	}
	f, err := openFile(filepath.Join(dir, "devices.allow"), unix.O_WRONLY)
	if err != nil {
		return true, err
	}
	for _, r := range rules {
		if _, err := f.WriteString(r.CgroupString()); err != nil {
			return true, errors.Join(err, f.Close())
		}
	}
	return true, f.Close()
}

// withoutDenyAll leaves out rules at the beginning that deny everything, which is so without them.
func withoutDenyAll(rules []*devices.Rule) []*devices.Rule {
	for len(rules) > 0 && rules[0].Type == devices.WildcardDevice && !rules[0].Allow {
		rules = rules[1:]
	}
	return rules
}

// setDevices sets the device rules by the short way if it can be taken, and then has the library leave them alone.
func (c *Cgroup) setDevices(r *cgroups.Resources) error {
	if c.tree.v2() {
		return nil
	}
	usual, err := allowDevicesV1(c.dirs["devices"], r.Devices)
	r.SkipDevices = usual
	return err
}
