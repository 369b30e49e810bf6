package classic

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/distribution/reference"
	bk "github.com/moby/buildkit/client"
	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/jsonstream"

	"tiffin/engine"
	"tiffin/engine/builder/client"
	"tiffin/engine/call"
)

// target is what a build is called when nobody sees it.
const target = "image"

// line is one of an answer. Old clients read error, newer ones errorDetail.
type line struct {
	jsonstream.Message
	ErrorText string `json:"error,omitempty"`
}

// answer is written as the build goes on.
type answer struct {
	mu    sync.Mutex
	out   *json.Encoder
	flush func()
	gone  error // the client
}

func (a *answer) send(l line) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone != nil {
		return
	}
	a.gone = a.out.Encode(l)
	a.flush()
}

func (a *answer) text(s string) { a.send(line{Message: jsonstream.Message{Stream: s}}) }

func (a *answer) aux(id string, v any) {
	text, err := json.Marshal(v)
	if err == nil {
		raw := json.RawMessage(text)
		a.send(line{Message: jsonstream.Message{ID: id, Aux: &raw}})
	}
}

// Check looks whether the body can be a context, and returns it whole.
//
// Errors: engine.ErrInvalid.
func (r *Request) Check(body io.Reader) (io.Reader, error) {
	if r.Build.Context != bodyContext {
		return nil, nil
	}
	in := bufio.NewReaderSize(body, 4*client.ArchiveHead)
	start, err := in.Peek(client.ArchiveHead)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case len(start) == 0:
		return nil, invalid("the request has no body: it has to be the build context, a tar archive")
	case !client.IsArchive(start):
		return nil, invalid("the build context is no tar archive, plain or packed with gzip, bzip2, xz or zstd")
	}
	return in, nil
}

// Output is where an answer goes, each line at once.
type Output struct {
	To    io.Writer
	Flush func()
}

// Run builds, and writes the answer. What goes wrong is its last line, so there is no error.
func Run(ctx context.Context, dial client.Dial, r *Request, body io.Reader, out Output) {
	a := &answer{out: json.NewEncoder(out.To), flush: out.Flush}
	if !r.Quiet {
		for _, w := range r.Warnings {
			a.text("[Warning] " + w + "\n")
		}
	}
	o := client.Options{
		Targets: []client.Target{{Name: target, Build: r.named()}}, Memory: r.Memory, Stdin: body, Auth: r.auth,
		// Nothing of the engine's environment is the client's.
		Lookup:   func(string) (string, bool) { return "", false },
		Progress: client.Progress{Watch: r.watch(a)},
	}
	result, err := r.run(ctx, dial, o)
	if err != nil {
		f := failure(err)
		a.send(line{Message: jsonstream.Message{Error: f}, ErrorText: f.Message})
		return
	}
	r.done(a, cmp.Or(result.ID, result.Digest))
}

func (r *Request) run(ctx context.Context, dial client.Dial, o client.Options) (client.Result, error) {
	if r.Session != "" {
		return client.RunOver(ctx, dial, r.Session, o)
	}
	results, err := client.Run(ctx, dial, o)
	if err != nil {
		return client.Result{}, err
	}
	return results[0], nil
}

func (r *Request) named() (b engine.Build) {
	b = r.Build
	b.Tags = r.Names
	return b
}

func (r *Request) auth(_ context.Context, registry string) (call.RegistryAuth, error) {
	return r.Auths[registry], nil
}

// watch tells of the build.
func (r *Request) watch(a *answer) func(*bk.SolveStatus) {
	switch s := newSteps(); {
	case r.Traces:
		return func(st *bk.SolveStatus) {
			for _, part := range st.Marshal() {
				if text, err := part.MarshalVT(); err == nil {
					a.aux("moby.buildkit.trace", text)
				}
			}
		}
	case r.Quiet:
		return func(*bk.SolveStatus) {}
	default:
		return func(st *bk.SolveStatus) {
			for _, text := range s.take(st) {
				a.text(text)
			}
		}
	}
}

const shortID = 12

// done says what has come of it.
func (r *Request) done(a *answer, id string) {
	switch {
	case r.Traces:
		a.aux("moby.image.id", build.Result{ID: id})
	case r.Quiet:
		a.text(id + "\n")
	default:
		a.aux("", build.Result{ID: id})
		_, short, _ := strings.Cut(id, ":")
		a.text("Successfully built " + short[:min(shortID, len(short))] + "\n")
		for _, name := range r.Names {
			a.text("Successfully tagged " + familiar(name) + "\n")
		}
	}
}

// familiar is a name as people write it.
func familiar(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return reference.FamiliarString(named)
}
