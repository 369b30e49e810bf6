package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/executor"
	resources "github.com/moby/buildkit/executor/resources/types"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"

	"tiffin/engine"
	"tiffin/engine/call"
)

// steps runs RUN steps as jobs of the engine.
type steps struct {
	run Runner
}

var _ executor.Executor = (*steps)(nil)

// Run implements executor.Executor.
//
//nolint:revive // BuildKit's interface has so many
func (e *steps) Run(ctx context.Context, _ string, root executor.Mount, mounts []executor.Mount, process executor.ProcessInfo, started chan<- struct{}) (resources.Recorder, error) {
	job, release, err := newJob(ctx, root, mounts, &process.Meta)
	if err != nil {
		return nil, err
	}
	startOnce := func() {
		if started != nil {
			close(started)
			started = nil
		}
	}
	code, err := e.run(ctx, job, call.Streams{Stdout: process.Stdout, Stderr: process.Stderr}, startOnce)
	startOnce() // who waits for it is told by the error
	return nil, errors.Join(exitError(ctx, code, err, process.Meta.ValidExitCodes), release())
}

// Exec implements executor.Executor. Only frontends from images would call it.
func (e *steps) Exec(context.Context, string, executor.ProcessInfo) error {
	return engine.Problem(engine.ErrUnsupported, errors.New("a second process in a build step"))
}

// exitError is how a step ended in BuildKit's words: nil for a code that is as good as 0.
func exitError(ctx context.Context, code int, err error, valid []int) error {
	var exit *engine.ExitError
	if errors.As(err, &exit) {
		return &gateway.ExitError{ExitCode: uint32(exit.Code), Err: err}
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return &gateway.ExitError{ExitCode: gateway.UnknownExitStatus, Err: err}
	}
	if code == 0 && valid == nil || slices.Contains(valid, code) {
		return nil
	}
	return &gateway.ExitError{ExitCode: uint32(code)}
}

// newJob translates a step. The trees that it mentions stay until release.
func newJob(ctx context.Context, root executor.Mount, mounts []executor.Mount, meta *executor.Meta) (*engine.Job, func() error, error) {
	spec, err := newSpec(meta)
	if err != nil {
		return nil, nil, err
	}
	var held trees
	base, err := held.find(ctx, root)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("root filesystem: %w", err), held.release())
	}
	spec.ReadOnly = spec.ReadOnly || base.ReadOnly
	job := &engine.Job{ID: engine.NewID(), Root: base.Tree, Spec: spec, SweepParents: meta.RemoveMountStubsRecursive}
	for _, m := range mounts {
		found, err := held.find(ctx, m)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("mount %s: %w", m.Dest, err), held.release())
		}
		job.Mounts = append(job.Mounts, found)
	}
	return job, held.release, nil
}

// defaultHostname is BuildKit's: steps must not see a name that differs each time.
const defaultHostname = "buildkitsandbox"

// newSpec decides what a step may do: what a container may.
func newSpec(meta *executor.Meta) (engine.ContainerSpec, error) {
	spec := engine.ContainerSpec{
		Cmd: meta.Args, Env: meta.Env, User: meta.User, WorkingDir: meta.Cwd, Hostname: meta.Hostname,
		ReadOnly: meta.ReadonlyRootFS, CgroupParent: meta.CgroupParent, Privileged: meta.SecurityMode == pb.SecurityMode_INSECURE,
	}
	if spec.Hostname == "" {
		spec.Hostname = defaultHostname
	}
	if len(meta.CDIDevices) > 0 {
		return spec, engine.Problem(engine.ErrUnsupported, errors.New("devices in a build step"))
	}
	if meta.Proxy != nil {
		return spec, engine.Problem(engine.ErrUnsupported, errors.New("a build step behind a capturing proxy"))
	}
	switch meta.NetMode {
	case pb.NetMode_UNSET:
		spec.NetworkMode = "bridge"
	case pb.NetMode_HOST:
		spec.NetworkMode = "host"
	case pb.NetMode_NONE:
		spec.NetworkMode = "none"
	default:
		return spec, engine.Problem(engine.ErrUnsupported, fmt.Errorf("network mode %s", meta.NetMode))
	}
	for _, h := range meta.ExtraHosts {
		address := h.IP.String()
		if address == engine.HostGatewayAddr {
			address = engine.HostGateway
		}
		spec.ExtraHosts = append(spec.ExtraHosts, h.Host+"="+address)
	}
	for _, u := range meta.Ulimit {
		spec.Ulimits = append(spec.Ulimits, engine.Ulimit{Name: strings.ToLower(u.GetName()), Soft: u.GetSoft(), Hard: u.GetHard()})
	}
	if r := meta.LinuxResources; r != nil {
		limitStep(&spec.Resources, r)
	}
	return spec, nil
}

func limitStep(to *engine.Resources, r *pb.LinuxResources) {
	to.Memory = engine.Bytes(r.GetMemory())
	to.MemorySwap = engine.Bytes(r.GetMemorySwap())
	to.CPUShares = int64(r.GetCpuShares())
	to.CPUPeriod = int64(r.GetCpuPeriod())
	to.CPUQuota = r.GetCpuQuota()
	to.CpusetCpus = r.GetCpusetCpus()
	to.CpusetMems = r.GetCpusetMems()
}
