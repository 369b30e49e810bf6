package ocispec

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func TestImageConfig(t *testing.T) {
	t.Parallel()
	check := &engine.Healthcheck{Test: []string{"CMD", "ok"}, Retries: 7}
	image := engine.ImageConfig{
		Entrypoint: []string{"/run"}, Cmd: []string{"serve"}, Env: []string{"A=1", "B=2", "C=3"}, WorkingDir: "/srv", User: "app", StopSignal: "SIGINT",
		Labels: map[string]string{"a": "1", "b": "2"}, Expose: []string{"80/tcp"}, Volumes: []string{"/data"}, Shell: []string{"/bin/bash", "-c"}, Healthcheck: check,
	}
	for name, c := range map[string]struct {
		spec   engine.ContainerSpec
		mounts []engine.MountPoint
		want   func(*engine.ImageConfig)
	}{
		"as its image": {engine.ContainerSpec{Healthcheck: Healthcheck(nil, check)}, nil, func(*engine.ImageConfig) {}},
		"a command": {engine.ContainerSpec{Cmd: []string{"x"}, Healthcheck: Healthcheck(nil, check)}, nil, func(w *engine.ImageConfig) {
			w.Cmd = []string{"x"}
		}},
		"an entrypoint": {engine.ContainerSpec{Entrypoint: []string{"e"}, Healthcheck: Healthcheck(nil, check)}, nil, func(w *engine.ImageConfig) {
			w.Entrypoint, w.Cmd = []string{"e"}, nil
		}},
		"no entrypoint": {engine.ContainerSpec{Entrypoint: []string{""}, Cmd: []string{"x"}, Healthcheck: Healthcheck(nil, check)}, nil, func(w *engine.ImageConfig) {
			w.Entrypoint, w.Cmd = nil, []string{"x"}
		}},
		"all": {
			engine.ContainerSpec{
				Env: []string{"B=x", "C", "D=y"}, WorkingDir: "/w", User: "1:2", StopSignal: "SIGKILL", Labels: map[string]string{"b": "x", "c": "y"},
				Expose: []string{"9/udp"}, Ports: []engine.PortBinding{{ContainerPort: 80, Protocol: "tcp"}, {ContainerPort: 81, HostPort: 8081}},
				Healthcheck: &engine.Healthcheck{Test: []string{"CMD", "other"}, Interval: engine.Duration(time.Second)},
			},
			[]engine.MountPoint{{Destination: "/named"}, {Destination: "/anonymous", Anonymous: true}, {Destination: "/data", Anonymous: true}},
			func(w *engine.ImageConfig) {
				w.Env, w.WorkingDir, w.User, w.StopSignal = []string{"A=1", "B=x", "D=y"}, "/w", "1:2", "SIGKILL"
				w.Labels = map[string]string{"a": "1", "b": "x", "c": "y"}
				w.Expose, w.Volumes = []string{"80/tcp", "81/tcp", "9/udp"}, []string{"/anonymous", "/data"}
				w.Healthcheck = &engine.Healthcheck{Test: []string{"CMD", "other"}, Interval: engine.Duration(time.Second)}
			},
		},
		"its check switched off": {engine.ContainerSpec{}, nil, func(w *engine.ImageConfig) { w.Healthcheck = &engine.Healthcheck{Test: []string{"NONE"}} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := image
			c.want(&want)
			of := image
			of.OnBuild = []string{"RUN x"}
			if diff := cmp.Diff(want, ImageConfig(&engine.Container{Spec: c.spec, Image: of, Mounts: c.mounts})); diff != "" {
				t.Error(diff)
			}
		})
	}
}
