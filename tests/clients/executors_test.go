package clients

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"tiffin/tests/harness"
)

// executor asks for what the programs that run CI jobs ask dockerd for, in their order.
// None of them can be built here: their modules are on no proxy, or need a server.
type executor struct {
	*client.Client

	t *testing.T
}

func newExecutor(t *testing.T, names ...string) *executor {
	t.Helper()
	e := engine(t, harness.Registry(t), names...)
	before := e.Snapshot(t)
	cli, err := client.New(client.WithHost(e.DockerHost()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cli.Close(); err != nil {
			t.Error(err)
		}
		if !t.Failed() { // or it is known why
			e.NothingLeft(t, before)
		}
	})
	return &executor{cli, t}
}

func (x *executor) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *executor) create(name string, c *container.Config, h *container.HostConfig, ends ...string) string {
	x.t.Helper()
	n := &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{}}
	for _, end := range ends {
		n.EndpointsConfig[end] = &network.EndpointSettings{Aliases: []string{strings.ToLower(name)}}
	}
	c.Labels = map[string]string{"job": "1"}
	h.LogConfig = container.LogConfig{Type: "json-file"}
	h.RestartPolicy = container.RestartPolicy{Name: "no"}
	got, err := x.ContainerCreate(x.t.Context(), client.ContainerCreateOptions{Name: name, Config: c, HostConfig: h, NetworkingConfig: n})
	x.must(err)
	return got.ID
}

// ended waits for a container, by a condition.
func (x *executor) ended(id string, condition container.WaitCondition) (code func() int64) {
	ctx, cancel := context.WithTimeout(x.t.Context(), limit)
	w := x.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: condition})
	return func() int64 {
		x.t.Helper()
		defer cancel()
		select {
		case got := <-w.Result:
			return got.StatusCode
		case err := <-w.Error:
			x.t.Fatal(err)
			return 0
		}
	}
}

// stage starts a container, writes a script to it and reads what it says: GitLab does so
// several times with the same container.
func (x *executor) stage(id, script string, condition container.WaitCondition) (stdout, stderr string, code int64) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), limit)
	defer cancel()
	at, err := x.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	x.must(err)
	defer at.Close()
	var wait func() int64
	if condition == container.WaitConditionNextExit { // before the start, or it would be missed
		wait = x.ended(id, condition)
	}
	x.must(asked(x.ContainerStart(ctx, id, client.ContainerStartOptions{})))
	_, err = io.WriteString(at.Conn, script)
	x.must(errors.Join(err, at.CloseWrite()))
	var out, diag strings.Builder
	_, err = stdcopy.StdCopy(&out, &diag, at.Reader)
	x.must(err)
	if wait == nil {
		wait = x.ended(id, condition)
	}
	return out.String(), diag.String(), wait()
}

func (x *executor) remove(ids ...string) {
	x.t.Helper()
	for _, id := range ids {
		x.must(asked(x.ContainerRemove(x.t.Context(), id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})))
	}
}

// shell is a container whose script comes by its input.
func shell() *container.Config {
	return &container.Config{
		Image: "busybox", Cmd: []string{"sh"}, OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
		Env: []string{"CI=true"}, Hostname: "runner-1",
	}
}

