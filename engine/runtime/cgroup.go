package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/cgroups"
	_ "github.com/opencontainers/cgroups/devices" // teaches the managers device rules
	cgroupfs "github.com/opencontainers/cgroups/fs"
	"github.com/opencontainers/cgroups/fs2"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Cgroup is the control group of one container: a directory in each hierarchy that the container needs.
//
// No process is ever moved into it from outside, because a write to cgroup.procs waits 5 to 15 ms for an RCU grace
// period. The keeper's clone3 puts the child into the unified directory, and the child, while it has one thread, puts itself into each v1
// directory by writing to its tasks file (50 to 400 µs).
type Cgroup struct {
	tree    *CgroupTree
	path    string            // below each hierarchy, such as /tiffin/0123abcd
	dirs    map[string]string // controller → directory; "" is the unified one
	manager cgroups.Manager
}

// Create makes the control group at path, which is absolute and counts from the root of each hierarchy, and sets its
// limits. The warnings name the limits that this host cannot enforce.
func (t *CgroupTree) Create(path string, limits *specs.LinuxResources) (*Cgroup, []string, error) {
	resources, warnings, err := resourcesOf(t, limits)
	if err != nil {
		return nil, nil, fmt.Errorf("cgroup %s: %w", path, err)
	}
	c, err := t.cgroup(path, t.dirsFor(path, resources), resources)
	if err != nil {
		return nil, nil, err
	}
	if err := c.make(resources); err != nil {
		err = errors.Join(err, c.remove())
		return nil, nil, fmt.Errorf("cgroup %s: %w", path, err)
	}
	return c, warnings, nil
}

// Open finds the control group that Create made at path, perhaps in an earlier life of the calling program.
// Its error wraps fs.ErrNotExist if there is none in any hierarchy.
func (t *CgroupTree) Open(path string) (*Cgroup, error) {
	dirs := map[string]string{}
	for controller, dir := range t.allDirs(path) {
		if exists(dir) {
			dirs[controller] = dir
		}
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("cgroup %s: %w", path, fs.ErrNotExist)
	}
	return t.cgroup(path, dirs, &cgroups.Resources{})
}

func (t *CgroupTree) cgroup(path string, dirs map[string]string, r *cgroups.Resources) (*Cgroup, error) {
	if path == "/" || path != filepath.Clean("/"+path) {
		return nil, fmt.Errorf("cgroup path %q is not absolute and clean", path)
	}
	c := &Cgroup{tree: t, path: path, dirs: dirs}
	config := &cgroups.Cgroup{Path: path, Resources: r}
	var err error
	if t.v2() {
		c.manager, err = fs2.NewManager(config, dirs[""])
	} else {
		c.manager, err = cgroupfs.NewManager(config, v1Only(dirs))
	}
	if err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", path, err)
	}
	return c, nil
}

// v1Only leaves out what the library's v1 manager would not know.
func v1Only(dirs map[string]string) map[string]string {
	dirs = maps.Clone(dirs)
	delete(dirs, "")
	return dirs
}

func (t *CgroupTree) allDirs(path string) map[string]string {
	dirs := map[string]string{}
	for controller, mount := range t.V1 {
		dirs[controller] = filepath.Join(mount, path)
	}
	if t.Unified != "" {
		dirs[""] = filepath.Join(t.Unified, path)
	}
	return dirs
}

// dirsFor leaves out the v1 hierarchies that would neither limit nor measure anything for this container: each one
// costs a directory, a write of the child and a mount.
func (t *CgroupTree) dirsFor(path string, r *cgroups.Resources) map[string]string {
	dirs := t.allDirs(path)
	maps.DeleteFunc(dirs, func(controller, _ string) bool {
		switch controller {
		case "", "devices", "memory", "cpu", "cpuacct", "pids", "blkio":
			return false
		case "freezer":
			return t.hybrid()
		case "name=systemd":
			return !t.Systemd
		case "cpuset":
			return r.CpusetCpus == "" && r.CpusetMems == ""
		case "hugetlb":
			return len(r.HugetlbLimit) == 0
		case "net_cls":
			return r.NetClsClassid == 0
		case "net_prio":
			return len(r.NetPrioIfpriomap) == 0
		case "rdma":
			return len(r.Rdma) == 0
		default:
			return true
		}
	})
	return dirs
}

