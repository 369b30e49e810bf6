package docker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/moby/moby/api/types/container"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/daemon/events"
)

func (s *Server) execRoutes() {
	s.handle("POST /containers/{id}/exec", s.createExec)
	s.handle("GET /exec/{id}/json", s.inspectExec)
	s.handle("POST /exec/{id}/resize", s.resizeExec)
	s.stream("POST /exec/{id}/start", s.startExec)
}

// execs are the further processes that clients asked for. They are forgotten with their
// container, and with the engine, as by dockerd.
type execs struct {
	mu   sync.Mutex
	byID map[string]*execution
}

// execution is a further process. Its fields change under the mutex of execs.
type execution struct {
	call.Exec
	began  bool
	resize chan [2]uint
}

func (e *execs) add(x *execution) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.byID == nil {
		e.byID = map[string]*execution{}
	}
	e.byID[x.ID] = x
}

func (e *execs) get(id string) (*execution, call.Exec, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x, ok := e.byID[id]
	if !ok {
		return nil, call.Exec{}, engine.Problem(engine.ErrNotFound, errors.New("No such exec instance: "+id))
	}
	return x, x.Exec, nil
}

// of lists the processes of a container that run, or are to.
func (e *execs) of(containerID string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ids []string
	for id, x := range e.byID {
		if x.ContainerID == containerID && x.ExitCode == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// maxEnded is how many processes that have ended are remembered, for who asks how.
const maxEnded = 1000

// begin marks a process as started.
//
// Errors: engine.ErrConflict when it was before.
func (e *execs) begin(x *execution) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x.began {
		return engine.Problem(engine.ErrConflict, errors.New("exec "+x.ID+" has already run"))
	}
	x.began, x.Running = true, true
	return nil
}

func (e *execs) end(x *execution, code int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x.Running, x.ExitCode = false, &code
	if len(e.byID) <= maxEnded {
		return
	}
	for id, other := range e.byID {
		if other.ExitCode != nil && other != x {
			delete(e.byID, id)
			return
		}
	}
}

func (s *Server) createExec(r *http.Request) (any, error) {
	body := &container.ExecCreateRequest{}
	if err := decode(r, body); err != nil {
		return nil, err
	}
	if len(body.Cmd) == 0 {
		return nil, invalid("No exec command specified")
	}
	c, err := s.b.Inspect(r.Context(), r.PathValue("id"))
	switch {
	case err != nil:
		return nil, err
	case c.State.Status == engine.StatusPaused:
		return nil, engine.Problem(engine.ErrConflict, errors.New("Container "+c.Name+" is paused, unpause the container before exec"))
	case !c.State.Status.Alive():
		return nil, engine.Problem(engine.ErrConflict, errors.New("container "+c.ID+" is not running"))
	}
	x := &execution{
		Exec: call.Exec{ID: engine.NewID(), ContainerID: c.ID, Request: call.ExecRequest{
			Cmd: body.Cmd, Env: body.Env, WorkingDir: body.WorkingDir, User: body.User, Privileged: body.Privileged,
			TTY: body.Tty, OpenStdin: body.AttachStdin, DetachKeys: body.DetachKeys,
		}},
		resize: make(chan [2]uint, 1),
	}
	if body.ConsoleSize != nil {
		x.Request.ConsoleSize = *body.ConsoleSize
	}
	s.execs.add(x)
	s.b.Publish(events.OfExec(&c, events.Command("exec_create", body.Cmd), x.ID, nil))
	return created(container.ExecCreateResponse{ID: x.ID}), nil
}

func (s *Server) inspectExec(r *http.Request) (any, error) {
	_, x, err := s.execs.get(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	out := container.ExecInspectResponse{
		ID: x.ID, Running: x.Running, ExitCode: x.ExitCode, OpenStdin: x.Request.OpenStdin, OpenStdout: true, OpenStderr: true,
		ContainerID: x.ContainerID, DetachKeys: []byte(x.Request.DetachKeys), Pid: x.Pid,
		ProcessConfig: &container.ExecProcessConfig{
			Tty: x.Request.TTY, Entrypoint: x.Request.Cmd[0], Arguments: x.Request.Cmd[1:], Privileged: &x.Request.Privileged, User: x.Request.User,
		},
	}
	return out, nil
}

func (s *Server) resizeExec(r *http.Request) (any, error) {
	rows, columns, err := size(r)
	if err != nil {
		return nil, err
	}
	x, _, err := s.execs.get(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	s.execs.mu.Lock()
	defer s.execs.mu.Unlock()
	select {
	case <-x.resize: // nobody has taken the last one
	default:
	}
	x.resize <- [2]uint{uint(rows), uint(columns)}
	return status{code: http.StatusOK}, nil
}

func (s *Server) startExec(w http.ResponseWriter, r *http.Request) error {
	body := &container.ExecStartRequest{}
	if err := decodeOptional(r, body); err != nil {
		return err
	}
	x, known, err := s.execs.get(r.PathValue("id"))
	if err != nil {
		return err
	}
	c, err := s.b.Inspect(r.Context(), known.ContainerID)
	if err != nil {
		return err
	}
	if !c.State.Status.Alive() {
		return engine.Problem(engine.ErrConflict, errors.New("container "+c.ID+" is not running"))
	}
	if err := s.execs.begin(x); err != nil {
		return err
	}
	req := known.Request
	if body.ConsoleSize != nil {
		req.ConsoleSize = *body.ConsoleSize
	}
	req.ID = x.ID
	if body.Detach {
		return s.runDetached(w, x, &c, &req)
	}
	s.sessions.Add(1)
	defer s.sessions.Done()
	conn, err := hijack(w, r, mediaType(req.TTY))
	if err != nil {
		s.execs.end(x, exitNotStarted)
		return err
	}
	defer conn.end()
	ctx, cancel := s.whileServing(context.WithoutCancel(r.Context()))
	defer cancel()
	stdout, stderr := outputs(conn, req.TTY)
	_, err = s.b.Exec(ctx, c.ID, &req, call.Streams{Stdin: conn.input(func() {}), Stdout: stdout, Stderr: stderr, Resize: x.resize, Ended: s.ends(x)})
	s.notStarted(x, err)
	if err != nil && !errors.Is(err, engine.ErrDetached) {
		_, _ = io.WriteString(stdout, message(err)+"\r\n") // Docker says it where the output would be
	}
	return nil
}

// exitNotStarted is the exit code of what was never started.
const exitNotStarted = 126

// runDetached answers once the process runs, or has ended already.
func (s *Server) runDetached(w http.ResponseWriter, x *execution, c *engine.Container, req *call.ExecRequest) error {
	began := make(chan error, 1)
	s.sessions.Go(func() {
		ctx, cancel := s.whileServing(context.Background())
		defer cancel()
		req.OpenStdin = false
		_, err := s.b.Exec(ctx, c.ID, req, call.Streams{
			Stdout: io.Discard, Stderr: io.Discard, Ready: func() { began <- nil }, Ended: s.ends(x),
		})
		s.notStarted(x, err)
		began <- err
	})
	if err := <-began; err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// ends notes how a process ended.
func (s *Server) ends(x *execution) func(code int) { return func(code int) { s.execs.end(x, code) } }

// notStarted notes that a process was not started; who left before its end said nothing of that.
func (s *Server) notStarted(x *execution, err error) {
	var exit *engine.ExitError
	switch {
	case err == nil, errors.Is(err, engine.ErrDetached), errors.Is(err, context.Canceled):
	case errors.As(err, &exit):
		s.execs.end(x, exit.Code)
	default:
		s.execs.end(x, exitNotStarted)
	}
}
