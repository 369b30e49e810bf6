package docker

import (
	"errors"
	"net/http"

	"tiffin/engine"
	"tiffin/engine/docker/shape"
)

// refusals answers what dockerd without a swarm, and tiffin, do not do.
func (s *Server) refusals() {
	noSwarm := func(*http.Request) (any, error) {
		return nil, shape.ErrNoSwarm
	}
	for _, root := range []string{"/swarm", "/services", "/tasks", "/nodes", "/secrets", "/configs"} {
		s.handle(root, noSwarm)
		s.handle(root+"/{rest...}", noSwarm)
	}
	for _, pattern := range []string{"POST /swarm/init", "POST /swarm/join"} {
		s.refuse(pattern, "swarm mode")
	}
	s.handle("GET /plugins", func(*http.Request) (any, error) { return []struct{}{}, nil })
	s.refuse("/plugins/{rest...}", "plugins")
	s.refuse("GET /images/search", "searching for images")
	s.refuse("GET /containers/{id}/attach/ws", "attaching by websocket")
	s.refuse("/containers/{id}/checkpoints", "checkpoints")
	s.refuse("/containers/{id}/checkpoints/{rest...}", "checkpoints")
	s.handle("/", func(*http.Request) (any, error) {
		return nil, engine.Problem(engine.ErrNotFound, errors.New("page not found"))
	})
}

func (s *Server) refuse(pattern, what string) {
	s.handle(pattern, func(*http.Request) (any, error) {
		return nil, engine.Problem(engine.ErrUnsupported, errors.New(what+" is not supported by tiffin"))
	})
}
