package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/containerd/v2/core/remotes/docker"
)

const (
	attempts   = 5
	firstPause = 250 * time.Millisecond
	longPause  = time.Minute

	// MaxDocument is the most bytes that a manifest, an index or a config may have.
	MaxDocument = 4 << 20
	maxToken    = 1 << 20
)

// ErrTooLarge is the kind of an answer that has more bytes than its sort may have.
var ErrTooLarge = errors.New("the answer is too large")

// StatusError is a registry that kept answering with an error that comes and goes.
type StatusError struct {
	Code     int
	Status   string
	Attempts int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s, %d times", e.Status, e.Attempts)
}

// silentError is what a request ends with when nothing came for the idle time.
type silentError struct{ idle time.Duration }

func (e silentError) Error() string { return fmt.Sprintf("nothing came for %s", e.idle) }
func (silentError) Timeout() bool   { return true }
func (silentError) Temporary() bool { return true }

// visit is the state of one pull: whom it has reached, and how near they are.
type visit struct {
	// refreshed, if set, is told the token that a token server gives for the next time.
	refreshed func(token string)
	client    *Client
	auth      Auth

	mu      sync.Mutex
	reached map[string]netip.Addr // by host:port of the URL
}

func (v *visit) registryClient(e endpoint) *http.Client {
	return &http.Client{
		Transport:     &patient{visit: v, next: v.client.roundTripper(e)},
		CheckRedirect: v.client.checkRedirect,
	}
}

// roundTripper is the one for an endpoint: loose ones may turn out to speak plain http.
func (c *Client) roundTripper(e endpoint) http.RoundTripper {
	if e.loose {
		return docker.NewHTTPFallback(c.loose)
	}
	return c.strict
}

func (v *visit) note(host string, conn net.Conn) {
	addr, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.reached == nil {
		v.reached = map[string]netip.Addr{}
	}
	v.reached[host] = addr.Addr().Unmap()
}

func (v *visit) hasReached(host string) (netip.Addr, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a, ok := v.reached[host]
	return a, ok
}

// patient repeats what may work next time, and gives up on silence.
type patient struct {
	visit *visit
	next  http.RoundTripper
}

func (p *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	_, known := p.visit.hasReached(req.URL.Host)
	for n := 1; ; n++ {
		resp, err := p.once(req)
		pause, again := retry(answerOf(resp), err, n)
		// One that never answered is reported at once: it is more likely down, or misspelt, than busy.
		if !again || hasBody(req) || (isDial(err) && !known) {
			return resp, err
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		if n == attempts && err == nil {
			err = &StatusError{resp.StatusCode, resp.Status, n}
		}
		if n == attempts {
			return nil, err
		}
		if err := sleep(req.Context(), pause); err != nil {
			return nil, err
		}
	}
}

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer is what of an answer tells whether to ask again.
type answer struct {
	code       int
	retryAfter string
}

func answerOf(resp *http.Response) answer {
	if resp == nil {
		return answer{}
	}
	return answer{resp.StatusCode, resp.Header.Get("Retry-After")}
}

// retry decides whether the nth answer is one that may be better next time, and after which pause.
func retry(a answer, err error, n int) (pause time.Duration, again bool) {
	pause = firstPause << (n - 1)
	pause += rand.N(pause / 2) //nolint:gosec // jitter
	if err != nil {
		return pause, Temporary(err)
	}
	switch a.code {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return max(pause, retryAfter(a.retryAfter)), true
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return pause, true
	default:
		return 0, false
	}
}

// isDial tells whether err is that no connection could be made.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// retryAfter reads the header, in seconds or as a date; at most a minute.
func retryAfter(value string) time.Duration {
	var d time.Duration
	if s, err := strconv.Atoi(value); err == nil {
		d = time.Duration(min(max(s, 0), int(longPause/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		d = time.Until(at)
	}
	return min(max(d, 0), longPause)
}

// Temporary tells whether err is of the connection, so that another may do better.
func Temporary(err error) bool {
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNREFUSED),
		errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return true
	default:
		return errors.As(err, &timeout) && timeout.Timeout()
	}
}

// once sends the request; the answer's body is bounded in size and in silence.
func (p *patient) once(req *http.Request) (*http.Response, error) {
	host := req.URL.Host
	ctx, cancel := context.WithCancelCause(req.Context())
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { p.visit.note(host, i.Conn) },
	})
	resp, err := p.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	limit := int64(-1)
	if strings.Contains(req.URL.Path, "/manifests/") {
		limit = MaxDocument
	}
	if limit >= 0 && resp.ContentLength > limit {
		cancel(nil)
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%w: a manifest of %d bytes", ErrTooLarge, resp.ContentLength)
	}
	resp.Body = watch(ctx, cancel, resp.Body, body{idle: p.visit.client.idle, left: limit})
	return resp, nil
}

// body is an answer's body that ends the request when nothing comes.
type body struct {
	io.ReadCloser
	ctx    context.Context //nolint:containedctx // the request's, whose end is told by the body
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
	left   int64 // bytes that may still come; negative: no bound
}

func watch(ctx context.Context, cancel context.CancelCauseFunc, rc io.ReadCloser, b body) *body {
	b.ReadCloser, b.ctx, b.cancel = rc, ctx, cancel
	b.timer = time.AfterFunc(b.idle, func() { cancel(silentError{b.idle}) })
	b.timer.Stop()
	return &b
}

func (b *body) Read(p []byte) (int, error) {
	// Only while we wait: a slow disk of ours is not their silence.
	b.timer.Reset(b.idle)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		var silent silentError
		if errors.As(context.Cause(b.ctx), &silent) {
			err = silent
		}
	}
	if b.left >= 0 {
		if b.left -= int64(n); b.left < 0 {
			return 0, ErrTooLarge
		}
	}
	return n, err
}

func (b *body) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	return b.ReadCloser.Close()
}
