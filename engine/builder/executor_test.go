package builder

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/executor"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"

	"tiffin/engine"
)

func TestAStepIsAllowedWhatAContainerIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meta executor.Meta
		want engine.ContainerSpec
	}{
		"a plain one": {
			executor.Meta{Args: []string{"sh"}, Env: []string{"A=1"}, Cwd: "/w", User: "u"},
			engine.ContainerSpec{Cmd: []string{"sh"}, Env: []string{"A=1"}, WorkingDir: "/w", User: "u", Hostname: "buildkitsandbox", NetworkMode: "bridge"},
		},
		"the host's network": {
			executor.Meta{NetMode: pb.NetMode_HOST, Hostname: "h"},
			engine.ContainerSpec{Hostname: "h", NetworkMode: "host"},
		},
		"no network": {
			executor.Meta{NetMode: pb.NetMode_NONE},
			engine.ContainerSpec{Hostname: "buildkitsandbox", NetworkMode: "none"},
		},
		"insecure is privileged": {
			executor.Meta{SecurityMode: pb.SecurityMode_INSECURE},
			engine.ContainerSpec{Hostname: "buildkitsandbox", NetworkMode: "bridge", Privileged: true},
		},
		"hosts, limits, a root to be read": {
			executor.Meta{
				ExtraHosts: []executor.HostIP{{Host: "db", IP: net.ParseIP("10.0.0.1")}, {Host: "six", IP: net.ParseIP("fd00::1")}, {Host: "host", IP: net.ParseIP("192.0.0.8")}},
				Ulimit:     []*pb.Ulimit{{Name: "NOFILE", Soft: 10, Hard: 20}}, ReadonlyRootFS: true,
				LinuxResources: &pb.LinuxResources{Memory: 64 << 20, CpuShares: 512, CpusetCpus: "0"},
			},
			engine.ContainerSpec{
				Hostname: "buildkitsandbox", NetworkMode: "bridge", ReadOnly: true,
				ExtraHosts: []string{"db=10.0.0.1", "six=fd00::1", "host=host-gateway"}, Ulimits: []engine.Ulimit{{Name: "nofile", Soft: 10, Hard: 20}},
				Resources: engine.Resources{Memory: 64 << 20, CPUShares: 512, CpusetCpus: "0"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := newSpec(&c.meta)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWhatAStepCannotHaveIsRefusedByName(t *testing.T) {
	t.Parallel()
	for want, meta := range map[string]executor.Meta{
		"devices in a build step: not supported": {CDIDevices: []*pb.CDIDevice{{Name: "vendor.com/gpu=0"}}},
		"network mode 7: not supported":          {NetMode: 7},
	} {
		_, err := newSpec(&meta)
		if !errors.Is(err, engine.ErrUnsupported) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func TestHowAStepEnds(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancelCause(context.Background())
	why := errors.New("the caller went away")
	cancel(why)
	for name, c := range map[string]struct {
		ctx   context.Context //nolint:containedctx // a case
		code  int
		err   error
		valid []int
		want  uint32 // of the ExitError; 0: none
		cause error
	}{
		"well":                           {ctx: context.Background()},
		"with a code":                    {ctx: context.Background(), code: 3, want: 3},
		"with a code that is allowed":    {ctx: context.Background(), code: 3, valid: []int{3}},
		"with 0 when that is not":        {ctx: context.Background(), valid: []int{3}, want: 0},
		"without beginning":              {ctx: context.Background(), err: &engine.ExitError{Code: 127}, want: 127},
		"because the caller has gone":    {ctx: cancelled, err: context.Canceled, want: gateway.UnknownExitStatus, cause: why},
		"because something did not work": {ctx: context.Background(), err: why, want: gateway.UnknownExitStatus, cause: why},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := exitError(c.ctx, c.code, c.err, c.valid)
			var exit *gateway.ExitError
			if failed := name != "well" && name != "with a code that is allowed"; errors.As(err, &exit) != failed {
				t.Fatalf("got %v", err)
			}
			if exit != nil && exit.ExitCode != c.want {
				t.Errorf("code %d, want %d", exit.ExitCode, c.want)
			}
			if c.cause != nil && !errors.Is(err, c.cause) {
				t.Errorf("got %v, not because of %v", err, c.cause)
			}
		})
	}
}

func TestMountsAreTrees(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mount mount.Mount
		want  engine.Tree
		fails bool
	}{
		"the only layer": {mount.Mount{Type: "bind", Source: "/s/1/fs", Options: []string{"rw", "rbind"}}, engine.Tree{Source: "/s/1/fs"}, false},
		"a tmpfs":        {mount.Mount{Type: "tmpfs", Options: []string{"nosuid", "size=10"}}, engine.Tree{Tmpfs: []string{"exec", "dev", "nosuid", "size=10"}}, false},
		"layers": {
			mount.Mount{Type: "overlay", Options: []string{"index=off", "workdir=/s/3/work", "upperdir=/s/3/fs", "lowerdir=/s/2/fs:/s/1/fs"}},
			engine.Tree{Lower: []string{"/s/2/fs", "/s/1/fs"}, Upper: "/s/3/fs", Work: "/s/3/work"},
			false,
		},
		"layers to be read":           {mount.Mount{Type: "overlay", Options: []string{"lowerdir=/s/2/fs:/s/1/fs"}}, engine.Tree{Lower: []string{"/s/2/fs", "/s/1/fs"}}, false},
		"an option that nobody knows": {mount.Mount{Type: "overlay", Options: []string{"lowerdir=/s/1/fs", "nfs_export=on"}}, engine.Tree{}, true},
		"a path from somewhere":       {mount.Mount{Type: "overlay", Options: []string{"lowerdir=1/fs"}}, engine.Tree{}, true},
		"another file system":         {mount.Mount{Type: "nfs"}, engine.Tree{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := translate(c.mount)
			if c.fails {
				if err == nil {
					t.Errorf("got %+v", got)
				}
				return
			}
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
}
