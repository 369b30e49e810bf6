package api

import (
	"context"
	"net/http"

	"tiffin/engine"
	"tiffin/engine/lease"
)

// leases registers the calls of leases. One ends with its client: the server notices when the connection is cut.
func leases(mux *http.ServeMux, h *lease.Holder) {
	handle(mux, "lease", func(w http.ResponseWriter, r *http.Request, req *lease.Request) {
		ctx, cancel := whileServing(r.Context())
		defer cancel(nil)
		out := newReporter(newLineWriter(w))
		err := h.Hold(ctx, req, out.report, out.alive)
		_ = out.finish(empty{}, endOf(ctx, err)) // or the client went away
	})
	answer(mux, "lease/end", func(_ context.Context, r *nameRequest) (empty, error) { return empty{}, h.End(r.Name) })
}

// alive sends an empty line.
func (r *reporter) alive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, line{})
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Lease has a project for as long as the call lasts: until EndLease, or until ctx or this program ends. ready is called
// when it is up.
func (c *Client) Lease(ctx context.Context, req *lease.Request, report engine.Report, ready func()) error {
	return c.lines(ctx, "lease", req, nil, func(ln line) error {
		if ln.Progress != nil {
			report(*ln.Progress)
			return nil
		}
		ready()
		return nil
	})
}

// EndLease takes the project of a lease away; what becomes of it Lease tells.
func (c *Client) EndLease(ctx context.Context, project string) error {
	_, err := ask[empty](ctx, c, "lease/end", nameRequest{project})
	return err
}
