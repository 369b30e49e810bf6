// Command load asks an HTTP server for its page over and over, from 32 connections at a
// time, and prints how often it was answered in a second.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const usage = "usage: load keep|close ADDRESS MILLISECONDS"

// clients is how many connections there are at a time.
const clients = 32

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 || args[0] != "keep" && args[0] != "close" {
		return errors.New(usage)
	}
	ms, err := strconv.Atoi(args[2])
	if err != nil {
		return errors.New(usage)
	}
	var answered atomic.Int64
	var failure error
	var once sync.Once
	var work sync.WaitGroup
	begin := time.Now()
	end := begin.Add(time.Duration(ms) * time.Millisecond)
	for range clients {
		work.Go(func() {
			for time.Now().Before(end) {
				if err := connection(args[1], args[0], end, &answered); err != nil {
					once.Do(func() { failure = err })
					return
				}
			}
		})
	}
	work.Wait()
	fmt.Printf("%.0f\n", float64(answered.Load())/time.Since(begin).Seconds())
	return failure
}

// connection asks once, or until the end.
func connection(addr, how string, end time.Time, answered *atomic.Int64) error {
	c, err := new(net.Dialer).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	request := []byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: " + how + "\r\n\r\n")
	if how == "keep" {
		request = bytes.Replace(request, []byte("keep"), []byte("keep-alive"), 1)
	}
	buf := make([]byte, 4<<10)
	for time.Now().Before(end) {
		if _, err := c.Write(request); err != nil {
			return err
		}
		// The page is short: it comes in one piece, and after it the end if that was asked for.
		if n, err := c.Read(buf); err != nil || !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 200")) {
			return fmt.Errorf("got %q: %w", buf[:n], err)
		}
		answered.Add(1)
		if how == "close" {
			if _, err := io.Copy(io.Discard, c); err != nil {
				return err
			}
			return nil
		}
	}
	return nil
}
