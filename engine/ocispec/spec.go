package ocispec

import (
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine"
)

// Input is a container with everything that was looked up for it.
type Input struct {
	// Container says what is wanted; of its life only ID, Image, Args and Mounts count.
	Container *engine.Container
	Identity  Identity
	Host      Host

	// Etc are the host's paths of the files that the engine writes for the container.
	Etc Etc
	// Sources replaces the host paths of storage mounts, by destination: the folder
	// of a volume that was opened below its root, the files with the content of
	// configs and secrets (by their targets), the shared memory of a container whose
	// IPC namespace is shared (by /dev/shm).
	Sources map[string]string
	// Hostname is the name of the container whose network this one shares, "" otherwise.
	Hostname string
	// Links are variables about the containers that this one is linked to; its image's and its own go before them.
	Links []string
	// CgroupPath is the absolute path in each hierarchy; see CgroupPath.
	CgroupPath string

	// Devices are the nodes to be made, and DeviceRules what may be done with them:
	// what Spec.Devices stands for, or, for a privileged container, all of the host's.
	Devices     []specs.LinuxDevice
	DeviceRules []specs.LinuxDeviceCgroup
	// BlockDevices has major and minor number of the devices that Spec.Resources names.
	BlockDevices map[string][2]int64
}

// Etc are three files of the container that are the engine's; "" leaves the image's own.
type Etc struct{ Hostname, Hosts, ResolvConf string }

// Host is what of the machine shows in a spec.
type Host struct {
	// Capabilities are those that the engine itself has (CAP_CHOWN), and so can give.
	Capabilities []string
	// CPUs is how many there are; 0 is unknown.
	CPUs     int
	Hostname string
	// CgroupV2 says that the host has cgroup v2 alone.
	CgroupV2      bool
	TimeNamespace bool
	// AppArmor says that the kernel has it, AppArmorProfile is the default profile
	// that is loaded, "" for none.
	AppArmor        bool
	AppArmorProfile string
	// Masked are paths of this machine that are masked beside the usual ones.
	Masked []string
}

// New makes the spec of a container.
//
// Errors: engine.ErrInvalid for what contradicts itself, engine.ErrUnsupported for
// what this host or this engine cannot do.
func New(in Input) (*specs.Spec, error) {
	security, err := parseSecurity(in.Container.Spec.SecurityOpt)
	if err != nil {
		return nil, err
	}
	b := builder{Input: in, spec: &in.Container.Spec, security: security}
	s := &specs.Spec{
		Version:     specs.Version,
		Root:        &specs.Root{Path: "rootfs", Readonly: b.spec.ReadOnly},
		Hostname:    b.hostname(),
		Domainname:  b.spec.Domainname,
		Annotations: maps.Clone(b.spec.Annotations),
		Linux:       &specs.Linux{CgroupsPath: in.CgroupPath},
	}
	for _, section := range []struct {
		name string
		fill func(*specs.Spec) error
	}{
		{"namespaces", b.namespaces},
		{"process", b.process},
		{"mounts", b.mounts},
		{"devices", b.devices},
		{"resources", b.resources},
		{"sysctls", b.sysctls},
		{"security", b.secure},
	} {
		if err := section.fill(s); err != nil {
			return nil, fmt.Errorf("%s: %w", section.name, err)
		}
	}
	return s, nil
}

// Check says what New will refuse when the container is started, as far as that can be
// known when it is made.
func Check(c *engine.Container, host Host) error {
	in := Input{Container: c, Host: host, Sources: map[string]string{shmTarget: "/"}, BlockDevices: map[string][2]int64{}}
	for _, m := range c.Mounts {
		in.Sources[m.Destination] = "/"
	}
	for _, f := range c.Spec.Files {
		in.Sources[f.Target] = "/"
	}
	r := &c.Spec.Resources
	for _, w := range r.BlkioWeightDevice {
		in.BlockDevices[w.Path] = [2]int64{}
	}
	for _, rate := range slices.Concat(r.BlkioReadBps, r.BlkioWriteBps, r.BlkioReadIOps, r.BlkioWriteIOps) {
		in.BlockDevices[rate.Path] = [2]int64{}
	}
	_, err := New(in)
	return err
}

// builder is what the sections work from.
type builder struct {
	Input
	spec     *engine.ContainerSpec
	security securityOptions
}

func invalid(format string, args ...any) error {
	return engine.Problem(engine.ErrInvalid, fmt.Errorf(format, args...))
}

func unsupported(format string, args ...any) error {
	return engine.Problem(engine.ErrUnsupported, fmt.Errorf(format, args...))
}
