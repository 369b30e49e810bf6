// Command echo serves and asks over UDP, which no program of the images does.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

const usage = "usage: echo serve ADDRESS | ask ADDRESS WORD"

// patience is how long an answer may take.
const patience = 10 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(args[1])
	case len(args) == 3 && args[0] == "ask":
		return ask(args[1], args[2])
	default:
		return errors.New(usage)
	}
}

// serve sends every datagram back.
func serve(addr string) error {
	l, err := new(net.ListenConfig).ListenPacket(context.Background(), "udp", addr)
	if err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for {
		n, peer, err := l.ReadFrom(buf)
		if err != nil {
			return err
		}
		if _, err := l.WriteTo(buf[:n], peer); err != nil {
			return err
		}
	}
}

// ask prints the answer to one word. The socket is connected: it takes none from
// another address than the one that was asked.
func ask(addr, word string) error {
	c, err := new(net.Dialer).DialContext(context.Background(), "udp", addr)
	if err != nil {
		return err
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.Write([]byte(word)); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	n, err := c.Read(buf)
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(buf[:n]))
	return err
}
