package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/lease"
)

// prefix is where tiffin's own calls are.
const prefix = "/tiffin/v1/"

// empty is the request or answer of calls that have none.
type empty struct{}

// Requests and answers that are not one of the vocabulary's.
type (
	nameRequest   struct{ Name string }
	killRequest   struct{ ID, Signal string }
	removeRequest struct {
		ID      string
		Options call.RemoveOptions
	}
	topRequest struct {
		ID   string
		Args []string
	}
	tagRequest         struct{ Ref, Name string }
	removeImageRequest struct {
		Ref   string
		Force call.ForceRemove
	}
	pullImageRequest struct {
		Ref, Platform string
		Auths         map[string]call.RegistryAuth
	}
	pushImageRequest struct {
		Ref   string
		Auths map[string]call.RegistryAuth
	}
	importRequest struct {
		Name   string
		Config engine.ImageConfig
	}
	saveRequest struct{ Refs []string }
	execRequest struct {
		ID   string
		Exec call.ExecRequest
	}
	connectRequest struct {
		Network, Container string
		How                engine.EndpointSpec
	}
	disconnectRequest struct {
		Network, Container string
		Force              call.ForceRemove
	}
	// eventsRequest asks for events; zero times are open ends.
	eventsRequest struct{ Since, Until time.Time }
	createdAnswer struct{ ID string }
	exitAnswer    struct {
		Code     int
		Detached bool `json:",omitempty"`
	}
)

// calls is the table of tiffin's calls.
func (s *Server) calls(mux *http.ServeMux, b Backend) {
	progress(mux, "up", func(ctx context.Context, r *call.UpRequest, report engine.Report) (empty, error) {
		return empty{}, b.Up(ctx, r, report)
	})
	progress(mux, "down", func(ctx context.Context, r *call.DownRequest, report engine.Report) (empty, error) {
		return empty{}, b.Down(ctx, r, report)
	})
	progress(mux, "act", func(ctx context.Context, r *call.ActRequest, report engine.Report) (empty, error) {
		return empty{}, b.Act(ctx, r, report)
	})
	progress(mux, "pull", func(ctx context.Context, r *call.PullRequest, report engine.Report) (empty, error) {
		return empty{}, b.Pull(ctx, r, report)
	})
	progress(mux, "run", func(ctx context.Context, r *call.RunRequest, report engine.Report) (createdAnswer, error) {
		id, err := b.Run(ctx, r, report)
		return createdAnswer{ID: id}, err
	})
	answer(mux, "plan/up", b.PlanUp)
	answer(mux, "plan/down", b.PlanDown)
	answer(mux, "plan/act", b.PlanAct)
	answer(mux, "plan/builds", b.PlanBuilds)
	answer(mux, "projects", func(ctx context.Context, _ *empty) ([]call.ProjectSummary, error) { return b.Projects(ctx) })
	answer(mux, "stack", func(ctx context.Context, r *nameRequest) (*engine.Stack, error) { return b.Stack(ctx, r.Name) })
	answer(mux, "info", func(ctx context.Context, _ *empty) (call.Info, error) { return b.Info(ctx) })
	answer(mux, "shutdown", func(ctx context.Context, _ *empty) (empty, error) { return empty{}, b.Shutdown(ctx) })
	events(mux, "events", b)
	leases(mux, lease.New(b))
	s.containerCalls(mux, b)
	answer(mux, "stats", b.Stats)
	fileCalls(mux, b)
	imageCalls(mux, b)
	answer(mux, "commit", b.Commit)
	registryCalls(mux, b)
	networkCalls(mux, b)
	secretCalls(mux, b)
	tunnel(s, mux, "build", b.Build)
}

