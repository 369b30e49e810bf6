package docker

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"tiffin/engine"
)

// socketWarning is told who gives a container the engine's socket.
const socketWarning = "the container has the engine's socket: who gets into it is root on the host"

// usualSockets are where the socket of dockerd is. Clients in containers, which see the
// engine's there, mount it from there into those that they make (Testcontainers its reaper).
var usualSockets = []string{"/var/run/docker.sock", "/run/docker.sock"}

func (s *Server) socket() string { return filepath.Join(s.cfg.RunRoot, "tiffin.sock") }

// leadToSocket gives containers the engine's socket where another place is meant by it
// and nothing is there: of a source that is missing, a folder would be made.
func (s *Server) leadToSocket(spec *engine.ContainerSpec, usual []string) {
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if m.Type != engine.MountBind || !slices.Contains(usual, m.Source) {
			continue
		}
		if _, err := os.Lstat(m.Source); errors.Is(err, os.ErrNotExist) {
			m.Source = s.socket()
		}
	}
}

// hasSocket says that a container gets the engine's socket, also by a link that leads to it.
func (s *Server) hasSocket(spec *engine.ContainerSpec) bool {
	its, err := os.Stat(s.socket())
	if err != nil {
		return false
	}
	return slices.ContainsFunc(spec.Mounts, func(m engine.Mount) bool {
		if m.Type != engine.MountBind {
			return false
		}
		there, err := os.Stat(m.Source)
		return err == nil && os.SameFile(there, its)
	})
}
