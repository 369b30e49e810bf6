package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"tiffin/engine"
)

// prefix is where tiffin's own calls are.
const prefix = "/tiffin/v1/"

// maxBody bounds a request: a Stack with its configs and secrets.
const maxBody = 64 << 20

// empty is the request or answer of calls that have none.
type empty struct{}

// Requests that are more than one of the vocabulary's.
type (
	nameRequest struct{ Name string }
	killRequest struct{ ID, Signal string }
	removeReq   struct {
		ID      string
		Options engine.RemoveOptions
	}
	topRequest struct {
		ID   string
		Args []string
	}
	tagRequest         struct{ Ref, Name string }
	removeImageRequest struct {
		Ref   string
		Force engine.ForceRemove
	}
	pullImageRequest struct {
		Ref, Platform string
		Auths         map[string]engine.RegistryAuth
	}
	saveRequest struct{ Refs []string }
	execRequest struct {
		ID   string
		Exec engine.ExecRequest
	}
	createdAnswer struct{ ID string }
	exitAnswer    struct {
		Code     int
		Detached bool `json:",omitempty"`
	}
)

// calls is the table of tiffin's calls.
func calls(mux *http.ServeMux, b Backend) {
	progress(mux, "up", func(ctx context.Context, r *engine.UpRequest, report engine.Report) (any, error) {
		return empty{}, b.Up(ctx, r, report)
	})
	progress(mux, "down", func(ctx context.Context, r *engine.DownRequest, report engine.Report) (any, error) {
		return empty{}, b.Down(ctx, r, report)
	})
	progress(mux, "act", func(ctx context.Context, r *engine.ActRequest, report engine.Report) (any, error) {
		return empty{}, b.Act(ctx, r, report)
	})
	progress(mux, "pull", func(ctx context.Context, r *engine.PullRequest, report engine.Report) (any, error) {
		return empty{}, b.Pull(ctx, r, report)
	})
	progress(mux, "run", func(ctx context.Context, r *engine.RunRequest, report engine.Report) (any, error) {
		id, err := b.Run(ctx, r, report)
		return createdAnswer{ID: id}, err
	})
	answer(mux, "plan/up", b.PlanUp)
	answer(mux, "plan/down", b.PlanDown)
	answer(mux, "plan/act", b.PlanAct)
	answer(mux, "projects", func(ctx context.Context, _ *empty) ([]engine.ProjectSummary, error) { return b.Projects(ctx) })
	answer(mux, "stack", func(ctx context.Context, r *nameRequest) (*engine.Stack, error) { return b.Stack(ctx, r.Name) })

	answer(mux, "list", b.List)
	answer(mux, "wait", func(ctx context.Context, r *nameRequest) (exitAnswer, error) {
		code, err := b.Wait(ctx, r.Name)
		return exitAnswer{Code: code}, err
	})
	answer(mux, "kill", func(ctx context.Context, r *killRequest) (empty, error) { return empty{}, b.Kill(ctx, r.ID, r.Signal) })
	answer(mux, "remove", func(ctx context.Context, r *removeReq) (empty, error) {
		return empty{}, b.Remove(ctx, r.ID, r.Options)
	})
	answer(mux, "top", func(ctx context.Context, r *topRequest) (*engine.Top, error) { return b.Top(ctx, r.ID, r.Args) })
	answer(mux, "info", func(ctx context.Context, _ *empty) (engine.Info, error) { return b.Info(ctx) })
	answer(mux, "shutdown", func(ctx context.Context, _ *empty) (empty, error) { return empty{}, b.Shutdown(ctx) })
	imageCalls(mux, b)
	streamCalls(mux, b)
}

