package ocispec

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine"
)

const (
	modeHost      = "host"
	modePrivate   = "private"
	modeNone      = "none"
	modeShareable = "shareable"
)

const maxHostname = 64 // see sethostname(2)

// owner is the ID of the container whose namespace a mode asks for.
func owner(mode string) (id string, ok bool) { return strings.CutPrefix(mode, "container:") }

// Joins are the containers whose namespaces a container shares, by kind. The spec lists
// such a namespace without a path: whoever starts the container has a descriptor of it.
func Joins(spec *engine.ContainerSpec) map[specs.LinuxNamespaceType]string {
	out := map[specs.LinuxNamespaceType]string{}
	for kind, mode := range map[specs.LinuxNamespaceType]string{
		specs.PIDNamespace: spec.PidMode, specs.IPCNamespace: spec.IpcMode, specs.NetworkNamespace: spec.NetworkMode,
	} {
		if id, ok := owner(mode); ok {
			out[kind] = id
		}
	}
	return out
}

// HasReaper says whether PID 1 is to be a reaper: it is asked for, and the container has
// a PID namespace of its own.
func HasReaper(spec *engine.ContainerSpec) bool { return spec.Init && ownNamespace(spec.PidMode) }

// ownNamespace says that a mode stands for a new namespace.
func ownNamespace(mode string) bool {
	_, joins := owner(mode)
	return mode != modeHost && !joins
}

// namespaces lists those that the container does not share with the host.
func (b *builder) namespaces(s *specs.Spec) error {
	if err := checkModes(b.spec); err != nil {
		return err
	}
	list := []specs.LinuxNamespace{{Type: specs.MountNamespace}}
	for _, ns := range []struct {
		kind specs.LinuxNamespaceType
		mode string
	}{
		{specs.PIDNamespace, b.spec.PidMode},
		{specs.NetworkNamespace, b.spec.NetworkMode},
		{specs.IPCNamespace, b.spec.IpcMode},
		{specs.UTSNamespace, b.spec.UtsMode},
		{specs.CgroupNamespace, b.cgroupMode()},
	} {
		if ns.mode != modeHost {
			list = append(list, specs.LinuxNamespace{Type: ns.kind})
		}
	}
	if b.Host.TimeNamespace {
		list = append(list, specs.LinuxNamespace{Type: specs.TimeNamespace})
	}
	s.Linux.Namespaces = list
	return nil
}

// cgroupMode is private unless said otherwise; a privileged container on cgroup v1 sees the host's, as with Docker.
func (b *builder) cgroupMode() string {
	if b.spec.CgroupMode == "" && b.spec.Privileged && !b.Host.CgroupV2 {
		return modeHost
	}
	return b.spec.CgroupMode
}

func checkModes(spec *engine.ContainerSpec) error {
	for _, m := range []struct {
		what, mode string
		words      []string
	}{
		{"pid mode", spec.PidMode, []string{modeHost, modePrivate}},
		{"ipc mode", spec.IpcMode, []string{modeHost, modePrivate, modeNone, modeShareable}},
		{"uts mode", spec.UtsMode, []string{modeHost, modePrivate}},
		{"cgroup mode", spec.CgroupMode, []string{modeHost, modePrivate}},
		{"user namespace mode", spec.UsernsMode, []string{modeHost}},
	} {
		if err := checkMode(m.what, m.mode, m.words); err != nil {
			return err
		}
	}
	if n := max(len(spec.Hostname), len(spec.Domainname)); n > maxHostname {
		return invalid("hostname has %d characters, at most %d", n, maxHostname)
	}
	if spec.UtsMode == modeHost && (spec.Hostname != "" || spec.Domainname != "") {
		return invalid("hostname and uts: host contradict each other: the name would be the host's")
	}
	return nil
}

func checkMode(what, mode string, words []string) error {
	joins := what == "pid mode" || what == "ipc mode"
	if id, ok := owner(mode); ok && joins && id != "" {
		return nil
	}
	if mode == "" {
		return nil
	}
	if slices.Contains(words, mode) {
		return nil
	}
	return invalid("%s %q is none of %s", what, mode, strings.Join(words, ", "))
}

// hostname is the name that the container's own UTS namespace is given.
func (b *builder) hostname() string {
	if b.spec.UtsMode == modeHost {
		return ""
	}
	return b.name()
}

// name is what the container takes for the name of its machine: its own, that of whose
// network it is on, or its ID.
func (b *builder) name() string {
	switch {
	case b.spec.Hostname != "":
		return b.spec.Hostname
	case b.Hostname != "":
		return b.Hostname
	case b.spec.NetworkMode == modeHost || b.spec.UtsMode == modeHost:
		return b.Host.Hostname
	default:
		return engine.ShortID(b.Container.ID)
	}
}
