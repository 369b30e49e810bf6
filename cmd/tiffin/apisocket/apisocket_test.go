package apisocket

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func TestOffer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket, link, other := filepath.Join(dir, "s"), filepath.Join(dir, "l"), filepath.Join(dir, "o")
	l, err := net.Listen("unix", socket)
	if err := errors.Join(err, os.Symlink(socket, link), os.WriteFile(other, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // of a test
	bind := func(source string) []engine.Mount {
		return []engine.Mount{{Type: engine.MountBind, Source: source, Target: "/x"}}
	}
	stack := &engine.Stack{Services: []engine.Service{
		{Name: "asks", APISocket: true, Container: engine.ContainerSpec{Env: []string{"A=b"}, Mounts: bind(other)}},
		{Name: "asks, with a folder", APISocket: true, Container: engine.ContainerSpec{Env: []string{"DOCKER_CONFIG=/mine"}}},
		{Name: "mounts it", Container: engine.ContainerSpec{Mounts: bind(socket)}},
		{Name: "mounts a link", Container: engine.ContainerSpec{Mounts: bind(link)}},
		{Name: "mounts another", Container: engine.ContainerSpec{Mounts: bind(other)}},
		{Name: "has nothing"},
	}}
	var warned []string
	asked := 0
	Offer(t.Context(), Host{Engine: socket, Warn: func(s string) { warned = append(warned, s) }, Logins: func(context.Context) ([]byte, error) {
		asked++
		return []byte("{}"), errors.New("one is locked")
	}}, stack)
	const root = " has the engine's socket: who gets into its container is root on this host"
	if diff := cmp.Diff([]string{
		"one is locked", `service "asks"` + root, `service "asks, with a folder"` + root, `service "mounts it"` + root, `service "mounts a link"` + root,
	}, warned); diff != "" {
		t.Error(diff)
	}
	given := engine.Mount{Type: engine.MountBind, Source: socket, Target: Socket}
	want := []engine.ContainerSpec{
		{
			Env: []string{"A=b", "DOCKER_CONFIG=/run/secrets/docker"}, Mounts: append(bind(other), given),
			Files: []engine.FileMount{{Kind: engine.FileSecret, Name: "#apisocket", Target: "/run/secrets/docker/config.json", Content: []byte("{}"), Mode: 0o444}},
		},
		{Env: []string{"DOCKER_CONFIG=/mine"}, Mounts: []engine.Mount{given}},
		{Mounts: bind(socket)},
		{Mounts: bind(link)},
		{Mounts: bind(other)},
		{},
	}
	for i := range want {
		if diff := cmp.Diff(want[i], stack.Services[i].Container); diff != "" {
			t.Errorf("%s: %s", stack.Services[i].Name, diff)
		}
	}
	if asked != 1 {
		t.Errorf("asked for logins %d times", asked)
	}
}
