// Command reaper clears up what test sessions leave behind, as Testcontainers expects of the
// container that it starts beside its own: it is here in the place of the image that the
// library asks for, and speaks the same protocol.
//
// A session connects and says by which labels its things are known, a line for each set of
// them (label=KEY=VALUE&label=…, escaped as in a URL), each of which is answered with ACK.
// The connection is the sign of life. When the last one has been gone for
// RYUK_RECONNECTION_TIMEOUT, or when nobody came within RYUK_CONNECTION_TIMEOUT, what has
// those labels is removed by the socket that is mounted into the container, and the reaper
// ends.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	if err := serve(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve listens until the sessions are over, and clears up.
func serve(ctx context.Context) error {
	first, err := duration("RYUK_CONNECTION_TIMEOUT", time.Minute)
	if err != nil {
		return err
	}
	again, err := duration("RYUK_RECONNECTION_TIMEOUT", 10*time.Second)
	if err != nil {
		return err
	}
	port := os.Getenv("RYUK_PORT")
	if port == "" {
		port = "8080"
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", ":"+port)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "Started on port", port) // the word that is waited for
	heard := make(chan event)
	go accept(listener, heard)
	known := attend(ctx, heard, first, again)
	_ = listener.Close() // who comes now would not be heard
	// A signal ends the waiting; what is known is cleared up all the same, within docker stop's patience.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return clear(limited, known)
}

func duration(name string, otherwise time.Duration) (time.Duration, error) {
	text := os.Getenv(name)
	if text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

// event is what happens to connections: one is made (+1), one is gone (-1), one names labels.
type event struct {
	connections int
	labels      []string
}

// accept tells of every connection. It ends with the listener; who is connected then ends
// with the process.
func accept(listener net.Listener, heard chan<- event) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		heard <- event{connections: 1}
		go listen(conn, heard)
	}
}

// listen reads the lines of one connection.
func listen(conn net.Conn, heard chan<- event) {
	defer func() { heard <- event{connections: -1} }()
	defer func() { _ = conn.Close() }()
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		labels, err := parse(lines.Text())
		if err != nil { // no ACK: the other end sees that it was not understood
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		heard <- event{labels: labels}
		if _, err := fmt.Fprintln(conn, "ACK"); err != nil {
			return
		}
	}
}

// parse reads a line. One without labels would match everything that there is.
func parse(line string) ([]string, error) {
	values, err := url.ParseQuery(line)
	if err != nil {
		return nil, fmt.Errorf("a line of filters: %w", err)
	}
	labels := values["label"]
	if len(labels) == 0 || slices.Contains(labels, "") {
		return nil, fmt.Errorf("a line of filters that names no label: %q", line)
	}
	slices.Sort(labels)
	return labels, nil
}

// attend collects labels until nobody has been there for long enough.
func attend(ctx context.Context, heard <-chan event, first, again time.Duration) [][]string {
	var known [][]string
	connections := 0
	alone := time.NewTimer(first)
	for {
		select {
		case e := <-heard:
			connections += e.connections
			if e.labels != nil && !slices.ContainsFunc(known, func(l []string) bool { return slices.Equal(l, e.labels) }) {
				known = append(known, e.labels)
			}
			alone.Stop()
			switch {
			case connections > 0:
			case len(known) > 0:
				alone.Reset(again)
			default: // that was no session: somebody looked whether the port listens
				alone.Reset(first)
			}
		case <-alone.C:
			return known
		case <-ctx.Done():
			return known
		}
	}
}

// clear removes what has all labels of one of the sets: containers first, since they use the
// rest.
func clear(ctx context.Context, known [][]string) error {
	api, err := client.New(client.WithHost("unix:///var/run/docker.sock"))
	if err != nil {
		return err
	}
	defer func() { _ = api.Close() }()
	var failed []error
	for _, labels := range known {
		filters := make(client.Filters).Add("label", labels...)
		for _, kind := range kinds {
			n, err := kind.remove(ctx, api, filters)
			fmt.Fprintf(os.Stderr, "%s: %d removed (%s)\n", kind.name, n, strings.Join(labels, ", "))
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
