package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/identity"
	"golang.org/x/sync/errgroup"
)

// SessionContext is a build context that comes over the session of RunOver.
const SessionContext = "client-session"

// RunOver builds the one target of o for somebody who has a session with the builder already:
// the context, secrets and logins come over that, and nothing comes from here.
//
// Errors: as for Run.
func RunOver(ctx context.Context, dial Dial, session string, o Options) (Result, error) {
	t := &o.Targets[0]
	req, err := o.requestOver(session)
	if err != nil {
		return Result{}, fmt.Errorf("build %s: %w", t.Name, err)
	}
	client, err := connect(ctx, dial)
	if err != nil {
		return Result{}, err
	}
	defer client.Close() //nolint:errcheck // all was said
	resp, err := solveOver(ctx, client.ControlClient(), req, o.Progress.Watch)
	if err != nil {
		return Result{}, o.explain(ctx, &failure{t.Name, err})
	}
	return resultOf(t, resp.ExporterResponse), nil
}

func (o *Options) requestOver(session string) (*controlapi.SolveRequest, error) {
	b := &o.Targets[0].Build
	attrs, err := attributes(b, o)
	if err != nil {
		return nil, err
	}
	if b.Context != SessionContext {
		attrs[contextName] = b.Context
	}
	if b.Dockerfile != "" {
		attrs["filename"] = b.Dockerfile
	}
	from, err := cacheEntries(b.CacheFrom)
	if err != nil {
		return nil, err
	}
	cache := &controlapi.CacheOptions{}
	for _, e := range o.knownCaches(from) {
		cache.Imports = append(cache.Imports, &controlapi.CacheOptionsEntry{Type: e.Type, Attrs: e.Attrs})
	}
	export := &controlapi.Exporter{Type: bk.ExporterImage, Attrs: map[string]string{}}
	if len(b.Tags) > 0 {
		export.Attrs["name"] = strings.Join(b.Tags, ",")
	}
	return &controlapi.SolveRequest{
		Ref: identity.NewID(), Session: session, Frontend: frontend, FrontendAttrs: attrs, Cache: cache, Exporters: []*controlapi.Exporter{export},
	}, nil
}

// lastWord is how long a builder may go on telling of a build that has ended.
const lastWord = 3 * time.Second

func solveOver(ctx context.Context, c controlapi.ControlClient, req *controlapi.SolveRequest, watch func(*bk.SolveStatus)) (resp *controlapi.SolveResponse, err error) {
	telling, stop := context.WithCancel(context.WithoutCancel(ctx)) // the end of a canceled build is told, too
	defer stop()
	var group errgroup.Group
	group.Go(func() error {
		resp, err = c.Solve(ctx, req)
		time.AfterFunc(lastWord, stop)
		return err
	})
	group.Go(func() error {
		stream, err := c.Status(telling, &controlapi.StatusRequest{Ref: req.Ref})
		for err == nil {
			var told *controlapi.StatusResponse
			if told, err = stream.Recv(); err == nil && watch != nil {
				watch(bk.NewSolveStatus(told))
			}
		}
		if errors.Is(err, io.EOF) || telling.Err() != nil {
			err = nil // all was told, or nobody waits for the rest
		}
		return err
	})
	return resp, group.Wait()
}
