// Command resolver asks for a name with Go's own resolver, or answers for others.
//
//	resolver any|4|6 NAME   prints the addresses, or why there are none
//	resolver serve          is the name server of example.com, and prints what it is asked
//
// It runs in containers of the tests, and links nothing but the standard library and its parser of names.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "serve" {
		if err := serve(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) != 3 {
		os.Exit(64)
	}
	os.Exit(ask(context.Background(), os.Args[1], os.Args[2]))
}

// ask prints what Go's resolver finds.
func ask(ctx context.Context, family, name string) (code int) {
	network := strings.TrimSuffix("ip"+family, "any")
	r := net.Resolver{PreferGo: true}
	addrs, err := r.LookupNetIP(ctx, network, name)
	var e *net.DNSError
	switch {
	case errors.As(err, &e) && e.IsNotFound:
		fmt.Println("none")
		return 1
	case err != nil:
		fmt.Println("again")
		return 2
	}
	for _, a := range addrs {
		fmt.Println(a.Unmap())
	}
	return 0
}

// serve answers on port 53 of every address.
func serve(ctx context.Context) error {
	udp, err := new(net.ListenConfig).ListenPacket(ctx, "udp", "0.0.0.0:53")
	if err != nil {
		return err
	}
	tcp, err := new(net.ListenConfig).Listen(ctx, "tcp", "0.0.0.0:53")
	if err != nil {
		return err
	}
	fmt.Println("ready")
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			go serveConn(c)
		}
	}()
	buf := make([]byte, 4096)
	for {
		n, from, err := udp.ReadFrom(buf)
		if err != nil {
			return err
		}
		if answer := respond(buf[:n], "udp"); answer != nil {
			_, _ = udp.WriteTo(answer, from)
		}
	}
}

func serveConn(c net.Conn) {
	defer c.Close() //nolint:errcheck // the client will see
	var length [2]byte
	for {
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		m := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, m); err != nil {
			return
		}
		answer := respond(m, "tcp")
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// respond knows www.example.com, which has an address of each family, four.example.com, which has no IPv6, and
// many.example.com, whose addresses have no room in a datagram; a failing one for broken.example.com.
func respond(query []byte, transport string) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	fmt.Println("asked", transport, strings.ToLower(q.Name.String()), strings.TrimPrefix(q.Type.String(), "Type"))
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	switch list, known := records(q); {
	case strings.HasPrefix(q.Name.String(), "broken."):
		m.RCode = dnsmessage.RCodeServerFailure
	case !known:
		m.RCode = dnsmessage.RCodeNameError
	case len(list) > 30 && transport == "udp":
		m.Truncated = true
	default:
		for _, body := range list {
			h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60}
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: body})
		}
	}
	answer, err := m.Pack()
	if err != nil {
		return nil
	}
	return answer
}

// records are what a name has of the asked type.
func records(q dnsmessage.Question) (list []dnsmessage.ResourceBody, known bool) {
	name, _, ours := strings.Cut(strings.ToLower(q.Name.String()), ".example.com.")
	four, six := q.Type == dnsmessage.TypeA, q.Type == dnsmessage.TypeAAAA
	switch {
	case !ours:
		return nil, false
	case name == "www" && six:
		list = append(list, &dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 7}})
	case name == "www" && four:
		list = append(list, &dnsmessage.AResource{A: [4]byte{198, 51, 100, 7}})
	case name == "four" && four:
		list = append(list, &dnsmessage.AResource{A: [4]byte{198, 51, 100, 4}})
	case name == "many" && four:
		for i := range 100 {
			list = append(list, &dnsmessage.AResource{A: [4]byte{198, 51, 100, byte(100 + i)}})
		}
	}
	return list, slices.Contains([]string{"www", "four", "many"}, name)
}
