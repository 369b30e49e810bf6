package runtime

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tiffin/engine/runtime/hook"
)

// Container is what a container is started from. The descriptors stay the caller's, who may close them once
// the container runs.
type Container struct {
	ID     string // 64 hexadecimal digits
	Spec   *specs.Spec
	Rootfs *os.File // a detached mount, such as MountOverlay returns
	Cgroup *Cgroup
	// Join has namespaces of others: a namespace file, or a pidfd for that of the process. It goes before the path in the spec.
	Join   map[specs.LinuxNamespaceType]*os.File
	Stdio  Stdio
	Output Output
	// Reaper is the keeper's program, if PID 1 is to be a reaper of orphans that hands signals on to the command. The
	// container needs a PID namespace of its own for it.
	Reaper *os.File
	// Trees are what bind mounts of the spec attach, by destination, in place of their sources: detached mounts, which are
	// the container's from then on.
	Trees map[string]*os.File
	// Bundle is where a container with hooks finds its spec and, before it begins, its root.
	Bundle hook.Bundle
	// Tethered containers are killed when this engine is lost.
	Tethered bool
}

// Stdio is where the first three descriptors of a process lead. Those that are nil lead to the log, if there is one and
// they are for output, and else to /dev/null. If the spec asks for a terminal, all three lead there.
type Stdio struct {
	Stdin, Stdout, Stderr *os.File
}

// namespace is one of a spec, with what it takes to get into it.
type namespace struct {
	kind specs.LinuxNamespaceType
	flag uint64
	file *os.File // to be joined; nil: a new one is made
}

func namespaceFlag(kind specs.LinuxNamespaceType) uint64 {
	switch kind {
	case specs.MountNamespace:
		return unix.CLONE_NEWNS
	case specs.PIDNamespace:
		return unix.CLONE_NEWPID
	case specs.NetworkNamespace:
		return unix.CLONE_NEWNET
	case specs.IPCNamespace:
		return unix.CLONE_NEWIPC
	case specs.UTSNamespace:
		return unix.CLONE_NEWUTS
	case specs.CgroupNamespace:
		return unix.CLONE_NEWCGROUP
	case specs.TimeNamespace:
		return unix.CLONE_NEWTIME
	default:
		return 0
	}
}

// mount is one of a spec, with its source opened.
type mount struct {
	dest    string // absolute and clean
	fstype  string // "bind" for binds
	source  string
	options mountOptions
	tree    *os.File // of a bind: what is attached
	dir     bool     // of a bind: a directory
}

// hierarchy is one cgroup directory as it is mounted in a container.
type hierarchy struct {
	name    string   // of the mount point below /sys/fs/cgroup; "" if it is that itself
	aliases []string // other names of it
	tree    *os.File
}

// opened is a container with everything that has a path opened: what the compiler makes a program of.
type opened struct {
	*Container
	namespaces  []namespace
	mounts      []mount
	hierarchies []hierarchy
	entry       *cgroupEntry
	filter      *filter  // compiled seccomp profile
	console     *os.File // socket on which the child sends its terminal
	turns       *os.File // socket on which the child waits for hooks
	owned       []*os.File
}

func (o *opened) Close() { closeAll(o.owned...) }

// open checks the container's spec and opens everything that the program will need.
func (h *Host) open(c *Container) (*opened, error) {
	if err := checkSpec(c.Spec); err != nil {
		return nil, err
	}
	o := &opened{Container: c}
	steps := []func() error{
		o.checkReaper,
		o.openNamespaces,
		o.openMounts,
		func() error { return o.openHierarchies(h.Cgroups) },
		o.openEntry,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			o.Close()
			return nil, err
		}
	}
	var err error
	if o.filter, err = h.filters.compile(c.Spec.Linux.Seccomp); err != nil {
		o.Close()
		return nil, err
	}
	return o, nil
}

func (o *opened) own(f *os.File) *os.File {
	o.owned = append(o.owned, f)
	return f
}

func (o *opened) checkReaper() error {
	ownPID := slices.ContainsFunc(o.Spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool {
		return n.Type == specs.PIDNamespace && n.Path == "" && o.Join[n.Type] == nil
	})
	if o.Reaper != nil && !ownPID {
		return fmt.Errorf("reaper without a pid namespace of the container's own: %w", ErrInvalid)
	}
	return nil
}

func (o *opened) openNamespaces() error {
	for _, n := range o.Spec.Linux.Namespaces {
		ns := namespace{kind: n.Type, flag: namespaceFlag(n.Type), file: o.Join[n.Type]}
		if ns.file == nil && n.Path != "" {
			f, err := os.Open(n.Path)
			if err != nil {
				return fmt.Errorf("%s namespace: %w", n.Type, err)
			}
			ns.file = o.own(f)
		}
		if ns.file != nil && n.Type == specs.MountNamespace {
			return fmt.Errorf("join a mount namespace: %w", ErrUnsupported)
		}
		o.namespaces = append(o.namespaces, ns)
	}
	return nil
}

