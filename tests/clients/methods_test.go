package clients

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"tiffin/tests/harness"
)

// world is where the methods are called: a container that runs, and one that does not.
type world struct {
	*client.Client

	idle, running string
	exec          string
}

// method is a method of the client: what it is to come to, and a call of it.
type method struct {
	name string
	// want is empty when the call is to end well; else it is the status that the engine
	// answers with, and a part of its message.
	want string
	call func(ctx context.Context, w *world) error
}

const (
	noSwarm     = "503 This node is not a swarm manager."
	noSwarmMode = "501 Error response from daemon: swarm mode is not supported by tiffin"
)

// TestMethods calls every method of the Go client. The order is a life: later ones use what
// earlier ones made.
func TestMethods(t *testing.T) {
	e := engine(t, harness.Registry(t), "busybox")
	before := e.Snapshot(t)
	heard := &statuses{}
	cli, err := client.New(client.WithHost(e.DockerHost()), client.WithHTTPResponseHook(heard.note))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Client: cli}
	for _, m := range methods {
		heard.last = 0
		err := m.call(t.Context(), w)
		got := ""
		if err != nil {
			got = fmt.Sprintf("%d %v", heard.last, err)
		}
		status, text, _ := strings.Cut(m.want, " ")
		if m.want == "" && err != nil || !strings.HasPrefix(got, status) || !strings.Contains(got, text) {
			t.Errorf("%s: got %q, want %q", m.name, got, m.want)
		}
	}
	if err := cli.Close(); err != nil {
		t.Error(err)
	}
	e.NothingLeft(t, before)
}

// TestEveryMethodIsInTheTable fails when a client has methods that nobody has called.
func TestEveryMethodIsInTheTable(t *testing.T) {
	var named []string
	for _, m := range methods {
		named = append(named, m.name)
	}
	for m := range reflect.TypeFor[*client.Client]().Methods() {
		if !slices.Contains(named, m.Name) && !slices.Contains(withoutCalls, m.Name) {
			t.Errorf("the client has a method %s, which is not called here", m.Name)
		}
	}
}

// withoutCalls are methods that ask the engine nothing, or that others here go through.
var withoutCalls = []string{"ClientVersion", "Close", "DaemonHost", "Dialer"}

// statuses keeps the status of the last answer.
type statuses struct{ last int }

func (s *statuses) note(r *http.Response) { s.last = r.StatusCode }

// read takes an answer to its end.
func read(body io.ReadCloser, err error) error {
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, body)
	return errors.Join(err, body.Close())
}

// asked leaves the answer.
func asked[T any](_ T, err error) error { return err }

func wants(what string, ok bool, got any) error { //nolint:revive // it is what was looked at
	if ok {
		return nil
	}
	return fmt.Errorf("want %s, got %+v", what, got)
}

// heard waits for an event of a further process.
func heard(told client.EventsResult, action events.Action, exec string) error {
	for {
		select {
		case ev := <-told.Messages:
			if ev.Action == action && ev.Actor.Attributes["execID"] == exec {
				return nil
			}
		case err := <-told.Err:
			return err
		case <-time.After(patience):
			return fmt.Errorf("%s of %s was not told of", action, exec)
		}
	}
}

func tarOf(name, content string) io.Reader {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	_ = t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}) // into memory
	_, _ = t.Write([]byte(content))
	_ = t.Close()
	return &b
}

func create(ctx context.Context, w *world, name string, cmd ...string) (string, error) {
	got, err := w.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: name, Config: &container.Config{Image: "busybox", Cmd: cmd, OpenStdin: true}, HostConfig: &container.HostConfig{},
		NetworkingConfig: &network.NetworkingConfig{},
	})
	return got.ID, err
}

var methods = slices.Concat(systemMethods, containerMethods, execMethods, imageMethods, networkMethods, volumeMethods, swarmMethods, lastMethods)

