package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/network"
	"tiffin/engine/ocispec"
	"tiffin/engine/runtime"
	"tiffin/engine/stub"
)

// jobsKeeper is who parents jobs; no project has this name.
const jobsKeeper = "jobs/"

// job is one under way.
type job struct {
	starter
	job    *engine.Job
	trees  map[string]*os.File
	stdout *os.File
	stderr *os.File
}

// RunJob runs a job to its end, and returns its exit code. When ctx ends, or the
// engine, it is killed. started is called once its command has been executed; it may be
// nil.
//
// Errors: an *engine.ExitError of 126 or 127 for a command that cannot be run.
func (r *Rooms) RunJob(ctx context.Context, spec *engine.Job, s call.Streams, started func()) (code int, err error) {
	j := &job{
		starter: starter{rooms: r, record: engine.Container{ID: spec.ID, Name: "job " + engine.ShortID(spec.ID), Spec: spec.Spec, Args: spec.Spec.Cmd}},
		job:     spec, trees: map[string]*os.File{},
	}
	defer func() { err = errors.Join(err, j.back.Run(ctx)) }()
	p, err := j.start(ctx)
	if err != nil {
		return 0, withExitCode(err)
	}
	if started != nil {
		started()
	}
	return j.await(ctx, p, s)
}

// start does what a container's start does, in the same order. All of it is taken back
// by the list of undos, whatever comes of it.
func (j *job) start(ctx context.Context) (*runtime.Process, error) {
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"root filesystem", j.openTrees},
		{"user", j.lookUpUser},
		{"working directory", j.makeWorkingDir},
		{"network", j.attachNetwork},
		{"files", j.writeFiles},
		{"devices", j.findDevices},
	} {
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return j.spawn(ctx)
}

// openTrees mounts the root and everything else, attached nowhere, and remembers which
// of the mount points are not there yet.
func (j *job) openTrees(context.Context) error {
	run := j.runDir()
	if err := os.MkdirAll(run, 0o700); err != nil {
		return err
	}
	j.back.Add(func(context.Context) error { return os.RemoveAll(run) })
	j.back.Add(func(context.Context) error { return closeFiles(j.held...) })
	points := []stub.Point{
		{Target: "/etc/hostname"},
		{Target: "/etc/hosts"},
		{Target: "/etc/resolv.conf"},
		{Target: "/dev", IsDir: true},
		{Target: "/proc", IsDir: true},
		{Target: "/sys", IsDir: true},
	}
	for i := range j.job.Mounts {
		m := &j.job.Mounts[i]
		if len(m.Tree.Lower) == 0 && m.Tree.Source == "" {
			points = append(points, stub.Point{Target: m.Target, IsDir: true})
			continue // a tmpfs is made in the container
		}
		tree, err := openTree(&m.Tree, run)
		if err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
		j.held = append(j.held, tree)
		j.trees[filepath.Clean("/"+m.Target)] = tree
		isDir, err := isFolder(tree)
		if err != nil {
			return err
		}
		points = append(points, stub.Point{Target: m.Target, IsDir: isDir})
	}
	var err error
	if j.root, err = openTree(&j.job.Root, run); err != nil {
		return err
	}
	j.held = append(j.held, j.root)
	if j.job.Spec.ReadOnly {
		return nil // what it lacks cannot be made
	}
	made, err := stub.Make(j.root, points)
	j.back.Add(func(context.Context) error { return made.Sweep(j.job.SweepParents) })
	return err
}

func isFolder(f *os.File) (bool, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	return st.Mode&unix.S_IFMT == unix.S_IFDIR, err
}

// makeWorkingDir makes the working directory, for the user that will be in it.
func (j *job) makeWorkingDir(context.Context) error {
	if j.record.Spec.WorkingDir == "" || j.job.Spec.ReadOnly {
		return nil
	}
	return stub.Folder(j.root, j.record.Spec.WorkingDir, stub.Owner{UID: int(j.input.Identity.UID), GID: int(j.input.Identity.GID)})
}

// attachNetwork gives the job a network namespace, on the default bridge unless it
// wants none.
func (j *job) attachNetwork(ctx context.Context) error {
	spec := &j.record.Spec
	if spec.NetworkMode == "host" {
		return nil
	}
	var err error
	if j.sandbox, err = j.rooms.Networks.EnsureSandbox(ctx, j.record.ID); err != nil {
		return err
	}
	j.back.Add(func(ctx context.Context) error { return j.rooms.Networks.DropSandbox(ctx, j.record.ID) })
	if spec.NetworkMode != BridgeMode {
		return nil
	}
	n, err := j.rooms.Index.Bridge(ctx)
	if err != nil {
		return err
	}
	ep, err := j.rooms.Networks.Attach(ctx, j.sandbox, network.AttachRequest{ContainerID: j.record.ID, Name: j.record.Name, Network: n})
	j.record.Endpoints = map[string]engine.Endpoint{BridgeMode: ep}
	return err
}

func (j *job) writeFiles(context.Context) error {
	j.input.Sources = map[string]string{}
	for i := range j.job.Mounts {
		m := &j.job.Mounts[i]
		p := engine.MountPoint{Type: engine.MountBind, Destination: filepath.Clean("/" + m.Target), Source: "/", ReadOnly: m.ReadOnly}
		if j.trees[p.Destination] == nil {
			p.Type = engine.MountTmpfs
		}
		p.Spec = engine.Mount{Type: p.Type, Source: p.Source, Target: p.Destination, ReadOnly: m.ReadOnly, TmpfsOptions: m.Tree.Tmpfs}
		j.record.Mounts = append(j.record.Mounts, p)
	}
	return j.writeEtc()
}