// TestGitLabsExecutor has a service by a link, a container that makes folders, and two whose
// scripts come by their input, one after the other and several times over.
func TestGitLabsExecutor(t *testing.T) {
	t.Parallel()
	x := newExecutor(t, "busybox", "nginx")
	ctx := t.Context()
	off := false
	volume := func(name string) string {
		got, err := x.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name, Labels: map[string]string{"job": "1"}})
		x.must(err)
		return got.Volume.Name
	}
	binds := []string{volume("builds") + ":/builds", volume("cache") + ":/cache:rw"}

	service := x.create("runner-1-service-0", &container.Config{Image: "nginx"}, &container.HostConfig{Binds: binds})
	x.must(asked(x.ContainerStart(ctx, service, client.ContainerStartOptions{})))
	rights := x.create("runner-1-permission", &container.Config{Image: "busybox", Cmd: []string{"sh", "-c", "chmod 777 /cache"}}, &container.HostConfig{Binds: binds[1:]})
	x.must(asked(x.ContainerStart(ctx, rights, client.ContainerStartOptions{})))
	if code := x.ended(rights, container.WaitConditionNotRunning)(); code != 0 {
		t.Errorf("the container that sets rights: code %d", code)
	}
	// What waits for a service finds it by the variables of a link.
	health := x.create("runner-1-wait-for-service", &container.Config{
		Image: "busybox", Cmd: []string{"sh", "-c", "until wget -qO- http://$SERVICE_PORT_80_TCP_ADDR:$SERVICE_PORT_80_TCP_PORT/; do sleep 0.1; done"},
	}, &container.HostConfig{Links: []string{"runner-1-service-0:service"}})
	x.must(asked(x.ContainerStart(ctx, health, client.ContainerStartOptions{})))
	if code := x.ended(health, container.WaitConditionNotRunning)(); code != 0 {
		t.Errorf("the container that waits: code %d", code)
	}

	helper := x.create("runner-1-predefined", shell(), &container.HostConfig{Binds: binds, VolumesFrom: []string{rights}})
	build := x.create("runner-1-build", shell(), &container.HostConfig{
		Binds: binds, VolumesFrom: []string{helper + ":rw"}, Links: []string{"runner-1-service-0:nginx", "runner-1-service-0:web"},
		Resources: container.Resources{Memory: 64 << 20, OomKillDisable: &off}, Init: &off, Privileged: true, ShmSize: 1 << 20,
		Tmpfs: map[string]string{"/tmp": "rw,noexec"}, ExtraHosts: []string{"other:192.0.2.1"}, Runtime: "runc",
	})
	for i, s := range []struct {
		id, script, out, diag string
		code                  int64
	}{
		{helper, "mkdir -p /builds/group && echo source >/builds/group/file && echo fetched >&2", "", "fetched\n", 0},
		{helper, "stat -c %a /cache", "777\n", "", 0},
		{build, "cd /builds/group && cat file - </dev/null && wget -qO- http://nginx/ http://web/ | grep -c nginx; hostname; exit 3", "source\n4\nrunner-1\n", "", 3},
		{build, strings.Repeat(": a long script\n", 10_000) + "echo after; echo $CI", "after\ntrue\n", "", 0},
		{helper, "rm -r /builds/group; exit 137", "", "", 137},
	} {
		condition := container.WaitConditionNotRunning
		if i%2 == 1 {
			condition = container.WaitConditionNextExit
		}
		out, diag, code := x.stage(s.id, s.script, condition)
		if out != s.out || diag != s.diag || code != s.code {
			t.Errorf("stage %d: code %d, %q, %q, want %d, %q, %q", i, code, out, diag, s.code, s.out, s.diag)
		}
	}
	x.must(asked(x.ContainerUpdate(ctx, build, client.ContainerUpdateOptions{Resources: &container.Resources{Memory: 32 << 20, MemorySwap: 32 << 20}})))

	// A job that is canceled in its script.
	at, err := x.ContainerAttach(ctx, build, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	x.must(err)
	defer at.Close()
	x.must(asked(x.ContainerStart(ctx, build, client.ContainerStartOptions{})))
	_, err = io.WriteString(at.Conn, "echo begun; exec sleep 1000\n")
	x.must(err)
	head := make([]byte, len("\x01\x00\x00\x00\x00\x00\x00\x06begun\n"))
	_, err = io.ReadFull(at.Reader, head)
	x.must(err)
	none := 0
	x.must(asked(x.ContainerStop(ctx, build, client.ContainerStopOptions{Timeout: &none})))
	if code := x.ended(build, container.WaitConditionNotRunning)(); code != 137 {
		t.Errorf("a canceled job: code %d", code)
	}
	logs, err := x.ContainerLogs(ctx, service, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true})
	x.must(read(logs, err))
	x.must(asked(x.NetworkDisconnect(ctx, "bridge", client.NetworkDisconnectOptions{Container: service, Force: true})))
	list, err := x.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", "job=1")})
	if err != nil || len(list.Items) != 5 {
		t.Errorf("the containers of the job: %d, %v", len(list.Items), err)
	}
	x.remove(build, helper, health, rights, service)
	for _, name := range []string{"builds", "cache"} {
		x.must(asked(x.VolumeRemove(ctx, name, client.VolumeRemoveOptions{Force: true})))
	}
}

