// Package apisocket gives services the engine's socket.
//
// Those that ask for it by use_api_socket have it mounted; of those that mount it themselves
// the user is told: who has the socket is root on the host.
package apisocket

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"tiffin/engine"
)

// Socket is where containers look for it.
const Socket = "/var/run/docker.sock"

// The caller's logins are in a folder of their own, which a variable names.
const (
	configVar    = "DOCKER_CONFIG"
	configFolder = "/run/secrets/docker"
	configFile   = configFolder + "/config.json"
)

// Host is what is asked of who calls.
type Host struct {
	// Engine is the engine's socket.
	Engine string
	// Logins makes a configuration file of the caller's logins.
	Logins func(ctx context.Context) ([]byte, error)
	Warn   func(text string)
}

// Offer puts the socket and the logins into the services that ask for them, and warns of
// each that has the socket.
func Offer(ctx context.Context, h Host, stack *engine.Stack) {
	logins := sync.OnceValue(func() []byte {
		text, err := h.Logins(ctx)
		if err != nil {
			h.Warn(err.Error())
		}
		return text
	})
	for i := range stack.Services {
		s := &stack.Services[i]
		if s.APISocket {
			s.APISocket = false // it is done
			h.mount(&s.Container, logins)
		}
		if slices.ContainsFunc(s.Container.Mounts, func(m engine.Mount) bool { return m.Type == engine.MountBind && leadsTo(m.Source, h.Engine) }) {
			h.Warn(fmt.Sprintf("service %q has the engine's socket: who gets into its container is root on this host", s.Name))
		}
		h.absent(s)
	}
}

// mount gives one service the socket, and the logins unless it has some.
func (h Host) mount(s *engine.ContainerSpec, logins func() []byte) {
	if !slices.ContainsFunc(s.Mounts, func(m engine.Mount) bool { return m.Target == Socket }) {
		s.Mounts = append(s.Mounts, engine.Mount{Type: engine.MountBind, Source: h.Engine, Target: Socket})
	}
	if !has(s.Env, configVar) {
		give(s, logins())
	}
}

// absent keeps a folder from being made where another program is to listen one day: that
// is what becomes of the source of a short mount that is not there.
func (h Host) absent(s *engine.Service) {
	for i := range s.Container.Mounts {
		m := &s.Container.Mounts[i]
		if m.Type != engine.MountBind || m.Source != Socket && m.Source != "/run/docker.sock" {
			continue
		}
		if _, err := os.Stat(m.Source); err == nil {
			continue
		}
		m.CreateHostPath = false
		h.Warn(fmt.Sprintf("service %q mounts %s, which is not there: mount %s in its place, write use_api_socket: true, or run `tiffin engine --docker-socket`",
			s.Name, m.Source, h.Engine))
	}
}

func has(env []string, name string) bool {
	return slices.ContainsFunc(env, func(e string) bool { return e == name || strings.HasPrefix(e, name+"=") })
}

// give puts the logins where the variable says.
func give(c *engine.ContainerSpec, logins []byte) {
	const all = 0o444 // as other secrets: whoever the service runs as
	c.Env = append(slices.Clip(c.Env), configVar+"="+configFolder)
	c.Files = append(slices.Clip(c.Files), engine.FileMount{
		Kind: engine.FileSecret, Name: "#apisocket", Target: configFile, Content: logins, Mode: all,
	})
}

// leadsTo says that a path is the socket, also by links.
func leadsTo(path, socket string) bool {
	if filepath.Clean(path) == socket {
		return true
	}
	there, err := os.Stat(path)
	if err != nil {
		return false
	}
	its, err := os.Stat(socket)
	return err == nil && os.SameFile(there, its)
}