func (s *Server) containerCalls(mux *http.ServeMux, b Containers) {
	answer(mux, "list", b.List)
	answer(mux, "wait", func(ctx context.Context, r *nameRequest) (exitAnswer, error) {
		ctx, cancel := whileServing(ctx)
		defer cancel(nil)
		code, err := b.Wait(ctx, r.Name)
		return exitAnswer{Code: code}, endOf(ctx, err)
	})
	answer(mux, "kill", func(ctx context.Context, r *killRequest) (empty, error) { return empty{}, b.Kill(ctx, r.ID, r.Signal) })
	answer(mux, "remove", func(ctx context.Context, r *removeRequest) (empty, error) {
		return empty{}, b.Remove(ctx, r.ID, r.Options)
	})
	answer(mux, "top", func(ctx context.Context, r *topRequest) (*call.Top, error) { return b.Top(ctx, r.ID, r.Args) })
	frames(mux, "logs", func(ctx context.Context, r *call.LogRequest, out *frameWriter, flush func() error) error {
		if r.Follow {
			out.flush = flush
		}
		return sendLogs(ctx, b, r, out)
	})
	session(s, mux, "exec", func(ctx context.Context, r *execRequest, streams call.Streams) (int, error) {
		return b.Exec(ctx, r.ID, &r.Exec, streams)
	})
	session(s, mux, "attach", b.Attach)
}

func registryCalls(mux *http.ServeMux, b Registries) {
	progress(mux, "pull-image", func(ctx context.Context, r *pullImageRequest, report engine.Report) (engine.Image, error) {
		return b.PullImage(ctx, r.Ref, r.Platform, r.Auths, report)
	})
	progress(mux, "push-image", func(ctx context.Context, r *pushImageRequest, report engine.Report) (empty, error) {
		return empty{}, b.PushImage(ctx, r.Ref, r.Auths, report)
	})
}

func imageCalls(mux *http.ServeMux, b Images) {
	answer(mux, "images", func(ctx context.Context, _ *empty) ([]engine.Image, error) { return b.Images(ctx) })
	answer(mux, "image", func(ctx context.Context, r *nameRequest) (engine.Image, error) { return b.Image(ctx, r.Name) })
	answer(mux, "tag", func(ctx context.Context, r *tagRequest) (empty, error) {
		return empty{}, b.TagImage(ctx, r.Ref, r.Name)
	})
	answer(mux, "rmi", func(ctx context.Context, r *removeImageRequest) ([]string, error) {
		return b.RemoveImage(ctx, r.Ref, r.Force)
	})
	upload(mux, "load", func(ctx context.Context, _ *empty, archive io.Reader, report engine.Report) ([]string, error) {
		return b.LoadImages(ctx, archive, report)
	})
	upload(mux, "import", func(ctx context.Context, r *importRequest, rootfs io.Reader, _ engine.Report) (engine.Image, error) {
		return b.ImportImage(ctx, rootfs, r.Name, r.Config)
	})
	frames(mux, "save", func(ctx context.Context, r *saveRequest, out *frameWriter, _ func() error) error {
		return b.SaveImages(ctx, r.Refs, frameStream{out, call.Stdout})
	})
}

func secretCalls(mux *http.ServeMux, b Secrets) {
	answer(mux, "secrets", func(ctx context.Context, _ *empty) ([]engine.Secret, error) { return b.Secrets(ctx) })
	answer(mux, "secret/create", b.CreateSecret)
	answer(mux, "secret/remove", func(ctx context.Context, r *nameRequest) (empty, error) {
		return empty{}, b.RemoveSecret(ctx, r.Name)
	})
}

func networkCalls(mux *http.ServeMux, b Networks) {
	answer(mux, "networks", func(ctx context.Context, _ *empty) ([]engine.Network, error) { return b.Networks(ctx) })
	answer(mux, "network/create", b.CreateNetwork)
	answer(mux, "network/remove", func(ctx context.Context, r *nameRequest) (empty, error) {
		return empty{}, b.RemoveNetwork(ctx, r.Name)
	})
	answer(mux, "network/connect", func(ctx context.Context, r *connectRequest) (empty, error) {
		return empty{}, b.ConnectNetwork(ctx, r.Network, r.Container, &r.How)
	})
	answer(mux, "network/disconnect", func(ctx context.Context, r *disconnectRequest) (empty, error) {
		return empty{}, b.DisconnectNetwork(ctx, r.Network, r.Container, r.Force)
	})
}
