package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/plan"
)

// Ping says whether an engine answers. One that was killed takes connections for a moment yet.
func (c *Client) Ping(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://tiffin/_ping", nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	return resp.Body.Close()
}

// Up brings a Stack up.
func (c *Client) Up(ctx context.Context, req *call.UpRequest, report engine.Report) error {
	return c.progress(ctx, "up", req, lineAnswer{report: report})
}

// Down takes a project away.
func (c *Client) Down(ctx context.Context, req *call.DownRequest, report engine.Report) error {
	return c.progress(ctx, "down", req, lineAnswer{report: report})
}

// Act acts on the containers of a project.
func (c *Client) Act(ctx context.Context, req *call.ActRequest, report engine.Report) error {
	return c.progress(ctx, "act", req, lineAnswer{report: report})
}

// Pull fetches the images of a Stack.
func (c *Client) Pull(ctx context.Context, req *call.PullRequest, report engine.Report) error {
	return c.progress(ctx, "pull", req, lineAnswer{report: report})
}

// Run makes a one-off container and returns its ID; Attach starts it.
func (c *Client) Run(ctx context.Context, req *call.RunRequest, report engine.Report) (string, error) {
	var a createdAnswer
	err := c.progress(ctx, "run", req, lineAnswer{report, &a})
	return a.ID, err
}

// PlanUp says what Up would do.
func (c *Client) PlanUp(ctx context.Context, req *call.UpRequest) (*plan.Plan, error) {
	return ask[*plan.Plan](ctx, c, "plan/up", req)
}

// PlanDown says what Down would do.
func (c *Client) PlanDown(ctx context.Context, req *call.DownRequest) (*plan.Plan, error) {
	return ask[*plan.Plan](ctx, c, "plan/down", req)
}

// PlanAct says what Act would do.
func (c *Client) PlanAct(ctx context.Context, req *call.ActRequest) (*plan.Plan, error) {
	return ask[*plan.Plan](ctx, c, "plan/act", req)
}

// PlanBuilds says what has to be pulled, and to be built, before Up.
func (c *Client) PlanBuilds(ctx context.Context, req *call.UpRequest) (*plan.Plan, error) {
	return ask[*plan.Plan](ctx, c, "plan/builds", req)
}

// Projects lists the projects that have containers.
func (c *Client) Projects(ctx context.Context) ([]call.ProjectSummary, error) {
	return ask[[]call.ProjectSummary](ctx, c, "projects", empty{})
}

// Stack returns the Stack that a project was brought up with last.
func (c *Client) Stack(ctx context.Context, project string) (*engine.Stack, error) {
	return ask[*engine.Stack](ctx, c, "stack", nameRequest{project})
}

// List lists containers.
func (c *Client) List(ctx context.Context, req *call.ListRequest) ([]engine.Container, error) {
	return ask[[]engine.Container](ctx, c, "list", req)
}

// Wait returns the exit code of a container once it has ended.
func (c *Client) Wait(ctx context.Context, id string) (int, error) {
	a, err := ask[exitAnswer](ctx, c, "wait", nameRequest{id})
	return a.Code, err
}

// Kill sends a signal to a container.
func (c *Client) Kill(ctx context.Context, id, signal string) error {
	_, err := ask[empty](ctx, c, "kill", killRequest{id, signal})
	return err
}

// Remove removes a container.
func (c *Client) Remove(ctx context.Context, id string, opts call.RemoveOptions) error {
	_, err := ask[empty](ctx, c, "remove", removeRequest{id, opts})
	return err
}

// Top returns the processes of a container.
func (c *Client) Top(ctx context.Context, id string, args []string) (*call.Top, error) {
	return ask[*call.Top](ctx, c, "top", topRequest{id, args})
}

// Stats returns what containers use, all in one answer.
func (c *Client) Stats(ctx context.Context, req *call.StatsRequest) ([]call.Stats, error) {
	return ask[[]call.Stats](ctx, c, "stats", req)
}

// ChangeFiles makes the changes of a stream of engine/tree in a container's files.
func (c *Client) ChangeFiles(ctx context.Context, id string, changes io.Reader) error {
	return c.upload(ctx, "change-files", nameRequest{id}, changes, lineAnswer{})
}

// Images lists the images in the store.
func (c *Client) Images(ctx context.Context) ([]engine.Image, error) {
	return ask[[]engine.Image](ctx, c, "images", empty{})
}

// Image returns one image of the store.
func (c *Client) Image(ctx context.Context, ref string) (engine.Image, error) {
	return ask[engine.Image](ctx, c, "image", nameRequest{ref})
}

// PullImage fetches one image.
func (c *Client) PullImage(ctx context.Context, ref, platform string, auths map[string]call.RegistryAuth, report engine.Report) (engine.Image, error) {
	var img engine.Image
	err := c.progress(ctx, "pull-image", pullImageRequest{ref, platform, auths}, lineAnswer{report, &img})
	return img, err
}

// PushImage sends one image to its registry.
func (c *Client) PushImage(ctx context.Context, ref string, auths map[string]call.RegistryAuth, report engine.Report) error {
	return c.progress(ctx, "push-image", pushImageRequest{ref, auths}, lineAnswer{report: report})
}