// spawn compiles the spec and has the keeper of jobs run it.
func (j *job) spawn(ctx context.Context) (*runtime.Process, error) {
	j.input.Container, j.input.Host = &j.record, j.rooms.hostInfo()
	j.input.CgroupPath = ocispec.CgroupPath(j.rooms.CgroupBase, &j.record)
	spec, err := ocispec.New(j.input)
	if err != nil {
		return nil, err
	}
	spec.Process.Env = withoutHostname(spec.Process.Env, j.job.Spec.Env)
	cgroup, warnings, err := j.rooms.Host.Cgroups.Create(j.input.CgroupPath, spec.Linux.Resources)
	if err != nil {
		return nil, err
	}
	j.back.Add(cgroup.Destroy)
	j.warn(warnings)
	k, err := j.rooms.Keepers.Of(ctx, jobsKeeper)
	if err != nil {
		return nil, err
	}
	stdio, err := j.openOutput()
	if err != nil {
		return nil, err
	}
	rc := &runtime.Container{
		ID: j.record.ID, Spec: spec, Rootfs: j.root, Cgroup: cgroup, Stdio: stdio, Trees: j.trees, Tethered: true,
		Join: map[specs.LinuxNamespaceType]*os.File{},
	}
	if j.sandbox != nil {
		rc.Join[specs.NetworkNamespace] = j.sandbox.File()
	}
	p, warnings, err := j.rooms.Host.Start(ctx, k, rc)
	if err = errors.Join(err, closeFiles(stdio.Stdout, stdio.Stderr)); err != nil {
		return nil, err
	}
	j.warn(warnings)
	j.back.Add(func(ctx context.Context) error { return endJob(ctx, p, cgroup) })
	return p, nil
}

// endJob makes sure that nothing of a job runs any more.
func endJob(ctx context.Context, p *runtime.Process, cgroup *runtime.Cgroup) error {
	err := cgroup.Kill(ctx)
	select {
	case <-p.Done():
		p.Drop()
	case <-ctx.Done():
		err = errors.Join(err, context.Cause(ctx))
	}
	return err
}

// withoutHostname takes a variable away that containers have and steps of a build do
// not: what they make of it would differ with each of them.
func withoutHostname(env, asked []string) []string {
	isHostname := func(e string) bool { return strings.HasPrefix(e, "HOSTNAME=") }
	if slices.ContainsFunc(asked, isHostname) {
		return env
	}
	return slices.DeleteFunc(env, isHostname)
}

// openOutput makes the pipes of the output: the process's ends are returned.
func (j *job) openOutput() (runtime.Stdio, error) {
	var theirs runtime.Stdio
	var err error
	if j.stdout, theirs.Stdout, err = os.Pipe(); err != nil {
		return theirs, fmt.Errorf("make pipe: %w", err)
	}
	if j.stderr, theirs.Stderr, err = os.Pipe(); err != nil {
		return theirs, errors.Join(fmt.Errorf("make pipe: %w", err), closeFiles(j.stdout, theirs.Stdout))
	}
	j.held = append(j.held, j.stdout, j.stderr)
	return theirs, nil
}

// await copies the output until the job has ended; when ctx ends first, it is killed.
func (j *job) await(ctx context.Context, p *runtime.Process, s call.Streams) (int, error) {
	defer context.AfterFunc(ctx, func() { _ = p.Signal(unix.SIGKILL) })()
	var copies sync.WaitGroup
	for from, to := range map[*os.File]io.Writer{j.stdout: s.Stdout, j.stderr: s.Stderr} {
		copies.Go(func() { drain(to, from) })
	}
	exit, err := p.Wait(context.WithoutCancel(ctx))
	if errors.Is(err, runtime.ErrKeeperLost) {
		exit, err = p.WaitOrphan(context.WithoutCancel(ctx))
	}
	// Whatever it left behind ended with it, but the pipe may have been handed out of the container.
	for _, f := range []*os.File{j.stdout, j.stderr} {
		_ = f.SetReadDeadline(time.Now().Add(outputGrace))
	}
	copies.Wait()
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return exit.Code(), err
}

// EndStray ends a process that was left running and that nobody wants.
func (r *Rooms) EndStray(ctx context.Context, p *runtime.Process) error {
	cgroup, err := r.Host.Cgroups.Open(ocispec.CgroupPath(r.CgroupBase, &engine.Container{ID: p.ID}))
	if errors.Is(err, fs.ErrNotExist) {
		err = p.Signal(unix.SIGKILL)
		<-p.Done()
		p.Drop()
		return err
	}
	if err != nil {
		return err
	}
	return errors.Join(endJob(ctx, p, cgroup), cgroup.Destroy(ctx))
}

// UnmountTrees takes off what an engine that was killed has left mounted for a job.
func (r *Rooms) UnmountTrees(id string) error {
	found, err := filepath.Glob(filepath.Join(r.Run, id, "tree*"))
	if err != nil {
		return err
	}
	for _, at := range found {
		err = errors.Join(err, ignoring(unix.Unmount(at, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW), unix.EINVAL))
	}
	return err
}

// DropJobs ends the keeper of jobs, which has none.
func (ks *Keepers) DropJobs(ctx context.Context) error { return ks.Drop(ctx, jobsKeeper) }
