package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tiffin/engine"
)

// here is a service in the test's own network namespace.
func here() *Service {
	return &Service{Dial: func(ctx context.Context, network string, addrs ...netip.AddrPort) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addrs[0].String())
	}}
}

func portOf(t *testing.T, a net.Addr) uint16 {
	t.Helper()
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		t.Fatal(err)
	}
	return p.Port()
}

func TestPort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := portOf(t, l.Addr())
	if text, err := Port(t.Context(), here(), port); err != nil || text != fmt.Sprintf("connected to 127.0.0.1:%d", port) {
		t.Errorf("%q, %v", text, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Port(t.Context(), here(), port); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("a closed port: %v", err)
	}
}

func TestLoopbackComesBeforeTheContainersAddresses(t *testing.T) {
	t.Parallel()
	var asked []netip.AddrPort
	s := &Service{
		Dial: func(_ context.Context, _ string, addrs ...netip.AddrPort) (net.Conn, error) {
			asked = addrs
			return nil, errors.New("refused")
		},
		Own: []netip.Addr{netip.MustParseAddr("172.17.0.2"), netip.MustParseAddr("fd00::2")},
	}
	if _, err := Port(t.Context(), s, 80); err == nil {
		t.Error("no error")
	}
	if got, want := fmt.Sprint(asked), "[127.0.0.1:80 [::1]:80 172.17.0.2:80 [fd00::2]:80]"; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
		case "/away":
			http.Redirect(w, r, "http://example.invalid/", http.StatusFound)
		case "/host":
			if r.Host != "shop.example" {
				http.Error(w, "host "+r.Host, http.StatusMisdirectedRequest)
			}
		case "/default-host":
			if !strings.HasPrefix(r.Host, "localhost:") {
				http.Error(w, "host "+r.Host, http.StatusMisdirectedRequest)
			}
		case "/query":
			if r.URL.RawQuery != "deep=1" {
				http.Error(w, r.URL.RawQuery, http.StatusBadRequest)
			}
		case "/busy":
			http.Error(w, "still loading", http.StatusServiceUnavailable)
		case "/endless":
			w.WriteHeader(http.StatusInternalServerError)
			for {
				if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
					return
				}
			}
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	port := portOf(t, server.Listener.Addr())
	tests := map[string]struct {
		probe engine.HTTPProbe
		want  string // of the text or the error
	}{
		"an answer":                      {engine.HTTPProbe{Path: "/ok"}, "GET /ok: 200 OK"},
		"a query":                        {engine.HTTPProbe{Path: "/query?deep=1"}, "GET /query?deep=1: 200 OK"},
		"a redirect is not followed":     {engine.HTTPProbe{Path: "/away"}, "GET /away: 302 Found"},
		"another status than wanted":     {engine.HTTPProbe{Path: "/ok", Status: 204}, "error: GET /ok: 200 OK:"},
		"the status that is wanted":      {engine.HTTPProbe{Path: "/busy", Status: 503}, "GET /busy: 503 Service Unavailable"},
		"an error":                       {engine.HTTPProbe{Path: "/busy"}, "error: GET /busy: 503 Service Unavailable: still loading"},
		"not there":                      {engine.HTTPProbe{Path: "/none"}, "error: GET /none: 404 Not Found"},
		"a host":                         {engine.HTTPProbe{Path: "/host", Host: "shop.example"}, "GET /host: 200 OK"},
		"localhost when none is said":    {engine.HTTPProbe{Path: "/default-host"}, "GET /default-host: 200 OK"},
		"a body without end is cut off":  {engine.HTTPProbe{Path: "/endless"}, "error: GET /endless: 500 Internal Server Error: xxx"},
		"nor is it read when it is well": {engine.HTTPProbe{Path: "/endless", Status: 500}, "GET /endless: 500 Internal Server Error"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := test.probe
			p.Port = port
			text, err := HTTP(t.Context(), here(), &p)
			if err != nil {
				text = "error: " + err.Error()
			}
			if !strings.HasPrefix(text, test.want) || len(text) > 2*maxBody {
				t.Errorf("%.200q of %d bytes, want %q", text, len(text), test.want)
			}
		})
	}
}

// TestHTTPAgainstWhatIsNone has servers that say something else, or nothing, or too much.
func TestHTTPAgainstWhatIsNone(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		serve func(net.Conn)
		want  string
	}{
		"another protocol": {func(c net.Conn) { _, _ = io.WriteString(c, "220 mail ready\r\n") }, "malformed HTTP"},
		"nothing":          {func(net.Conn) {}, "EOF"},
		"headers without end": {func(c net.Conn) {
			_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for err == nil {
				_, err = io.WriteString(c, "X: "+strings.Repeat("x", 1000)+"\r\n")
			}
		}, "header"},
		"silence": {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, context.DeadlineExceeded.Error()},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan struct{})
			go func() {
				defer close(served)
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = bufio.NewReader(c).Peek(1) // the request comes
				test.serve(c)
				_ = c.Close()
			}()
			limit := time.Minute
			if name == "silence" {
				limit = 10 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			text, err := HTTP(ctx, here(), &engine.HTTPProbe{Port: portOf(t, l.Addr()), Path: "/"})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q, %v; want an error with %q", text, err, test.want)
			}
			_ = l.Close()
			<-served
		})
	}
}
