package dns

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
)

// serveUDP is the hot path: one goroutine, and no allocation for what is ours.
func (s *Server) serveUDP(ctx context.Context) error {
	in, out, q := make([]byte, maxUDP+1), make([]byte, 0, maxUDP), new(query)
	for {
		n, from, err := s.udp.ReadFromUDPAddrPort(in)
		if err != nil {
			return fmt.Errorf("receive dns queries: %w", err)
		}
		if n > maxUDP { // cut off; no question is that long
			continue
		}
		view := s.view.Load()
		switch verdict, response := view.decide(q, in[:n], out, udp); verdict {
		case answer:
			s.replyUDP(response, from)
		case forward:
			s.forwardUDP(ctx, forwarded{view.Upstreams, bytes.Clone(in[:n]), *q, udp}, from)
		case drop:
		}
	}
}

// forwardUDP has somebody else answer, while the loop goes on.
func (s *Server) forwardUDP(ctx context.Context, f forwarded, to netip.AddrPort) {
	if !s.own.take() {
		s.replyUDP(f.failure(), to)
		return
	}
	s.wait.Go(func() {
		defer s.own.release()
		if response := s.forwarder.exchange(ctx, f); response != nil {
			s.replyUDP(response, to)
		}
	})
}

// replyUDP sends a response. What the kernel does not take is lost, as any
// datagram may be.
func (s *Server) replyUDP(response []byte, to netip.AddrPort) {
	_, _ = s.udp.WriteToUDPAddrPort(response, to)
}