var systemMethods = []method{
	{"Ping", "", func(ctx context.Context, w *world) error {
		got, err := w.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
		return errors.Join(err, wants("linux", got.OSType == "linux", got))
	}},
	{"ServerVersion", "", func(ctx context.Context, w *world) error {
		got, err := w.ServerVersion(ctx, client.ServerVersionOptions{})
		return errors.Join(err, wants("versions", got.APIVersion != "" && got.MinAPIVersion != "", got))
	}},
	{"Info", "", func(ctx context.Context, w *world) error {
		got, err := w.Info(ctx, client.InfoOptions{})
		return errors.Join(err, wants("an image", got.Info.Images > 0, got.Info))
	}},
	{"Events", "", func(ctx context.Context, w *world) error {
		got := w.Events(ctx, client.EventsListOptions{Since: "1", Until: "2"})
		for {
			select {
			case <-got.Messages:
			case err := <-got.Err:
				if errors.Is(err, io.EOF) {
					err = nil
				}
				return err
			}
		}
	}},
	{"DialHijack", "404 ", func(ctx context.Context, w *world) error {
		return asked(w.DialHijack(ctx, "/nosuch", "h2c", nil))
	}},
	{"DiskUsage", "", func(ctx context.Context, w *world) error {
		return asked(w.DiskUsage(ctx, client.DiskUsageOptions{}))
	}},
	{"RegistryLogin", "50", func(ctx context.Context, w *world) error {
		return asked(w.RegistryLogin(ctx, client.RegistryLoginOptions{Username: "a", Password: "b", ServerAddress: "127.0.0.1:1"}))
	}},
}