// joins returns the namespaces of others that the container is to be in, makes the flags of its own.
func (o *opened) joins() (joins []namespace, makes uint64) {
	for _, n := range o.namespaces {
		if n.file != nil {
			joins = append(joins, n)
		} else {
			makes |= n.flag
		}
	}
	return joins, makes
}

func (o *opened) openMounts() error {
	for _, m := range o.Spec.Mounts {
		options, err := parseMountOptions(m.Options)
		if err != nil {
			return fmt.Errorf("mount %s: %w", m.Destination, err)
		}
		out := mount{dest: cleanPath(m.Destination), fstype: m.Type, source: m.Source, options: options}
		if m.Type == "bind" || options.bind {
			out.fstype = "bind"
			s, err := o.openBind(m, options)
			if err != nil {
				return err
			}
			out.tree, out.dir = s.tree, s.directory
		}
		if err := checkMount(out); err != nil {
			return err
		}
		o.mounts = append(o.mounts, out)
	}
	return nil
}

// openBind finds what a bind mount attaches: the tree that came for it, or a clone of what its source names.
func (o *opened) openBind(m specs.Mount, options mountOptions) (source, error) {
	tree := o.Trees[m.Destination]
	if tree == nil {
		s, err := openSource(m, options)
		if err == nil {
			o.own(s.tree)
		}
		return s, err
	}
	if err := applyOptions(tree, options); err != nil {
		return source{}, fmt.Errorf("mount %s: %w", m.Destination, err)
	}
	return lookAt(m, tree)
}

// cleanPath is a path of the container from its root, without dots.
func cleanPath(p string) string { return filepath.Clean("/" + p) }

func isCgroupMount(m mount) bool { return m.fstype == "cgroup" || m.fstype == "cgroup2" }

// openHierarchies clones the container's cgroup directories for its cgroup mount. A clone costs less than a
// mount of its own, and looks the same: the kernel shows paths from the root of the reader's cgroup namespace.
func (o *opened) openHierarchies(tree *CgroupTree) error {
	i := slices.IndexFunc(o.mounts, isCgroupMount)
	if i < 0 || o.Cgroup == nil {
		return nil
	}
	options := mountOptions{shallow: true, attrs: o.mounts[i].options.attrs}
	if tree.v2() {
		dir := o.Cgroup.dirs[""]
		if !slices.ContainsFunc(o.namespaces, func(n namespace) bool { return n.kind == specs.CgroupNamespace }) {
			dir = tree.Unified // whoever sees the host's paths needs the host's tree
		}
		f, err := cloneTree(dir, options)
		if err != nil {
			return fmt.Errorf("mount %s: %w", o.mounts[i].dest, err)
		}
		o.hierarchies = []hierarchy{{tree: o.own(f)}}
		return nil
	}
	for _, dir := range o.Cgroup.uniqueDirs() {
		f, err := cloneTree(dir, options)
		if err != nil {
			return fmt.Errorf("mount %s: %w", o.mounts[i].dest, err)
		}
		name := filepath.Base(strings.TrimSuffix(dir, o.Cgroup.path))
		o.hierarchies = append(o.hierarchies, hierarchy{name: name, aliases: o.Cgroup.aliases(dir, name), tree: o.own(f)})
	}
	return nil
}

// aliases are the controllers that share the directory and have a name of their own: cpu of cpu,cpuacct.
func (c *Cgroup) aliases(dir, name string) []string {
	var aliases []string
	for controller, d := range c.dirs {
		if d == dir && controller != "" && controller != name && !strings.Contains(controller, "=") {
			aliases = append(aliases, controller)
		}
	}
	slices.Sort(aliases)
	return aliases
}

func (o *opened) openEntry() error {
	if o.Cgroup == nil {
		o.entry = &cgroupEntry{}
		return nil
	}
	e, err := o.Cgroup.entry()
	if err != nil {
		return fmt.Errorf("open cgroup %s: %w", o.Cgroup.path, err)
	}
	o.entry = e
	o.owned = append(o.owned, e.tasks...)
	if e.unified != nil {
		o.owned = append(o.owned, e.unified)
	}
	return nil
}

// checkSpec refuses what contradicts the OCI rules, and by name what this runtime does not do.
func checkSpec(s *specs.Spec) error {
	if s == nil || s.Process == nil || s.Linux == nil {
		return fmt.Errorf("spec without process or linux: %w", ErrInvalid)
	}
	if err := checkProcess(s.Process); err != nil {
		return err
	}
	seen := map[specs.LinuxNamespaceType]bool{}
	for _, n := range s.Linux.Namespaces {
		if seen[n.Type] {
			return fmt.Errorf("%s namespace is given twice: %w", n.Type, ErrInvalid)
		}
		seen[n.Type] = true
		if namespaceFlag(n.Type) == 0 {
			return fmt.Errorf("%s namespace: %w", n.Type, ErrUnsupported)
		}
	}
	if !seen[specs.MountNamespace] {
		return fmt.Errorf("container without a mount namespace: %w", ErrUnsupported)
	}
	if (s.Hostname != "" || s.Domainname != "") && !seen[specs.UTSNamespace] {
		return fmt.Errorf("hostname without a uts namespace: %w", ErrInvalid)
	}
	if p := s.Linux.RootfsPropagation; p != "" && propagationOption(strings.TrimPrefix(p, "r")) == 0 {
		return fmt.Errorf("rootfs propagation %q is not known: %w", p, ErrInvalid)
	}
	if err := unsupported(s); err != nil {
		return err
	}
	return checkSysctls(s.Linux.Sysctl, seen)
}

