package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Registry is a running docker-registry.
type Registry struct {
	Addr string // host:port on loopback

	stop func() error
}

// RegistryOptions say how a registry serves a folder.
type RegistryOptions struct {
	ReadOnly bool   // nothing can be pushed; several registries may share the folder
	Htpasswd string // file with the users that may pull; empty: everybody
}

// StartRegistry serves the images in dir on a free loopback port until Close. What the registry says goes to log.
func StartRegistry(ctx context.Context, dir string, o RegistryOptions, log io.Writer) (*Registry, error) {
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	config, err := os.CreateTemp("", "tiffin-registry-*.yml")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(config.Name()) }()
	defer func() { _ = config.Close() }()
	if _, err := config.WriteString(registryConfig(dir, addr, o)); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "docker-registry", "serve", config.Name())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "OTEL_TRACES_EXPORTER=none"}
	ended, err := startHere(cmd)
	if err != nil {
		return nil, fmt.Errorf("start the registry: %w", err)
	}
	r := &Registry{Addr: addr, stop: sync.OnceValue(func() error {
		_ = cmd.Process.Kill()
		var killed *exec.ExitError
		if err := <-ended; !errors.As(err, &killed) {
			return err
		}
		return nil
	})}
	if err := r.wait(ctx); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

// Close ends the registry. It may be called again.
func (r *Registry) Close() error { return r.stop() }

// startHere starts a program that ends when this process does, however that ends. The kernel ends it with the thread
// that has started it; so a thread stays with it.
func startHere(cmd *exec.Cmd) (ended <-chan error, err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, end := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			end <- cmd.Wait()
		}
	}()
	return end, <-started
}

func registryConfig(dir, addr string, o RegistryOptions) string {
	auth := ""
	if o.Htpasswd != "" {
		auth = fmt.Sprintf("auth: {htpasswd: {realm: tiffin, path: %q}}\n", o.Htpasswd)
	}
	return fmt.Sprintf(`version: 0.1
log: {accesslog: {disabled: true}, level: warn}
storage:
  filesystem: {rootdirectory: %q}
  delete: {enabled: true}
  maintenance:
    uploadpurging: {enabled: false}
    readonly: {enabled: %t}
http: {addr: %q, secret: tiffin}
%s`, dir, o.ReadOnly, addr, auth)
}

// freeAddress is a loopback port that nobody has at the moment.
func freeAddress(ctx context.Context) (string, error) {
	var l net.ListenConfig
	listener, err := l.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), nil
}

// wait returns as soon as the registry answers.
func (r *Registry) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		resp, err := r.request(ctx, http.MethodGet, "http://"+r.Addr+"/v2/", nil)
		if err == nil {
			_ = resp.Body.Close()
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the registry on %s: %w", r.Addr, err)
		}
	}
}

// Push uploads an image and all that it names, under repository:tag.
func (r *Registry) Push(ctx context.Context, s *Store, repository, tag string, d ocispec.Descriptor) error {
	children, err := s.children(d)
	if err != nil {
		return err
	}
	for _, c := range children {
		if isManifest(c) {
			err = r.Push(ctx, s, repository, c.Digest.String(), c)
		} else {
			err = r.pushBlob(ctx, s, repository, c)
		}
		if err != nil {
			return err
		}
	}
	f, err := s.Open(d.Digest)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	header := http.Header{"Content-Type": {d.MediaType}}
	url := fmt.Sprintf("http://%s/v2/%s/manifests/%s", r.Addr, repository, tag)
	return r.upload(ctx, url, blob{f, d.Size, header})
}

func isManifest(d ocispec.Descriptor) bool {
	switch d.MediaType {
	case ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageManifest, dockerList, dockerManifest:
		return true
	default:
		return false
	}
}

func (r *Registry) pushBlob(ctx context.Context, s *Store, repository string, d ocispec.Descriptor) error {
	url := fmt.Sprintf("http://%s/v2/%s/blobs/", r.Addr, repository)
	resp, err := r.request(ctx, http.MethodHead, url+d.Digest.String(), nil)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	resp, err = r.request(ctx, http.MethodPost, url+"uploads/", nil)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		return fmt.Errorf("push to %s: status %s: %w", repository, resp.Status, err)
	}
	query := to.Query()
	query.Set("digest", d.Digest.String())
	to.RawQuery = query.Encode()
	f, err := s.Open(d.Digest)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	return r.upload(ctx, to.String(), blob{f, d.Size, header})
}

type blob struct {
	content io.Reader
	size    int64
	header  http.Header
}

func (r *Registry) upload(ctx context.Context, url string, b blob) error {
	resp, err := r.request(ctx, http.MethodPut, url, &b)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusCreated {
		var why bytes.Buffer
		_, _ = io.Copy(&why, io.LimitReader(resp.Body, 1000))
		return fmt.Errorf("upload to %s: status %s: %s", url, resp.Status, why.String())
	}
	return nil
}

func (r *Registry) request(ctx context.Context, method, url string, b *blob) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	if b != nil {
		req.Body, req.ContentLength, req.Header = io.NopCloser(b.content), b.size, b.header
	}
	client := http.Client{Timeout: time.Minute}
	return client.Do(req)
}