var containerMethods = []method{
	{"ContainerCreate", "", func(ctx context.Context, w *world) (err error) {
		if w.idle, err = create(ctx, w, "idle", "true"); err != nil {
			return err
		}
		w.running, err = create(ctx, w, "running", "sh", "-c", "echo hello; cat; sleep 1000")
		return err
	}},
	{"ContainerStart", "", func(ctx context.Context, w *world) error {
		return asked(w.ContainerStart(ctx, w.running, client.ContainerStartOptions{}))
	}},
	{"ContainerInspect", "", func(ctx context.Context, w *world) error {
		got, err := w.ContainerInspect(ctx, w.running, client.ContainerInspectOptions{})
		return errors.Join(err, wants("running", err == nil && got.Container.State.Running, got))
	}},
	{"ContainerInspect", "404 No such container: nosuch", func(ctx context.Context, w *world) error {
		return asked(w.ContainerInspect(ctx, "nosuch", client.ContainerInspectOptions{}))
	}},
	{"ContainerList", "", func(ctx context.Context, w *world) error {
		got, err := w.ContainerList(ctx, client.ContainerListOptions{All: true})
		return errors.Join(err, wants("two containers", len(got.Items) == 2, got))
	}},
	{"ContainerAttach", "", func(ctx context.Context, w *world) error {
		got, err := w.ContainerAttach(ctx, w.running, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Logs: true})
		if err != nil {
			return err
		}
		defer got.Close()
		if _, err := io.WriteString(got.Conn, "typed\n"); err != nil {
			return err
		}
		const frames = "\x01\x00\x00\x00\x00\x00\x00\x06hello\n\x01\x00\x00\x00\x00\x00\x00\x06typed\n"
		said := make([]byte, len(frames))
		_, err = io.ReadFull(got.Reader, said)
		return errors.Join(err, wants("two frames", string(said) == frames, string(said)))
	}},
	{"ContainerLogs", "", func(ctx context.Context, w *world) error {
		return read(w.ContainerLogs(ctx, w.running, client.ContainerLogsOptions{ShowStdout: true, Tail: "1"}))
	}},
	{"ContainerTop", "", func(ctx context.Context, w *world) error {
		got, err := w.ContainerTop(ctx, w.running, client.ContainerTopOptions{})
		return errors.Join(err, wants("a process", len(got.Processes) > 0, got))
	}},
	{"ContainerStats", "", func(ctx context.Context, w *world) error {
		got, err := w.ContainerStats(ctx, w.running, client.ContainerStatsOptions{})
		return read(got.Body, err)
	}},
	{"ContainerDiff", "", func(ctx context.Context, w *world) error {
		return asked(w.ContainerDiff(ctx, w.running, client.ContainerDiffOptions{}))
	}},
	{"ContainerResize", "", func(ctx context.Context, w *world) error {
		return asked(w.ContainerResize(ctx, w.running, client.ContainerResizeOptions{Height: 20, Width: 70}))
	}},
	{"ContainerPause", "", func(ctx context.Context, w *world) error {
		return asked(w.ContainerPause(ctx, w.running, client.ContainerPauseOptions{}))
	}},
	{"ContainerPause", "409 is already paused", func(ctx context.Context, w *world) error {
		return asked(w.ContainerPause(ctx, w.running, client.ContainerPauseOptions{}))
	}},
	{"ContainerUnpause", "", func(ctx context.Context, w *world) error {
		return asked(w.ContainerUnpause(ctx, w.running, client.ContainerUnpauseOptions{}))
	}},
	{"ContainerRename", "", func(ctx context.Context, w *world) error {
		return asked(w.ContainerRename(ctx, w.idle, client.ContainerRenameOptions{NewName: "renamed"}))
	}},
	{"ContainerRename", "409 already in use", func(ctx context.Context, w *world) error {
		return asked(w.ContainerRename(ctx, w.idle, client.ContainerRenameOptions{NewName: "running"}))
	}},
	{"ContainerUpdate", "", func(ctx context.Context, w *world) error {
		return asked(w.ContainerUpdate(ctx, w.running, client.ContainerUpdateOptions{Resources: &container.Resources{CPUShares: 512}}))
	}},
	{"ContainerStatPath", "", func(ctx context.Context, w *world) error {
		got, err := w.ContainerStatPath(ctx, w.running, client.ContainerStatPathOptions{Path: "/etc"})
		return errors.Join(err, wants("a folder", got.Stat.Mode.IsDir() && got.Stat.Name == "etc", got))
	}},
	{"CopyToContainer", "", func(ctx context.Context, w *world) error {
		return asked(w.CopyToContainer(ctx, w.idle, client.CopyToContainerOptions{DestinationPath: "/tmp", Content: tarOf("given", "x")}))
	}},
	{"CopyFromContainer", "", func(ctx context.Context, w *world) error {
		got, err := w.CopyFromContainer(ctx, w.idle, client.CopyFromContainerOptions{SourcePath: "/tmp/given"})
		return errors.Join(read(got.Content, err), wants("a file of one byte", got.Stat.Size == 1, got.Stat))
	}},
	{"CopyFromContainer", "404 Could not find the file /nosuch in container", func(ctx context.Context, w *world) error {
		return asked(w.CopyFromContainer(ctx, w.idle, client.CopyFromContainerOptions{SourcePath: "/nosuch"}))
	}},
	{"ContainerExport", "", func(ctx context.Context, w *world) error {
		return read(w.ContainerExport(ctx, w.idle, client.ContainerExportOptions{}))
	}},
	{"ContainerCommit", "", func(ctx context.Context, w *world) error {
		err := asked(w.ContainerCommit(ctx, w.idle, client.ContainerCommitOptions{Reference: "committed"}))
		if err != nil {
			return err
		}
		return asked(w.ImageRemove(ctx, "committed", client.ImageRemoveOptions{}))
	}},
	{"CheckpointCreate", "501 checkpoints", func(ctx context.Context, w *world) error {
		return asked(w.CheckpointCreate(ctx, w.running, client.CheckpointCreateOptions{CheckpointID: "a"}))
	}},
	{"CheckpointList", "501 checkpoints", func(ctx context.Context, w *world) error {
		return asked(w.CheckpointList(ctx, w.running, client.CheckpointListOptions{}))
	}},
	{"CheckpointRemove", "501 checkpoints", func(ctx context.Context, w *world) error {
		return asked(w.CheckpointRemove(ctx, w.running, client.CheckpointRemoveOptions{CheckpointID: "a"}))
	}},
}