func unsupported(s *specs.Spec) error {
	asked := []struct {
		what string
		is   bool
	}{
		{"uid and gid mappings", len(s.Linux.UIDMappings)+len(s.Linux.GIDMappings) > 0},
		{"intelRdt", s.Linux.IntelRdt != nil},
		{"memory policy", s.Linux.MemoryPolicy != nil},
		{"moving network devices", len(s.Linux.NetDevices) > 0},
		{"time offsets", len(s.Linux.TimeOffsets) > 0},
		{"mount label", s.Linux.MountLabel != ""},
		{"personality", s.Linux.Personality != nil},
	}
	for _, a := range asked {
		if a.is {
			return fmt.Errorf("%s: %w", a.what, ErrUnsupported)
		}
	}
	return nil
}

func checkProcess(p *specs.Process) error {
	switch {
	case len(p.Args) == 0 || p.Args[0] == "":
		return fmt.Errorf("no command: %w", ErrInvalid)
	case !filepath.IsAbs(p.Cwd):
		return fmt.Errorf("working directory %q is not absolute: %w", p.Cwd, ErrInvalid)
	case p.Scheduler != nil, p.IOPriority != nil, p.ExecCPUAffinity != nil:
		return fmt.Errorf("scheduler, I/O priority and CPU affinity of a process: %w", ErrUnsupported)
	}
	for _, text := range slices.Concat(p.Args, p.Env, []string{p.Cwd}) {
		if strings.Contains(text, "\x00") {
			return fmt.Errorf("%q holds a NUL byte: %w", text, ErrInvalid)
		}
	}
	return nil
}

// checkSysctls lets only those pass that a namespace of the container keeps to itself.
func checkSysctls(sysctls map[string]string, has map[specs.LinuxNamespaceType]bool) error {
	for key := range sysctls {
		path := sysctlPath(key)
		if strings.Contains("/"+path+"/", "/../") || strings.Contains(path, "//") {
			return fmt.Errorf("sysctl %q: %w", key, ErrInvalid)
		}
		kind, ok := sysctlNamespace(path)
		if !ok {
			return fmt.Errorf("sysctl %q is not kept apart by a namespace: %w", key, ErrInvalid)
		}
		if !has[kind] {
			return fmt.Errorf("sysctl %q needs a %s namespace of the container's own: %w", key, kind, ErrInvalid)
		}
	}
	return nil
}

func sysctlNamespace(path string) (specs.LinuxNamespaceType, bool) {
	switch path {
	case "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem", "kernel/shmall", "kernel/shmmax",
		"kernel/shmmni", "kernel/shm_rmid_forced":
		return specs.IPCNamespace, true
	case "kernel/domainname":
		return specs.UTSNamespace, true
	}
	switch {
	case strings.HasPrefix(path, "fs/mqueue/"):
		return specs.IPCNamespace, true
	case strings.HasPrefix(path, "net/"):
		return specs.NetworkNamespace, true
	default:
		return "", false
	}
}

// sysctlPath is the file below /proc/sys. As for sysctl(8), whichever of '.' and '/' comes first separates, and the
// other one stands for itself: net.ipv4.conf.eth0/1.forwarding.
func sysctlPath(key string) string {
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '/' {
		return key
	}
	return strings.NewReplacer(".", "/", "/", ".").Replace(key)
}

// checkMount refuses destinations where a mount could hide what the runtime or the container relies on.
func checkMount(m mount) error {
	kernelFS := m.fstype == "proc" || m.fstype == "sysfs"
	switch {
	case m.dest == "/":
		return fmt.Errorf("mount on /: %w", ErrInvalid)
	case kernelFS && m.dest != "/"+strings.TrimSuffix(m.fstype, "fs"):
		return fmt.Errorf("mount %s: %s belongs on /%s: %w", m.dest, m.fstype, strings.TrimSuffix(m.fstype, "fs"), ErrInvalid)
	case strings.HasPrefix(m.dest, "/proc/") && !mayCoverProc(strings.TrimPrefix(m.dest, "/proc/")):
		return fmt.Errorf("mount %s: nothing may be mounted inside of /proc: %w", m.dest, ErrInvalid)
	default:
		return nil
	}
}

// mayCoverProc has the files that lxcfs makes its own versions of.
func mayCoverProc(name string) bool {
	return slices.Contains([]string{
		"cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo", "sys/kernel/ns_last_pid",
		"sys/crypto/fips_enabled",
	}, name)
}
