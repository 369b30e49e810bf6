package dns

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Server answers one endpoint's queries on sockets that were opened in its
// network namespace.
type Server struct {
	udp       *net.UDPConn
	tcp       *net.TCPListener
	view      atomic.Pointer[View]
	forwarder *Forwarder
	own       limits
	wait      sync.WaitGroup // for queries that are forwarded
}

// Sockets are where queries come in. They stay the caller's: another process
// may hold them too, and go on with them.
type Sockets struct {
	UDP *net.UDPConn
	TCP *net.TCPListener
}

// New makes a server for one endpoint. The forwarder is shared by all.
func New(s Sockets, v *View, f *Forwarder) *Server {
	server := &Server{udp: s.UDP, tcp: s.TCP, forwarder: f, own: newLimits()}
	server.view.Store(v)
	return server
}

// SetView changes what the endpoint sees, from the next query on.
func (s *Server) SetView(v *View) { s.view.Store(v) }

// Serve answers until ctx ends, and returns when all that it began has ended.
// The error is that of a socket that cannot be read any more.
func (s *Server) Serve(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	s.setDeadlines(time.Time{})
	stop := context.AfterFunc(groupCtx, func() { s.setDeadlines(time.Unix(1, 0)) })
	defer stop()
	group.Go(func() error { return s.serveUDP(groupCtx) })
	group.Go(func() error { return s.serveTCP(groupCtx) })
	err := group.Wait()
	s.wait.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// setDeadlines with a time in the past ends all waiting for queries. A socket
// that is closed already has nobody waiting.
func (s *Server) setDeadlines(t time.Time) {
	_ = s.udp.SetReadDeadline(t)
	_ = s.tcp.SetDeadline(t)
}