var execMethods = []method{
	{"ExecCreate", "", func(ctx context.Context, w *world) error {
		got, err := w.ExecCreate(ctx, w.running, client.ExecCreateOptions{Cmd: []string{"sh", "-c", "stty size; exit 5"}, TTY: true, AttachStdout: true})
		w.exec = got.ID
		return err
	}},
	{"ExecCreate", "409 is not running", func(ctx context.Context, w *world) error {
		return asked(w.ExecCreate(ctx, w.idle, client.ExecCreateOptions{Cmd: []string{"true"}}))
	}},
	{"ExecAttach", "", func(ctx context.Context, w *world) error {
		got, err := w.ExecAttach(ctx, w.exec, client.ExecAttachOptions{TTY: true, ConsoleSize: client.ConsoleSize{Height: 22, Width: 77}})
		if err != nil {
			return err
		}
		defer got.Close()
		said, err := io.ReadAll(got.Reader)
		return errors.Join(err, wants("the terminal's size", string(said) == "22 77\r\n", string(said)))
	}},
	{"ExecInspect", "", func(ctx context.Context, w *world) error {
		got, err := w.ExecInspect(ctx, w.exec, client.ExecInspectOptions{})
		return errors.Join(err, wants("exit code 5", !got.Running && got.ExitCode == 5, got))
	}},
	{"ExecAttach", "", func(ctx context.Context, w *world) error {
		made, err := w.ExecCreate(ctx, w.running, client.ExecCreateOptions{Cmd: []string{"cat"}, TTY: true, AttachStdin: true, AttachStdout: true})
		if err != nil {
			return err
		}
		got, err := w.ExecAttach(ctx, made.ID, client.ExecAttachOptions{TTY: true})
		if err != nil {
			return err
		}
		defer got.Close()
		_, err = io.WriteString(got.Conn, "\x10\x11")
		told := w.Events(ctx, client.EventsListOptions{Since: "0", Filters: make(client.Filters).Add("event", "exec_detach")})
		return errors.Join(err, read(io.NopCloser(got.Reader), nil), heard(told, "exec_detach", made.ID))
	}},
	{"ExecInspect", "404 No such exec instance: nosuch", func(ctx context.Context, w *world) error {
		return asked(w.ExecInspect(ctx, "nosuch", client.ExecInspectOptions{}))
	}},
	{"ExecStart", "409 has already run", func(ctx context.Context, w *world) error {
		return asked(w.ExecStart(ctx, w.exec, client.ExecStartOptions{}))
	}},
	{"ExecStart", "", func(ctx context.Context, w *world) error {
		got, err := w.ExecCreate(ctx, w.running, client.ExecCreateOptions{Cmd: []string{"sleep", "1000"}, TTY: true})
		w.exec = got.ID
		return errors.Join(err, asked(w.ExecStart(ctx, w.exec, client.ExecStartOptions{Detach: true, TTY: true})))
	}},
	{"ExecResize", "", func(ctx context.Context, w *world) error {
		return asked(w.ExecResize(ctx, w.exec, client.ExecResizeOptions{Height: 20, Width: 70}))
	}},
}

