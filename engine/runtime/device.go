package runtime

import "github.com/opencontainers/runtime-spec/specs-go"

// defaultDevices are the character devices that every container has.
func defaultDevices() []specs.LinuxDevice {
	node := func(path string, major, minor int64) specs.LinuxDevice {
		return specs.LinuxDevice{Path: path, Type: "c", Major: major, Minor: minor}
	}
	return []specs.LinuxDevice{
		node("/dev/null", 1, 3), node("/dev/zero", 1, 5), node("/dev/full", 1, 7), node("/dev/random", 1, 8),
		node("/dev/urandom", 1, 9), node("/dev/tty", 5, 0),
	}
}
