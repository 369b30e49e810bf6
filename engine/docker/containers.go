package docker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/docker/shape"
)

func (s *Server) containerRoutes() {
	s.handle("GET /containers/json", s.listContainers)
	s.handle("POST /containers/create", s.createContainer)
	s.handle("POST /containers/prune", s.pruneContainers)
	s.handle("GET /containers/{id}/json", s.inspectContainer)
	s.handle("GET /containers/{id}/top", s.top)
	s.handle("POST /containers/{id}/start", s.start)
	s.handle("POST /containers/{id}/stop", s.stop)
	s.handle("POST /containers/{id}/restart", s.restart)
	s.handle("POST /containers/{id}/kill", s.kill)
	s.handle("POST /containers/{id}/pause", s.pause)
	s.handle("POST /containers/{id}/unpause", s.unpause)
	s.handle("POST /containers/{id}/rename", s.rename)
	s.handle("POST /containers/{id}/update", s.update)
	s.handle("POST /containers/{id}/resize", s.resize)
	s.handle("DELETE /containers/{id}", s.removeContainer)
	s.stream("POST /containers/{id}/wait", s.wait)
	s.stream("GET /containers/{id}/logs", s.logs)
	s.stream("POST /containers/{id}/attach", s.attach)
}

// all lists the containers.
func (s *Server) all(ctx context.Context) ([]engine.Container, error) {
	return s.b.List(ctx, &call.ListRequest{All: true, OneOffs: true})
}

func (s *Server) places() shape.Places {
	return shape.Places{Data: filepath.Join(s.cfg.DataRoot, "containers"), Run: filepath.Join(s.cfg.RunRoot, "containers")}
}