var imageMethods = []method{
	{"ImageList", "", func(ctx context.Context, w *world) error {
		return asked(w.ImageList(ctx, client.ImageListOptions{}))
	}},
	{"ImageInspect", "", func(ctx context.Context, w *world) error { return asked(w.ImageInspect(ctx, "busybox")) }},
	{"ImageInspect", "404 No such image: nosuch", func(ctx context.Context, w *world) error { return asked(w.ImageInspect(ctx, "nosuch")) }},
	{"ImageHistory", "", func(ctx context.Context, w *world) error { return asked(w.ImageHistory(ctx, "busybox")) }},
	{"ImageAttestations", "0 requires API version 1.55", func(ctx context.Context, w *world) error { return asked(w.ImageAttestations(ctx, "busybox")) }},
	{"ImageTag", "", func(ctx context.Context, w *world) error {
		return asked(w.ImageTag(ctx, client.ImageTagOptions{Source: "busybox", Target: "mine:1"}))
	}},
	{"ImageRemove", "", func(ctx context.Context, w *world) error {
		return asked(w.ImageRemove(ctx, "mine:1", client.ImageRemoveOptions{})) // a name of two
	}},
	// What was loaded is a manifest, where the registry's name leads to an index: the same image by two targets, and a
	// container uses it.
	{"ImageLoad", "", func(ctx context.Context, w *world) error {
		if err := asked(w.ImageTag(ctx, client.ImageTagOptions{Source: "busybox", Target: "loaded:1"})); err != nil {
			return err
		}
		saved, err := w.ImageSave(ctx, []string{"loaded:1"})
		if err != nil {
			return err
		}
		defer func() { _ = saved.Close() }()
		if err := read(w.ImageLoad(ctx, saved)); err != nil {
			return err
		}
		return errors.Join(asked(w.ImageRemove(ctx, "loaded:1", client.ImageRemoveOptions{})), asked(w.ImageInspect(ctx, "busybox")))
	}},
	{"ImageSave", "", func(ctx context.Context, w *world) error {
		return read(w.ImageSave(ctx, []string{"busybox"}))
	}},
	{"ImageLoad", "", func(ctx context.Context, w *world) error {
		saved, err := w.ImageSave(ctx, []string{"busybox"})
		if err != nil {
			return err
		}
		defer func() { _ = saved.Close() }()
		return read(w.ImageLoad(ctx, saved))
	}},
	{"ImageImport", "", func(ctx context.Context, w *world) error {
		err := read(w.ImageImport(ctx, client.ImageImportSource{Source: tarOf("a", "x"), SourceName: "-"}, "imported:1", client.ImageImportOptions{}))
		return errors.Join(err, asked(w.ImageRemove(ctx, "imported:1", client.ImageRemoveOptions{})))
	}},
	{"ImagePull", "", func(ctx context.Context, w *world) error {
		return read(w.ImagePull(ctx, "busybox", client.ImagePullOptions{}))
	}},
	{"ImagePush", "404 An image does not exist locally with the tag", func(ctx context.Context, w *world) error {
		return read(w.ImagePush(ctx, "127.0.0.1:1/nosuch:1", client.ImagePushOptions{RegistryAuth: "e30="}))
	}},
	{"ImageSearch", "501 searching for images", func(ctx context.Context, w *world) error {
		return asked(w.ImageSearch(ctx, "busybox", client.ImageSearchOptions{}))
	}},
	{"ImagePrune", "", func(ctx context.Context, w *world) error {
		return asked(w.ImagePrune(ctx, client.ImagePruneOptions{}))
	}},
	{"ImageBuild", "", func(ctx context.Context, w *world) error {
		got, err := w.ImageBuild(ctx, tarOf("Dockerfile", "FROM busybox\nENV a=b\n"), client.ImageBuildOptions{Tags: []string{"built:1"}})
		if err := read(got.Body, err); err != nil {
			return err
		}
		return asked(w.ImageRemove(ctx, "built:1", client.ImageRemoveOptions{}))
	}},
	{"BuildCancel", "", func(ctx context.Context, w *world) error {
		return asked(w.BuildCancel(ctx, "nosuch", client.BuildCancelOptions{}))
	}},
	{"BuildCachePrune", "", func(ctx context.Context, w *world) error {
		return asked(w.BuildCachePrune(ctx, client.BuildCachePruneOptions{All: true}))
	}},
	{"DistributionInspect", "", func(ctx context.Context, w *world) error {
		return asked(w.DistributionInspect(ctx, "busybox", client.DistributionInspectOptions{}))
	}},
}

var networkMethods = []method{
	{"NetworkCreate", "", func(ctx context.Context, w *world) error {
		return asked(w.NetworkCreate(ctx, "net", client.NetworkCreateOptions{Driver: "bridge"}))
	}},
	{"NetworkList", "", func(ctx context.Context, w *world) error {
		got, err := w.NetworkList(ctx, client.NetworkListOptions{})
		return errors.Join(err, wants("bridge, host, none and ours", len(got.Items) == 4, got))
	}},
	{"NetworkInspect", "", func(ctx context.Context, w *world) error {
		return asked(w.NetworkInspect(ctx, "net", client.NetworkInspectOptions{}))
	}},
	{"NetworkInspect", "404 network nosuch not found", func(ctx context.Context, w *world) error {
		return asked(w.NetworkInspect(ctx, "nosuch", client.NetworkInspectOptions{}))
	}},
	{"NetworkConnect", "", func(ctx context.Context, w *world) error {
		return asked(w.NetworkConnect(ctx, "net", client.NetworkConnectOptions{
			Container: w.running, EndpointConfig: &network.EndpointSettings{Aliases: []string{"alias"}},
		}))
	}},
	{"NetworkRemove", "403 has active endpoints", func(ctx context.Context, w *world) error {
		return asked(w.NetworkRemove(ctx, "net", client.NetworkRemoveOptions{}))
	}},
	{"NetworkDisconnect", "", func(ctx context.Context, w *world) error {
		return asked(w.NetworkDisconnect(ctx, "net", client.NetworkDisconnectOptions{Container: w.running}))
	}},
	{"NetworkRemove", "", func(ctx context.Context, w *world) error {
		return asked(w.NetworkRemove(ctx, "net", client.NetworkRemoveOptions{}))
	}},
	{"NetworkPrune", "", func(ctx context.Context, w *world) error {
		return asked(w.NetworkPrune(ctx, client.NetworkPruneOptions{}))
	}},
}

