package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"golang.org/x/sync/errgroup"
)

// ErrChecks is that of a check which found something; what it found was printed.
var ErrChecks = errors.New("the checks found something")

// Check looks at the Dockerfiles of all targets, builds nothing, and prints what it finds to standard output.
//
// Errors: ErrChecks when there are warnings; those of Run.
func Check(ctx context.Context, dial Dial, o Options) error {
	o.Outputs = []string{"type=cacheonly"}
	solves, err := o.prepare()
	if err != nil || len(solves) == 0 {
		return err
	}
	b, err := o.begin(ctx, dial, solves)
	if err != nil {
		return err
	}
	found, err := b.check(ctx, solves)
	b.end()
	if err != nil {
		return o.explain(ctx, err)
	}
	failed := false
	for i, results := range found {
		if len(solves) > 1 {
			fmt.Fprintf(o.stdout(), "%s:\n", solves[i].name())
		}
		if err := printChecks(o.stdout(), results); err != nil {
			return err
		}
		failed = failed || len(results.Warnings) > 0 || results.Error != nil
	}
	if failed {
		return ErrChecks
	}
	return nil
}

func (b *builds) check(ctx context.Context, solves []*solve) ([]*lint.LintResults, error) {
	found := make([]*lint.LintResults, len(solves))
	group, ctx := errgroup.WithContext(ctx)
	for i, s := range solves {
		group.Go(func() error {
			var err error
			if found[i], err = b.checkOne(ctx, s); err != nil {
				return &failure{s.name(), err}
			}
			return nil
		})
	}
	return found, group.Wait()
}

func (b *builds) checkOne(ctx context.Context, s *solve) (*lint.LintResults, error) {
	results := &lint.LintResults{}
	attrs := maps.Clone(s.opt.FrontendAttrs)
	attrs["requestid"] = lint.RequestLint
	opt := s.opt
	opt.Frontend, opt.FrontendAttrs = "", attrs
	ask := func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		answer, err := c.Solve(ctx, gateway.SolveRequest{Frontend: frontend, FrontendOpt: attrs})
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(answer.Metadata["result.json"], results); err != nil {
			return nil, fmt.Errorf("read checks: %w", err)
		}
		return gateway.NewResult(), nil
	}
	_, err := b.client.Build(ctx, opt, "", ask, b.display.feed(s.name(), b.prefix(s.job)))
	return results, err
}

// printChecks prints in buildx's form, which editors read.
func printChecks(w io.Writer, results *lint.LintResults) error {
	var out bytes.Buffer
	switch n := len(results.Warnings); {
	case n == 1:
		fmt.Fprintln(&out, "Check complete, 1 warning has been found!")
	case n > 1:
		fmt.Fprintf(&out, "Check complete, %d warnings have been found!\n", n)
	case results.Error == nil:
		fmt.Fprintln(&out, "Check complete, no warnings found.")
	}
	if err := results.PrintTo(&out, nil); err != nil {
		return fmt.Errorf("print checks: %w", err)
	}
	results.PrintErrorTo(&out, nil)
	_, err := w.Write(out.Bytes())
	return err
}