func (s *Server) inspectContainer(r *http.Request) (any, error) {
	c, err := s.b.Inspect(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	sizes, err := s.sizes(r, &c)
	if err != nil {
		return nil, err
	}
	return shape.Inspect(&c, s.places(), s.execs.of(c.ID), sizes), nil
}

func (s *Server) createContainer(r *http.Request) (any, error) {
	ctx := r.Context()
	req := &shape.CreateRequest{}
	if err := decode(r, req); err != nil {
		return nil, err
	}
	wish, err := shape.Ask(req)
	if err != nil {
		return nil, err
	}
	spec := &wish.Spec
	spec.Platform = r.URL.Query().Get("platform")
	if spec.Image == "" {
		return nil, invalid("no image specified")
	}
	image, err := s.b.Image(ctx, spec.Image)
	if err != nil {
		return nil, noSuchImage(spec.Image, err)
	}
	if wish.PublishAll {
		if err := shape.PublishAll(spec, &image.Config); err != nil {
			return nil, err
		}
	}
	if err := s.resolveModes(ctx, spec); err != nil {
		return nil, notTheImage(err)
	}
	s.leadToSocket(spec, usualSockets)
	if s.hasSocket(spec) {
		wish.Warnings = append(wish.Warnings, socketWarning)
	}
	c, err := s.b.Create(ctx, &call.CreateRequest{Name: r.URL.Query().Get("name"), Spec: *spec, NewVolumes: wish.NewVolumes})
	if err != nil {
		return nil, notTheImage(err)
	}
	return created(container.CreateResponse{ID: c.ID, Warnings: append([]string{}, wish.Warnings...)}), nil
}

// notTheImage is the error of something else that is not there: for 404 clients pull the
// image, and try again.
func notTheImage(err error) error {
	if errors.Is(err, engine.ErrNotFound) {
		return engine.Problem(engine.ErrInvalid, errors.New(err.Error()))
	}
	return err
}

// noSuchImage says it in Docker's words: clients pull when they read them.
func noSuchImage(ref string, err error) error {
	if !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	if name := ref[strings.LastIndexByte(ref, '/')+1:]; !strings.ContainsAny(name, ":@") {
		ref += ":latest"
	}
	return engine.Problem(engine.ErrNotFound, errors.New("No such image: "+ref))
}

// resolveModes turns names of containers in namespaces' modes into IDs.
func (s *Server) resolveModes(ctx context.Context, spec *engine.ContainerSpec) error {
	for _, mode := range []*string{&spec.NetworkMode, &spec.PidMode, &spec.IpcMode} {
		ref, ok := strings.CutPrefix(*mode, "container:")
		if !ok {
			continue
		}
		c, err := s.b.Inspect(ctx, ref)
		if err != nil {
			return err
		}
		*mode = "container:" + c.ID
	}
	return nil
}

// start answers 304 for a container that runs.
func (s *Server) start(r *http.Request) (any, error) {
	c, err := s.b.Inspect(r.Context(), r.PathValue("id"))
	switch {
	case err != nil:
		return nil, err
	case c.State.Status == engine.StatusPaused:
		return nil, conflict("cannot start a paused container, try unpause instead")
	case c.State.Status.Alive():
		return status{code: http.StatusNotModified}, nil
	}
	if err := s.b.Start(r.Context(), c.ID); err != nil {
		return nil, startError(err)
	}
	return nil, nil //nolint:nilnil // no content
}

// startError tells a command that cannot be run from the rest, as clients do.
func startError(err error) error {
	var exit *engine.ExitError
	if errors.As(err, &exit) && !errors.Is(err, engine.ErrInvalid) {
		return engine.Problem(engine.ErrInvalid, err)
	}
	return err
}

// stopRequest reads t and signal of the query.
func stopRequest(r *http.Request) (*call.StopRequest, error) {
	req := &call.StopRequest{Signal: r.URL.Query().Get("signal")}
	if r.URL.Query().Get("t") == "" {
		return req, nil
	}
	t, err := number(r, "t", 0)
	if err != nil {
		return nil, err
	}
	d := engine.Duration(time.Duration(t) * time.Second)
	req.Timeout = &d // a negative one waits for ever
	return req, nil
}

// stop answers 304 for a container that does not run.
func (s *Server) stop(r *http.Request) (any, error) {
	how, err := stopRequest(r)
	if err != nil {
		return nil, err
	}
	c, err := s.b.Inspect(r.Context(), r.PathValue("id"))
	switch {
	case err != nil:
		return nil, err
	case !c.State.Status.Alive() && c.State.Status != engine.StatusRestarting:
		return status{code: http.StatusNotModified}, nil
	}
	// It is seen through, also when the client goes away.
	return nil, s.b.Stop(context.WithoutCancel(r.Context()), c.ID, how)
}

func (s *Server) restart(r *http.Request) (any, error) {
	how, err := stopRequest(r)
	if err != nil {
		return nil, err
	}
	return nil, s.b.Restart(context.WithoutCancel(r.Context()), r.PathValue("id"), how)
}

func (s *Server) kill(r *http.Request) (any, error) {
	signal := r.URL.Query().Get("signal")
	if signal == "" {
		signal = "SIGKILL"
	}
	c, err := s.b.Inspect(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if !c.State.Status.Alive() {
		return nil, conflict("cannot kill container: %s: container %s is not running", r.PathValue("id"), c.ID)
	}
	return nil, s.b.Kill(r.Context(), c.ID, signal)
}

func (s *Server) pause(r *http.Request) (any, error) {
	c, err := s.b.Inspect(r.Context(), r.PathValue("id"))
	switch st := c.State.Status; {
	case err != nil:
		return nil, err
	case st == engine.StatusPaused:
		return nil, conflict("container %s is already paused", c.ID)
	case st == engine.StatusRestarting:
		return nil, conflict("container %s is restarting, wait until the container is running", c.ID)
	case !st.Alive():
		return nil, conflict("container %s is not running", c.ID)
	}
	return nil, s.b.Pause(r.Context(), c.ID)
}

func (s *Server) unpause(r *http.Request) (any, error) {
	c, err := s.b.Inspect(r.Context(), r.PathValue("id"))
	switch {
	case err != nil:
		return nil, err
	case c.State.Status != engine.StatusPaused:
		return nil, conflict("container %s is not paused", c.ID)
	}
	return nil, s.b.Unpause(r.Context(), c.ID)
}

func (s *Server) rename(r *http.Request) (any, error) {
	name := r.URL.Query().Get("name")
	if name == "" {
		return nil, invalid("Neither old nor new names may be empty")
	}
	c, err := s.b.Inspect(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if strings.TrimPrefix(name, "/") == c.Name {
		return nil, invalid("Renaming a container with the same name as its current name")
	}
	return nil, s.b.Rename(r.Context(), c.ID, name)
}

func (s *Server) removeContainer(r *http.Request) (any, error) {
	if flag(r, "link") {
		return nil, engine.Problem(engine.ErrUnsupported, errors.New("links of the default bridge cannot be removed"))
	}
	c, err := s.b.Inspect(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if st := c.State.Status; st == engine.StatusRemoving {
		return nil, conflict("removal of container %s is already in progress", r.PathValue("id"))
	} else if (st.Alive() || st == engine.StatusRestarting) && !flag(r, "force") {
		return nil, conflict("cannot remove container %q: container is %s: stop the container before removing or force remove", "/"+c.Name, st.Docker())
	}
	return nil, s.b.Remove(context.WithoutCancel(r.Context()), c.ID, call.RemoveOptions{Force: flag(r, "force"), Volumes: flag(r, "v")})
}

func (s *Server) resize(r *http.Request) (any, error) {
	rows, columns, err := size(r)
	if err != nil {
		return nil, err
	}
	return status{code: http.StatusOK}, s.b.Resize(r.Context(), r.PathValue("id"), rows, columns)
}

// size reads the size of a terminal from the query.
func size(r *http.Request) (rows, columns uint16, err error) {
	const most = 1<<16 - 1
	h, err := number(r, "h", 0)
	if err != nil {
		return 0, 0, err
	}
	w, err := number(r, "w", 0)
	if err == nil && (h < 0 || w < 0 || h > most || w > most) {
		err = invalid("invalid size of a terminal: %d rows, %d columns", h, w)
	}
	return uint16(h), uint16(w), err
}

// update changes limits and the restart policy. Of the limits those are taken that the
// client names; the others stay.
func (s *Server) update(r *http.Request) (any, error) {
	body := &container.UpdateConfig{}
	if err := decode(r, body); err != nil {
		return nil, err
	}
	c, err := s.b.Inspect(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	change := &call.Change{}
	if body.RestartPolicy.Name != "" {
		if err := container.ValidateRestartPolicy(body.RestartPolicy); err != nil {
			return nil, engine.Problem(engine.ErrInvalid, err)
		}
		if c.Spec.AutoRemove {
			return nil, invalid("Restart policy cannot be updated because AutoRemove is enabled for the container")
		}
		p := shape.Restart(body.RestartPolicy)
		change.Restart = &p
	}
	merged, changed, err := shape.MergeResources(&c.Spec.Resources, &body.Resources)
	if err != nil {
		return nil, err
	}
	if changed {
		change.Resources = &merged
	}
	warnings, err := s.b.Adjust(r.Context(), c.ID, change)
	return container.UpdateResponse{Warnings: append([]string{}, warnings...)}, err
}

func (s *Server) top(r *http.Request) (any, error) {
	args := strings.Fields(r.URL.Query().Get("ps_args"))
	table, err := s.b.Top(r.Context(), r.PathValue("id"), args)
	if err != nil {
		return nil, err
	}
	return container.TopResponse{Titles: table.Titles, Processes: table.Processes}, nil
}

// wait sends its head at once: clients start the container when they have it.
func (s *Server) wait(w http.ResponseWriter, r *http.Request) error {
	condition := call.WaitCondition(r.URL.Query().Get("condition"))
	switch condition {
	case "":
		condition = call.WaitNotRunning
	case call.WaitNotRunning, call.WaitNextExit, call.WaitRemoved:
	default:
		return invalid("invalid condition: %q", condition)
	}
	ctx, cancel := s.whileServing(r.Context())
	defer cancel()
	code, err := s.b.WaitFor(ctx, r.PathValue("id"), condition, func() {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush() // or the client went away
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(container.WaitResponse{StatusCode: int64(code)})
}

// byAge sorts containers, the newest first, as docker ps does.
func byAge(list []engine.Container) {
	slices.SortStableFunc(list, func(a, b engine.Container) int { return b.Created.Compare(a.Created) })
}
