package probe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"

	"tiffin/engine"
)

// Dialer connects to the first of the addresses that answers, in the container's network
// namespace.
type Dialer func(ctx context.Context, network string, addrs ...netip.AddrPort) (net.Conn, error)

// Service is how a container is reached in its network namespace.
type Service struct {
	Dial Dialer
	// Own are the container's addresses: a server may listen on one of them alone.
	Own []netip.Addr
}

// connect connects to a port of the container, on loopback if somebody listens there.
func (s *Service) connect(ctx context.Context, port uint16) (net.Conn, error) {
	addrs := []netip.AddrPort{
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port),
		netip.AddrPortFrom(netip.IPv6Loopback(), port),
	}
	for _, a := range s.Own {
		addrs = append(addrs, netip.AddrPortFrom(a, port))
	}
	return s.Dial(ctx, "tcp", addrs...)
}

// Port looks whether a TCP connection to a port is accepted.
func Port(ctx context.Context, s *Service, port uint16) (string, error) {
	c, err := s.connect(ctx, port)
	if err != nil {
		return "", err
	}
	return "connected to " + c.RemoteAddr().String(), c.Close()
}

const (
	maxHeader = 64 << 10
	maxBody   = 2 << 10 // of what is kept of an answer
)

// HTTP looks whether a GET request is answered as wanted: with the status, or with any that
// is neither an error nor informational. A redirect is an answer; where it leads is not asked.
func HTTP(ctx context.Context, s *Service, p *engine.HTTPProbe) (string, error) {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.connect(ctx, p.Port) },
		// A connection is for one probe: the next one may be in a new process.
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
	defer transport.CloseIdleConnections()
	client := http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	url := "http://" + net.JoinHostPort("localhost", strconv.Itoa(int(p.Port))) + p.Path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	if p.Host != "" {
		req.Host = p.Host
	}
	req.Header.Set("User-Agent", "tiffin-probe")
	answer, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	if wanted(p.Status, answer.StatusCode) {
		return fmt.Sprintf("GET %s: %s", p.Path, answer.Status), nil
	}
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxBody)) // for whoever looks why; what came is enough
	return "", fmt.Errorf("GET %s: %s: %s", p.Path, answer.Status, bytes.TrimSpace(body))
}

func wanted(status, got int) bool {
	if status != 0 {
		return got == status
	}
	return got >= 200 && got < 400
}