func imageCalls(mux *http.ServeMux, b Backend) {
	answer(mux, "images", func(ctx context.Context, _ *empty) ([]engine.Image, error) { return b.Images(ctx) })
	answer(mux, "image", func(ctx context.Context, r *nameRequest) (engine.Image, error) { return b.Image(ctx, r.Name) })
	answer(mux, "tag", func(ctx context.Context, r *tagRequest) (empty, error) {
		return empty{}, b.TagImage(ctx, r.Ref, r.Name)
	})
	answer(mux, "rmi", func(ctx context.Context, r *removeImageRequest) ([]string, error) {
		return b.RemoveImage(ctx, r.Ref, r.Force)
	})
	progress(mux, "pull-image", func(ctx context.Context, r *pullImageRequest, report engine.Report) (any, error) {
		return b.PullImage(ctx, r.Ref, r.Platform, r.Auths, report)
	})
	mux.HandleFunc("POST "+prefix+"load", func(w http.ResponseWriter, r *http.Request) {
		out := newLineWriter(w)
		names, err := b.LoadImages(r.Context(), r.Body, out.report)
		_ = out.finish(names, err) //nolint:errcheck // the client went away
	})
	mux.HandleFunc("POST "+prefix+"import", func(w http.ResponseWriter, r *http.Request) {
		var config engine.ImageConfig
		if text := r.Header.Get(configHeader); text != "" {
			if err := json.Unmarshal([]byte(text), &config); err != nil {
				writeError(w, fmt.Errorf("%w: image config: %w", engine.ErrInvalid, err))
				return
			}
		}
		img, err := b.ImportImage(r.Context(), r.Body, r.URL.Query().Get("name"), config)
		writeAnswer(w, img, err)
	})
	mux.HandleFunc("POST "+prefix+"save", func(w http.ResponseWriter, r *http.Request) {
		req, err := decode[saveRequest](w, r)
		if err != nil {
			writeError(w, err)
			return
		}
		out := &saveWriter{w: w}
		if err := b.SaveImages(r.Context(), req.Refs, out); err != nil && !out.begun {
			writeError(w, err)
		} else if err != nil {
			panic(http.ErrAbortHandler) // cut the connection: what was sent is no archive
		}
	})
}

// configHeader carries the image config of an import beside the tar in the body.
const configHeader = "X-Tiffin-Image-Config"

// saveWriter notices whether an archive was begun: from then on an error can only be
// told by cutting the connection.
type saveWriter struct {
	w     io.Writer
	begun bool
}

func (s *saveWriter) Write(p []byte) (int, error) {
	s.begun = true
	return s.w.Write(p)
}

// answer registers a call that answers once.
func answer[Req, Resp any](mux *http.ServeMux, name string, do func(context.Context, *Req) (Resp, error)) {
	mux.HandleFunc("POST "+prefix+name, func(w http.ResponseWriter, r *http.Request) {
		req, err := decode[Req](w, r)
		if err != nil {
			writeError(w, err)
			return
		}
		resp, err := do(r.Context(), req)
		writeAnswer(w, resp, err)
	})
}

// progress registers a call that reports progress before it answers.
func progress[Req any](mux *http.ServeMux, name string, do func(context.Context, *Req, engine.Report) (any, error)) {
	mux.HandleFunc("POST "+prefix+name, func(w http.ResponseWriter, r *http.Request) {
		req, err := decode[Req](w, r)
		if err != nil {
			writeError(w, err)
			return
		}
		out := newLineWriter(w)
		result, err := do(r.Context(), req, out.report)
		_ = out.finish(result, err) //nolint:errcheck // the client went away
	})
}

func decode[Req any](w http.ResponseWriter, r *http.Request) (*Req, error) {
	req := new(Req)
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(req)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("read request: %w", err))
	}
	// Reading to the end lets the server notice a client that goes away.
	_, _ = io.Copy(io.Discard, r.Body) //nolint:errcheck // see above
	return req, nil
}

func writeAnswer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) //nolint:errcheck // the client went away
}

func writeError(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(httpStatus(err))
	_ = json.NewEncoder(w).Encode(toWire(err)) //nolint:errcheck // the client went away
}