// TagImage gives an image a further name.
func (c *Client) TagImage(ctx context.Context, ref, name string) error {
	_, err := ask[empty](ctx, c, "tag", tagRequest{ref, name})
	return err
}

// RemoveImage removes a name, and with the last one the image; it returns what was
// removed, as lines to show.
func (c *Client) RemoveImage(ctx context.Context, ref string, force call.ForceRemove) ([]string, error) {
	return ask[[]string](ctx, c, "rmi", removeImageRequest{ref, force})
}

// LoadImages reads an archive of images and returns their names.
func (c *Client) LoadImages(ctx context.Context, archive io.Reader, report engine.Report) ([]string, error) {
	var names []string
	err := c.upload(ctx, "load", empty{}, archive, lineAnswer{report: report, result: &names})
	return names, err
}

// SaveImages writes an archive of images.
func (c *Client) SaveImages(ctx context.Context, refs []string, archive io.Writer) error {
	return c.frames(ctx, "save", saveRequest{refs}, writeTo(archive))
}

// ImportImage makes an image of a root filesystem's tar.
func (c *Client) ImportImage(ctx context.Context, rootfs io.Reader, name string, config engine.ImageConfig) (engine.Image, error) {
	var img engine.Image
	err := c.upload(ctx, "import", importRequest{name, config}, rootfs, lineAnswer{result: &img})
	return img, err
}

// Commit makes an image of a container.
func (c *Client) Commit(ctx context.Context, req *call.CommitRequest) (engine.Image, error) {
	return ask[engine.Image](ctx, c, "commit", req)
}

// Networks lists the networks.
func (c *Client) Networks(ctx context.Context) ([]engine.Network, error) {
	return ask[[]engine.Network](ctx, c, "networks", empty{})
}

// CreateNetwork makes a network.
func (c *Client) CreateNetwork(ctx context.Context, spec *engine.NetworkSpec) (engine.Network, error) {
	return ask[engine.Network](ctx, c, "network/create", spec)
}

// RemoveNetwork removes a network that no container is on.
func (c *Client) RemoveNetwork(ctx context.Context, ref string) error {
	_, err := ask[empty](ctx, c, "network/remove", nameRequest{ref})
	return err
}

// Secrets describes the engine's secrets.
func (c *Client) Secrets(ctx context.Context) ([]engine.Secret, error) {
	return ask[[]engine.Secret](ctx, c, "secrets", empty{})
}

// CreateSecret keeps a secret.
func (c *Client) CreateSecret(ctx context.Context, req *call.SecretRequest) (engine.Secret, error) {
	return ask[engine.Secret](ctx, c, "secret/create", req)
}

// RemoveSecret forgets a secret.
func (c *Client) RemoveSecret(ctx context.Context, ref string) error {
	_, err := ask[empty](ctx, c, "secret/remove", nameRequest{ref})
	return err
}

// ConnectNetwork puts a container on a network.
func (c *Client) ConnectNetwork(ctx context.Context, network, container string, how *engine.EndpointSpec) error {
	_, err := ask[empty](ctx, c, "network/connect", connectRequest{network, container, *how})
	return err
}

// DisconnectNetwork takes a container off a network.
func (c *Client) DisconnectNetwork(ctx context.Context, network, container string, force call.ForceRemove) error {
	_, err := ask[empty](ctx, c, "network/disconnect", disconnectRequest{network, container, force})
	return err
}

// Info asks the engine about itself.
func (c *Client) Info(ctx context.Context) (call.Info, error) {
	return ask[call.Info](ctx, c, "info", empty{})
}

// Shutdown ends the engine; containers run on.
func (c *Client) Shutdown(ctx context.Context) error {
	_, err := ask[empty](ctx, c, "shutdown", empty{})
	return err
}

// Events calls emit for each event; subscribed, if not nil, once none can be missed.
func (c *Client) Events(ctx context.Context, since, until time.Time, subscribed func(), emit func(engine.Event) error) error {
	return c.lines(ctx, "events", eventsRequest{since, until}, nil, func(ln line) error {
		switch {
		case ln.Event != nil:
			return emit(*ln.Event)
		case subscribed != nil:
			subscribed()
		}
		return nil
	})
}

// Logs calls emit for each entry.
func (c *Client) Logs(ctx context.Context, req *call.LogRequest, emit func(call.LogEntry) error) error {
	r := logReader{sources: map[uint16]*call.LogSource{}, emit: emit}
	return c.frames(ctx, "logs", req, r.take)
}

// Exec runs a further process in a container and returns its exit code.
func (c *Client) Exec(ctx context.Context, id string, req *call.ExecRequest, s call.Streams) (int, error) {
	return c.session(ctx, "exec", execRequest{id, *req}, s)
}

// Attach attaches to a container's first process and returns its exit code.
//
// Errors: engine.ErrDetached when the user typed the detach keys.
func (c *Client) Attach(ctx context.Context, req *call.AttachRequest, s call.Streams) (int, error) {
	return c.session(ctx, "attach", req, s)
}