// TestDronesEngine has a network and a volume for a pipeline, and a container for each step,
// which is looked at by its logs.
func TestDronesEngine(t *testing.T) {
	t.Parallel()
	x := newExecutor(t, "busybox", "nginx")
	ctx := t.Context()
	labels := map[string]string{"io.drone": "true"}
	x.must(asked(x.VolumeCreate(ctx, client.VolumeCreateOptions{Name: "drone-work", Driver: "local", Labels: labels})))
	made, err := x.NetworkCreate(ctx, "drone-net", client.NetworkCreateOptions{Driver: "bridge", Labels: labels})
	x.must(err)
	work := mount.Mount{Type: mount.TypeVolume, Source: "drone-work", Target: "/drone/src"}
	step := func(name, image string, commands ...string) string {
		c := &container.Config{Image: image, WorkingDir: "/drone/src", AttachStdout: true, AttachStderr: true, Env: []string{"DRONE_SCRIPT=" + strings.Join(commands, "\n")}}
		if len(commands) > 0 {
			c.Entrypoint, c.Cmd = []string{"/bin/sh", "-c"}, []string{`echo "$DRONE_SCRIPT" | /bin/sh -e`}
		}
		h := &container.HostConfig{Mounts: []mount.Mount{work}, ExtraHosts: []string{"other:192.0.2.1"}}
		id := x.create(name, c, h, made.ID)
		x.must(asked(x.ContainerStart(ctx, id, client.ContainerStartOptions{})))
		return id
	}
	says := func(id string) (string, int64) {
		logs, err := x.ContainerLogs(ctx, id, client.ContainerLogsOptions{Follow: true, ShowStdout: true, ShowStderr: true})
		x.must(err)
		var out strings.Builder
		_, err = stdcopy.StdCopy(&out, &out, logs)
		x.must(errors.Join(err, logs.Close()))
		code := x.ended(id, container.WaitConditionNotRunning)()
		info, err := x.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		x.must(err)
		if int64(info.Container.State.ExitCode) != code || info.Container.State.OOMKilled {
			t.Errorf("inspect: %+v, want code %d", info.Container.State, code)
		}
		return out.String(), code
	}
	ids := []string{step("Web", "nginx"), step("Clone", "busybox", "echo source >file", "touch -d @0 file")}
	if out, code := says(ids[1]); out != "" || code != 0 {
		t.Errorf("the first step: code %d, %q", code, out)
	}
	ids = append(ids, step("Test", "busybox", "cat file", "until wget -qO /dev/null http://web/; do sleep 0.1; done 2>/dev/null", "false", "echo never"))
	if out, code := says(ids[2]); out != "source\n" || code != 1 {
		t.Errorf("the second step: code %d, %q", code, out)
	}
	ids = append(ids, step("Long", "busybox", "sleep 1000"))
	for i, id := range ids {
		err := asked(x.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "9"}))
		if ended := i == 1 || i == 2; ended != (err != nil) || ended && !strings.Contains(err.Error(), "is not running") {
			t.Errorf("kill step %d: %v", i, err)
		}
	}
	x.remove(ids...)
	x.must(asked(x.VolumeRemove(ctx, "drone-work", client.VolumeRemoveOptions{Force: true})))
	x.must(asked(x.NetworkRemove(ctx, made.ID, client.NetworkRemoveOptions{})))
	if err := asked(x.ContainerInspect(ctx, ids[0], client.ContainerInspectOptions{})); err == nil || !strings.Contains(err.Error(), fmt.Sprint("No such container: ", ids[0])) {
		t.Errorf("inspect of what is gone: %v", err)
	}
}
