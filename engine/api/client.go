package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"tiffin/engine"
	"tiffin/engine/plan"
)

// Client is the caller's end of the socket. It may be used by many at once.
type Client struct {
	socket string
	http   http.Client
}

// NewClient makes a client of the engine that listens on socket. It connects with
// each call.
func NewClient(socket string) *Client {
	c := &Client{socket: socket}
	c.http.Transport = &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		DisableCompression: true,
	}
	return c
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", c.socket)
}

// Up brings a Stack up.
func (c *Client) Up(ctx context.Context, req *engine.UpRequest, report engine.Report) error {
	return c.progress(ctx, "up", req, report, nil)
}

// Down takes a project away.
func (c *Client) Down(ctx context.Context, req *engine.DownRequest, report engine.Report) error {
	return c.progress(ctx, "down", req, report, nil)
}

// Act acts on the containers of a project.
func (c *Client) Act(ctx context.Context, req *engine.ActRequest, report engine.Report) error {
	return c.progress(ctx, "act", req, report, nil)
}

// Pull fetches the images of a Stack.
func (c *Client) Pull(ctx context.Context, req *engine.PullRequest, report engine.Report) error {
	return c.progress(ctx, "pull", req, report, nil)
}

// Run makes a one-off container and returns its ID; Attach starts it.
func (c *Client) Run(ctx context.Context, req *engine.RunRequest, report engine.Report) (string, error) {
	var a createdAnswer
	err := c.progress(ctx, "run", req, report, &a)
	return a.ID, err
}

// PlanUp says what Up would do.
func (c *Client) PlanUp(ctx context.Context, req *engine.UpRequest) (*plan.Plan, error) {
	return call[*plan.Plan](ctx, c, "plan/up", req)
}

// PlanDown says what Down would do.
func (c *Client) PlanDown(ctx context.Context, req *engine.DownRequest) (*plan.Plan, error) {
	return call[*plan.Plan](ctx, c, "plan/down", req)
}

// PlanAct says what Act would do.
func (c *Client) PlanAct(ctx context.Context, req *engine.ActRequest) (*plan.Plan, error) {
	return call[*plan.Plan](ctx, c, "plan/act", req)
}

// Projects lists the projects that have containers.
func (c *Client) Projects(ctx context.Context) ([]engine.ProjectSummary, error) {
	return call[[]engine.ProjectSummary](ctx, c, "projects", empty{})
}

// Stack returns the Stack that a project was brought up with last.
func (c *Client) Stack(ctx context.Context, project string) (*engine.Stack, error) {
	return call[*engine.Stack](ctx, c, "stack", nameRequest{project})
}

// List lists containers.
func (c *Client) List(ctx context.Context, req *engine.ListRequest) ([]engine.Container, error) {
	return call[[]engine.Container](ctx, c, "list", req)
}

// Wait returns the exit code of a container once it has ended.
func (c *Client) Wait(ctx context.Context, id string) (int, error) {
	a, err := call[exitAnswer](ctx, c, "wait", nameRequest{id})
	return a.Code, err
}

// Kill sends a signal to a container.
func (c *Client) Kill(ctx context.Context, id, signal string) error {
	_, err := call[empty](ctx, c, "kill", killRequest{id, signal})
	return err
}

// Remove removes a container.
func (c *Client) Remove(ctx context.Context, id string, opts engine.RemoveOptions) error {
	_, err := call[empty](ctx, c, "remove", removeReq{id, opts})
	return err
}

// Top returns the processes of a container.
func (c *Client) Top(ctx context.Context, id string, args []string) (*engine.Top, error) {
	return call[*engine.Top](ctx, c, "top", topRequest{id, args})
}

// Images lists the images in the store.
func (c *Client) Images(ctx context.Context) ([]engine.Image, error) {
	return call[[]engine.Image](ctx, c, "images", empty{})
}

// Image returns one image of the store.
func (c *Client) Image(ctx context.Context, ref string) (engine.Image, error) {
	return call[engine.Image](ctx, c, "image", nameRequest{ref})
}

// PullImage fetches one image.
func (c *Client) PullImage(ctx context.Context, ref, platform string, auths map[string]engine.RegistryAuth, report engine.Report) (engine.Image, error) {
	var img engine.Image
	err := c.progress(ctx, "pull-image", pullImageRequest{ref, platform, auths}, report, &img)
	return img, err
}

