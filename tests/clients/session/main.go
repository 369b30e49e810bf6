// Command session is a run of somebody's tests with Testcontainers, which makes a thing of each kind
// and terminates none of them. It says so, and ends when nobody writes to it any more.
//
// It is a program, since the library reads its settings once in a process; and since it is
// to be killed, and run in a container, too.
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	tc "github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := session(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // what the context is for is over
	}
	fmt.Fprintln(os.Stdout, "ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func session(ctx context.Context) error {
	net, err := network.New(ctx)
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	volume := tc.VolumeMount("of-"+tc.SessionID(), "/data")
	_, err = tc.Run(ctx, "busybox", network.WithNetwork([]string{"kept"}, net), tc.WithMounts(volume), tc.WithCmd("sleep", "1000"))
	if err != nil {
		return fmt.Errorf("container: %w", err)
	}
	archive, err := built()
	if err != nil {
		return err
	}
	_, err = tc.Run(ctx, "", tc.WithDockerfile(tc.FromDockerfile{ContextArchive: archive, Repo: "of-" + tc.SessionID(), Tag: "1"}), tc.WithWaitStrategy(wait.ForExit()))
	if err != nil {
		return fmt.Errorf("built container: %w", err)
	}
	web, err := tc.Run(ctx, "nginx", tc.WithExposedPorts("80/tcp"), tc.WithWaitStrategy(wait.ForListeningPort("80/tcp"), wait.ForHTTP("/").WithPort("80/tcp")))
	if err != nil {
		return fmt.Errorf("web: %w", err)
	}
	at, err := web.PortEndpoint(ctx, "80/tcp", "http")
	if err != nil {
		return err
	}
	return get(ctx, at)
}

// built is the context of a build.
func built() (*bytes.Reader, error) {
	const dockerfile = "FROM busybox\nRUN echo of this session > /file\nCMD [\"cat\", \"/file\"]\n"
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: "Dockerfile", Mode: 0o644, Size: int64(len(dockerfile))})
	if err == nil {
		_, err = io.WriteString(w, dockerfile)
	}
	return bytes.NewReader(b.Bytes()), errors.Join(err, w.Close())
}

// get reaches a published port where the library says that it is.
func get(ctx context.Context, at string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "at", at, answer.Status)
	return answer.Body.Close()
}