var volumeMethods = []method{
	{"VolumeCreate", "", func(ctx context.Context, w *world) error {
		return asked(w.VolumeCreate(ctx, client.VolumeCreateOptions{Name: "vol", Labels: map[string]string{"a": "b"}}))
	}},
	{"VolumeList", "", func(ctx context.Context, w *world) error {
		got, err := w.VolumeList(ctx, client.VolumeListOptions{})
		return errors.Join(err, wants("one", len(got.Items) == 1, got))
	}},
	{"VolumeInspect", "", func(ctx context.Context, w *world) error {
		return asked(w.VolumeInspect(ctx, "vol", client.VolumeInspectOptions{}))
	}},
	{"VolumeInspect", "404 no such volume", func(ctx context.Context, w *world) error {
		return asked(w.VolumeInspect(ctx, "nosuch", client.VolumeInspectOptions{}))
	}},
	{"VolumeUpdate", "50", func(ctx context.Context, w *world) error {
		return asked(w.VolumeUpdate(ctx, "vol", client.VolumeUpdateOptions{}))
	}},
	{"VolumeRemove", "", func(ctx context.Context, w *world) error {
		return asked(w.VolumeRemove(ctx, "vol", client.VolumeRemoveOptions{}))
	}},
	{"VolumePrune", "", func(ctx context.Context, w *world) error {
		return asked(w.VolumePrune(ctx, client.VolumePruneOptions{All: true}))
	}},
}

// lastMethods end what earlier ones made.
var lastMethods = []method{
	{"ContainerKill", "", func(ctx context.Context, w *world) error {
		return asked(w.ContainerKill(ctx, w.running, client.ContainerKillOptions{Signal: "KILL"}))
	}},
	{"ContainerWait", "", func(ctx context.Context, w *world) error {
		got := w.ContainerWait(ctx, w.running, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
		select {
		case end := <-got.Result:
			return wants("exit code 137", end.StatusCode == 137, end)
		case err := <-got.Error:
			return err
		}
	}},
	{"ContainerKill", "409 is not running", func(ctx context.Context, w *world) error {
		return asked(w.ContainerKill(ctx, w.running, client.ContainerKillOptions{}))
	}},
	{"ContainerRestart", "", func(ctx context.Context, w *world) error {
		none := 0
		return asked(w.ContainerRestart(ctx, w.running, client.ContainerRestartOptions{Timeout: &none}))
	}},
	{"ContainerRemove", "409 stop the container before removing or force remove", func(ctx context.Context, w *world) error {
		return asked(w.ContainerRemove(ctx, w.running, client.ContainerRemoveOptions{}))
	}},
	{"ContainerStop", "", func(ctx context.Context, w *world) error {
		none := 0
		return asked(w.ContainerStop(ctx, w.running, client.ContainerStopOptions{Timeout: &none}))
	}},
	{"ContainerRemove", "", func(ctx context.Context, w *world) error {
		return asked(w.ContainerRemove(ctx, w.running, client.ContainerRemoveOptions{RemoveVolumes: true}))
	}},
	{"ContainerPrune", "", func(ctx context.Context, w *world) error {
		got, err := w.ContainerPrune(ctx, client.ContainerPruneOptions{})
		return errors.Join(err, wants("the idle one", slices.Equal(got.Report.ContainersDeleted, []string{w.idle}), got))
	}},
}