// TagImage gives an image a further name.
func (c *Client) TagImage(ctx context.Context, ref, name string) error {
	_, err := call[empty](ctx, c, "tag", tagRequest{ref, name})
	return err
}

// RemoveImage removes a name, and with the last one the image; it returns what was
// removed, as lines to show.
func (c *Client) RemoveImage(ctx context.Context, ref string, force engine.ForceRemove) ([]string, error) {
	return call[[]string](ctx, c, "rmi", removeImageRequest{ref, force})
}

// LoadImages reads an archive of images and returns their names.
func (c *Client) LoadImages(ctx context.Context, archive io.Reader, report engine.Report) ([]string, error) {
	resp, err := c.post(ctx, "load", nil, archive)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var names []string
	err = readLines(resp.Body, func(ln line) { tell(report, ln) }, &names)
	return names, err
}

// SaveImages writes an archive of images.
func (c *Client) SaveImages(ctx context.Context, refs []string, archive io.Writer) error {
	resp, err := c.postJSON(ctx, "save", saveRequest{refs})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(archive, resp.Body); err != nil {
		return fmt.Errorf("save images: %w", err)
	}
	return nil
}

// ImportImage makes an image of a root filesystem's tar.
func (c *Client) ImportImage(ctx context.Context, rootfs io.Reader, name string, config engine.ImageConfig) (engine.Image, error) {
	var img engine.Image
	text, err := json.Marshal(config)
	if err != nil {
		return img, fmt.Errorf("encode image config: %w", err)
	}
	resp, err := c.post(ctx, "import?name="+url.QueryEscape(name), http.Header{configHeader: {string(text)}}, rootfs)
	if err != nil {
		return img, err
	}
	defer resp.Body.Close()
	return img, decodeAnswer(resp.Body, &img)
}

// Info asks the engine about itself.
func (c *Client) Info(ctx context.Context) (engine.Info, error) {
	return call[engine.Info](ctx, c, "info", empty{})
}

// Shutdown ends the engine; containers run on.
func (c *Client) Shutdown(ctx context.Context) error {
	_, err := call[empty](ctx, c, "shutdown", empty{})
	return err
}

// Events calls emit for each event; subscribed, if not nil, once none can be missed.
func (c *Client) Events(ctx context.Context, since, until time.Time, subscribed func(), emit func(engine.Event) error) error {
	resp, err := c.postJSON(ctx, "events", eventsRequest{since, until})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var stopped error
	err = readLines(resp.Body, func(ln line) {
		switch {
		case stopped != nil:
		case ln.Event != nil:
			if stopped = emit(*ln.Event); stopped != nil {
				resp.Body.Close()
			}
		case subscribed != nil:
			subscribed()
		}
	}, nil)
	if stopped != nil {
		return stopped
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func tell(report engine.Report, ln line) {
	if ln.Progress != nil && report != nil {
		report(*ln.Progress)
	}
}

func (c *Client) progress(ctx context.Context, name string, req any, report engine.Report, result any) error {
	resp, err := c.postJSON(ctx, name, req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	err = readLines(resp.Body, func(ln line) { tell(report, ln) }, result)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func call[Resp any](ctx context.Context, c *Client, name string, req any) (Resp, error) {
	var out Resp
	resp, err := c.postJSON(ctx, name, req)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	return out, decodeAnswer(resp.Body, &out)
}

func decodeAnswer(r io.Reader, v any) error {
	if err := json.NewDecoder(r).Decode(v); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

func (c *Client) postJSON(ctx context.Context, name string, req any) (*http.Response, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return c.post(ctx, name, http.Header{"Content-Type": {"application/json"}}, bytes.NewReader(body))
}

func (c *Client) post(ctx context.Context, name string, header http.Header, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tiffin"+prefix+name, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode < http.StatusBadRequest {
		return resp, nil
	}
	defer resp.Body.Close()
	var w wireError
	if err := json.NewDecoder(resp.Body).Decode(&w); err != nil || w.Message == "" {
		return nil, fmt.Errorf("the engine answered %s to %q", resp.Status, name)
	}
	return nil, fromWire(&w)
}

func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var e *url.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	return engine.Problem(engine.ErrUnavailable, fmt.Errorf("talk to the engine at %s: %w", c.socket, err))
}
