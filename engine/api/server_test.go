package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/socket"
)

func newReader(conn net.Conn) *bufio.Reader { return bufio.NewReader(conn) }

// post sends a request as it is and returns the answer.
func (r *rig) post(name, body string) (status int, text string) {
	r.t.Helper()
	conn, err := net.Dial("unix", r.socket)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	go func() {
		_, _ = fmt.Fprintf(conn, "POST %s%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", prefix, name, len(body))
		_, _ = io.WriteString(conn, body)
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

func TestRequestsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r := serve(t, &fake{})
	long := `{"Name":"` + strings.Repeat("x", maxBody) + `"}`
	for name, c := range map[string]struct {
		call, body string
		status     int
		text       string
	}{
		"no JSON":              {"stack", "name=demo", 400, "read request: invalid character"},
		"nothing":              {"stack", "", 400, "read request: EOF"},
		"cut off":              {"stack", `{"Name":`, 400, "read request: unexpected EOF"},
		"of another kind":      {"stack", `{"Name":7}`, 400, "read request: json: cannot unmarshal"},
		"too long":             {"stack", long, 400, "read request: it is longer than 64 MiB"},
		"followed by a lot":    {"stack", `{"Name":"demo"}` + long, 400, "read request: it is longer than 64 MiB"},
		"of a session":         {"exec", "x", 400, "read request: invalid character"},
		"of an upload":         {"load", "tar", 400, "read request: unexpected end of JSON input"},
		"there is no such one": {"fly", "{}", 404, "404 page not found"},
	} {
		status, text := r.post(c.call, c.body)
		if status != c.status || !strings.Contains(text, c.text) {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	if _, err := r.Info(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnEngineThatDoesNotKnowTheCall(t *testing.T) {
	t.Parallel()
	client := rawServer(t, func(conn net.Conn) {
		_, _ = http.ReadRequest(newReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope")
	})
	for name, c := range contracts() {
		_, err := c.ask(t.Context(), client, nil)
		if err == nil || !strings.HasPrefix(err.Error(), "the engine answered 404 Not Found to /tiffin/v1/") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACallThatPanicsHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	r := serve(t, &fake{up: func(context.Context, engine.Report) error { panic("oops") }, exec: func(context.Context, call.Streams) (int, error) { panic("oops") }})
	for _, what := range []string{"up", "exec"} {
		if _, err := contracts()[what].ask(t.Context(), r.Client, nil); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := r.Info(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAtTheEndOfTheEngine(t *testing.T) {
	t.Parallel()
	began := make(chan struct{}, 10)
	endless := func(ctx context.Context) {
		began <- struct{}{}
		<-ctx.Done()
	}
	b := &fake{
		wait:   func(ctx context.Context) (int, error) { endless(ctx); return 0, nil },
		logs:   func(ctx context.Context, _ func(call.LogEntry) error) error { endless(ctx); return nil },
		events: func(ctx context.Context, _ func(), _ func(engine.Event) error) error { endless(ctx); return nil },
		exec:   func(ctx context.Context, _ call.Streams) (int, error) { endless(ctx); return 0, nil },
		up: func(context.Context, engine.Report) error {
			began <- struct{}{}
			time.Sleep(grace / 4)
			return nil
		},
	}
	r := serve(t, b)
	type end struct {
		name string
		err  error
	}
	calls := []string{"wait", "logs", "events", "exec", "attach", "up"}
	ends := make(chan end, len(calls))
	for _, name := range calls {
		go func() {
			_, err := contracts()[name].ask(t.Context(), r.Client, nil)
			ends <- end{name, err}
		}()
	}
	for range calls {
		within(t, "all calls begin", began)
	}
	r.stop()
	for range calls {
		e := <-ends
		switch {
		case e.name == "up" && e.err != nil:
			t.Errorf("up: %v", e.err)
		case e.name != "up" && (!errors.Is(e.err, engine.ErrUnavailable) || e.err.Error() != "the engine is shutting down"):
			t.Errorf("%s: %v", e.name, e.err)
		}
	}
	if err := r.ended(); err != nil {
		t.Errorf("%v", err)
	}
	r.done <- nil // for the clean-up
	if _, err := os.Lstat(r.socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestTheGraceOfTheEndHasAnEnd(t *testing.T) {
	t.Parallel()
	began, ended := make(chan struct{}, 1), make(chan struct{})
	r := serve(t, &fake{up: func(ctx context.Context, _ engine.Report) error {
		defer close(ended)
		began <- struct{}{}
		<-ctx.Done() // only when it is cut off
		return nil
	}})
	reply := make(chan error)
	go func() { reply <- r.Up(t.Context(), &call.UpRequest{}, nil) }()
	within(t, "it begins", began)
	r.stop()
	if err := <-reply; !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	within(t, "it is cut off", ended)
	if err := r.ended(); err != nil {
		t.Errorf("%v", err)
	}
	r.done <- nil
}

func TestAClientGoesOnWithTheNextEngine(t *testing.T) {
	t.Parallel()
	r := serve(t, &fake{})
	if _, err := r.Info(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := r.ended(); err != nil {
		t.Fatal(err)
	}
	r.done <- nil
	if _, err := r.Info(t.Context()); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	l, err := socket.Listen(r.socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- NewServer(&fake{}, nil, testLog()).Serve(ctx, grace, l) }()
	if _, err := r.Info(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServeSaysWhyItEnds(t *testing.T) {
	t.Parallel()
	l, err := socket.Listen(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := NewServer(&fake{}, nil, testLog()).Serve(t.Context(), 0, l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestWhoIsNotAdmittedMakesNoCall(t *testing.T) {
	t.Parallel()
	denied := engine.Hint(engine.Problem(engine.ErrDenied, errors.New("permission denied: user 7")), "be another")
	r := serveTo(t, &fake{}, func(conn net.Conn) error {
		if _, ok := conn.(*net.UnixConn); !ok {
			t.Errorf("a %T", conn)
		}
		return denied
	})
	if _, err := r.Info(t.Context()); !errors.Is(err, engine.ErrDenied) || err.Error() != denied.Error() || engine.HintOf(err) != "be another" {
		t.Errorf("%v", err)
	}
	if code, text := r.post("up", strings.Repeat("x", 1<<20)); code != http.StatusForbidden || !strings.Contains(text, "permission denied") {
		t.Errorf("%d %s", code, text)
	}
}
