package ocispec

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// sysctls fills in those asked for, and two by which a container in a network of its
// own may ping and listen on low ports without capabilities.
func (b *builder) sysctls(s *specs.Spec) error {
	out := map[string]string{}
	if ownNamespace(b.spec.NetworkMode) {
		out["net.ipv4.ip_unprivileged_port_start"] = "0"
		out["net.ipv4.ping_group_range"] = "0 2147483647"
	}
	for key, value := range b.spec.Sysctls {
		name := sysctlName(key)
		if err := b.checkSysctl(name); err != nil {
			return err
		}
		out[name] = value
	}
	s.Linux.Sysctl = out
	return nil
}

// checkSysctl lets those pass that a namespace of the container keeps to itself.
func (b *builder) checkSysctl(name string) error {
	var what, mode string
	switch {
	case strings.Contains(name, "..") || strings.Contains(name, "//"):
		return invalid("sysctl %q is no name of one", name)
	case strings.HasPrefix(name, "net."):
		what, mode = "network", b.spec.NetworkMode
	case ipcSysctl(name):
		what, mode = "ipc", b.spec.IpcMode
	case name == "kernel.domainname":
		what, mode = "uts", b.spec.UtsMode
	case name == "kernel.hostname":
		return invalid("sysctl %s: use hostname", name)
	default:
		return invalid("sysctl %s: it would change the host, a container has none of its own", name)
	}
	if mode == modeHost {
		return invalid("sysctl %s: not allowed in the host's %s namespace", name, what)
	}
	return nil
}

// sysctlName is a key with dots between its parts. As for sysctl(8), whichever of '.' and
// '/' comes first separates, and the other one stands for itself (net/ipv4/conf/eth0.1/…).
func sysctlName(key string) string {
	if i := strings.IndexAny(key, "./"); i < 0 || key[i] == '.' {
		return key
	}
	return strings.NewReplacer("/", ".", ".", "/").Replace(key)
}

func ipcSysctl(name string) bool {
	return strings.HasPrefix(name, "fs.mqueue.") || slices.Contains([]string{
		"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
		"kernel.shm_rmid_forced",
	}, name)
}
