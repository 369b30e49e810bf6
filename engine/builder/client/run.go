package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync/atomic"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/solver/errdefs"
	"golang.org/x/sync/errgroup"
)

// solve is a job that is ready to be carried out.
type solve struct {
	*job
	source *source
	opt    bk.SolveOpt
	done   chan struct{} // closed once its image is there
}

// Run builds all targets, and returns what came of each in their order.
//
// Errors: of the six kinds where the caller can act, else what BuildKit says; the context's cause when it ends.
func Run(ctx context.Context, dial Dial, o Options) ([]Result, error) {
	solves, err := o.prepare()
	if err != nil || len(solves) == 0 {
		return nil, err
	}
	b, err := o.begin(ctx, dial, solves)
	if err != nil {
		return nil, err
	}
	results, err := b.run(ctx, solves)
	b.end()
	if err != nil {
		return nil, o.explain(ctx, err)
	}
	return inOrder(o.Targets, results), nil
}

// prepare finds out all that can go wrong without an engine.
func (o *Options) prepare() ([]*solve, error) {
	jobs, err := jobsOf(o)
	if err != nil {
		return nil, err
	}
	if err := oneStandardInput(jobs); err != nil {
		return nil, err
	}
	outputs, err := o.parseOutputs(jobs)
	if err != nil {
		return nil, err
	}
	var out []*solve
	for _, j := range jobs {
		s, err := o.solveOf(j, outputs)
		if err != nil {
			return nil, fmt.Errorf("build %s: %w", j.name(), err)
		}
		out = append(out, s)
	}
	return out, nil
}

func oneStandardInput(jobs []*job) error {
	var first *job
	for _, j := range jobs {
		switch {
		case j.build().Context != standardIn:
		case first == nil:
			first = j
		default:
			return invalid("services %s and %s both have standard input as their build context", first.name(), j.name())
		}
	}
	return nil
}

func (o *Options) solveOf(j *job, outputs []output) (*solve, error) {
	b := j.build()
	src, err := sourceOf(j, o)
	if err != nil {
		return nil, err
	}
	attrs, err := attributes(b, o)
	if err != nil {
		return nil, err
	}
	allowed, err := entitled(b)
	if err != nil {
		return nil, err
	}
	services, err := o.services(j, src)
	if err != nil {
		return nil, err
	}
	exports, err := o.exports(j, outputs)
	if err != nil {
		return nil, err
	}
	from, err := cacheEntries(b.CacheFrom)
	if err != nil {
		return nil, err
	}
	to, err := cacheEntries(b.CacheTo)
	if err != nil {
		return nil, err
	}
	return &solve{job: j, source: src, done: make(chan struct{}), opt: bk.SolveOpt{
		Exports: exports, LocalMounts: src.made, OCIStores: src.stores,
		// What is sent of a Dockerfile in the Compose file is kept for the next build of that service.
		SharedKey: "tiffin:" + j.targets[0].Image + ":" + j.name(),
		Frontend:  frontend, FrontendAttrs: attrs,
		CacheImports: o.knownCaches(from), CacheExports: to,
		Session: services, AllowedEntitlements: allowed,
	}}, nil
}

// builds are those that run, with what they share.
type builds struct {
	client  *bk.Client
	folders *folders
	display *display
	several bool
}

func (o *Options) begin(ctx context.Context, dial Dial, solves []*solve) (*builds, error) {
	client, err := connect(ctx, dial)
	if err != nil {
		return nil, err
	}
	b := &builds{client: client, several: len(solves) > 1}
	sources := make([]*source, len(solves))
	for i, s := range solves {
		sources[i] = s.source
	}
	if b.folders, err = newFolders(ctx, sources); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	for _, s := range solves {
		maps.Copy(s.opt.FrontendAttrs, s.source.attrs)
	}
	if b.display, err = newDisplay(o.Progress); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	// An interrupted build still has to hear of it: the sessions end with the builds, not with ctx.
	b.folders.serve(context.WithoutCancel(ctx), client)
	return b, nil
}

func (b *builds) end() {
	b.display.finish()
	b.folders.close()
	_ = b.client.Close() // all was said
}

// run carries the builds out side by side. The first that fails ends the others.
func (b *builds) run(ctx context.Context, solves []*solve) (map[*job]*bk.SolveResponse, error) {
	done := map[*job]<-chan struct{}{}
	for _, s := range solves {
		done[s.job] = s.done
	}
	responses := make([]*bk.SolveResponse, len(solves))
	group, ctx := errgroup.WithContext(ctx)
	for i, s := range solves {
		group.Go(func() error {
			for _, other := range s.after {
				select {
				case <-done[other]:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			var err error
			if responses[i], err = b.client.Solve(ctx, nil, s.opt, b.display.feed(s.name(), b.prefix(s.job))); err != nil {
				return &failure{s.name(), err}
			}
			close(s.done)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	results := map[*job]*bk.SolveResponse{}
	for i, s := range solves {
		results[s.job] = responses[i]
	}
	return results, nil
}

// prefix is what the steps of a build are shown under: nothing if it is the only one.
func (b *builds) prefix(j *job) string {
	if !b.several {
		return ""
	}
	return j.name()
}

// explain prints the lines around the failure, and returns what to say of it.
func (o *Options) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	if interrupted(f.err) {
		return fmt.Errorf("build %s: the engine ended it", f.target)
	}
	if o.Progress.Mode != JSON {
		for _, s := range errdefs.Sources(f.err) {
			_ = s.Print(o.stderr()) // to a terminal that may have gone
		}
	}
	return f.explained()
}

// inOrder gives each target what came of its build.
func inOrder(targets []Target, responses map[*job]*bk.SolveResponse) []Result {
	out := make([]Result, len(targets))
	for j, response := range responses {
		for _, t := range j.targets {
			for i := range targets {
				if &targets[i] == t {
					out[i] = resultOf(t, response.ExporterResponse)
				}
			}
		}
	}
	return out
}

func resultOf(t *Target, response map[string]string) Result {
	return Result{
		Name: t.Name, Image: t.Image,
		ID: response[exptypes.ExporterImageConfigDigestKey], Digest: response[exptypes.ExporterImageDigestKey],
	}
}

var errGone = errors.New("the engine closed the connection")

// connect makes one connection for all that is to do. When it is lost the engine has gone, and the builds with it.
//
// Errors: those of dial.
func connect(ctx context.Context, dial Dial) (*bk.Client, error) {
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	var used atomic.Bool
	return bk.New(ctx, "", bk.WithContextDialer(func(context.Context, string) (net.Conn, error) {
		if used.Swap(true) {
			return nil, errGone
		}
		return conn, nil
	}))
}