// make creates the directories and sets the limits.
func (c *Cgroup) make(r *cgroups.Resources) error {
	const noProcess = -1
	if err := c.manager.Apply(noProcess); err != nil {
		return err
	}
	if c.tree.hybrid() {
		//nolint:gosec // the mode of the library's own directories; a container may read where it is
		if err := os.MkdirAll(c.dirs[""], 0o755); err != nil {
			return err
		}
	}
	if err := c.setDevices(r); err != nil {
		return err
	}
	return c.manager.Set(r)
}

// Path is where the control group is, below the root of each hierarchy.
func (c *Cgroup) Path() string { return c.path }

// Update sets new limits; what they do not mention stays as it is. The warnings are those of Create.
func (c *Cgroup) Update(limits *specs.LinuxResources) ([]string, error) {
	resources, warnings, err := resourcesOf(c.tree, limits)
	if err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", c.path, err)
	}
	resources.SkipDevices = true
	if err := c.manager.Set(resources); err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", c.path, err)
	}
	return warnings, nil
}

// Pids are the processes in the control group and below, as the caller's PID namespace numbers them.
func (c *Cgroup) Pids() ([]int, error) {
	dir := c.dirs[""]
	if dir == "" {
		dir = c.dirs["devices"]
	}
	pids, err := cgroups.GetAllPids(dir)
	if err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", c.path, err)
	}
	return pids, nil
}

// Destroy kills what is left in the control group, waits until it is gone, and removes the directories. To destroy
// what does not exist is no error.
func (c *Cgroup) Destroy(ctx context.Context) error {
	err := c.remove()
	if err == nil || !errors.Is(err, unix.EBUSY) {
		return c.wrap(err)
	}
	if err := c.Kill(ctx); err != nil {
		return err
	}
	if err := c.waitEmpty(ctx); err != nil {
		return c.wrap(err)
	}
	return c.wrap(c.removeTrees())
}

// remove is the usual case, in which the container's processes have been reaped and it made no control groups of its own.
func (c *Cgroup) remove() error {
	var busy error
	for _, dir := range c.uniqueDirs() {
		if err := unix.Rmdir(dir); err != nil && err != unix.ENOENT {
			busy = errors.Join(busy, &fs.PathError{Op: "rmdir", Path: dir, Err: err})
		}
	}
	return busy
}

func (c *Cgroup) removeTrees() error {
	var errs []error
	for _, dir := range c.uniqueDirs() {
		errs = append(errs, cgroups.RemovePath(dir))
	}
	return errors.Join(errs...)
}

// uniqueDirs are the directories, each once (v1 controllers may be mounted together), in a fixed order.
func (c *Cgroup) uniqueDirs() []string {
	return slices.Compact(slices.Sorted(maps.Values(c.dirs)))
}

func (c *Cgroup) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cgroup %s: %w", c.path, err)
}

// entry opens what a new process of the container needs to get in.
func (c *Cgroup) entry() (*cgroupEntry, error) {
	e := &cgroupEntry{}
	for _, controller := range slices.Sorted(maps.Keys(c.dirs)) {
		dir := c.dirs[controller]
		if controller == "" {
			f, err := openFile(dir, unix.O_PATH|unix.O_DIRECTORY)
			if err != nil {
				e.Close()
				return nil, err
			}
			e.unified = f
			continue
		}
		if slices.Contains(e.dirs, dir) {
			continue
		}
		f, err := openFile(filepath.Join(dir, "tasks"), unix.O_WRONLY)
		if err != nil {
			e.Close()
			return nil, err
		}
		e.dirs = append(e.dirs, dir)
		e.tasks = append(e.tasks, f)
	}
	return e, nil
}

// cgroupEntry holds the descriptors by which a new process joins a control group.
type cgroupEntry struct {
	unified *os.File   // the v2 directory, for CLONE_INTO_CGROUP; nil if there is none
	tasks   []*os.File // the v1 tasks files, to write 0 to
	dirs    []string   // their directories
}

func (e *cgroupEntry) Close() {
	closeAll(append(e.tasks, e.unified)...)
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}
