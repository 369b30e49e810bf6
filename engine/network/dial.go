package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
)

// Dial connects in a network namespace, given by a file of it or by the pidfd of a process
// in it, to the first of the addresses that answers.
//
// Errors: that of the first address.
func Dial(ctx context.Context, ns *os.File, network string, addrs ...netip.AddrPort) (net.Conn, error) {
	var c net.Conn
	err := within(ns, func() error {
		var d net.Dialer
		d.SetMultipathTCP(false)
		first := errors.New("no address to connect to")
		for i, addr := range addrs {
			var err error
			if c, err = d.DialContext(ctx, network, addr.String()); err == nil {
				return nil
			}
			if i == 0 {
				first = err
			}
		}
		return first
	})
	return c, err
}
