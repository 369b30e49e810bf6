package images

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func needRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("REQUIRE_ROOT") == "1":
		t.Fatal("this test needs root")
	default:
		t.Skip("this test needs root")
	}
}

func open(t *testing.T) *Cache {
	t.Helper()
	needRoot(t)
	c, err := Open(t.Context(), func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRegistryServesTheImages(t *testing.T) {
	c := open(t)
	r, err := StartRegistry(t.Context(), c.RegistryDir(), RegistryOptions{ReadOnly: true}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()

	accept := http.Header{"Accept": {ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageManifest, dockerManifest}}
	cases := map[string]string{
		"library/busybox/manifests/latest":  ocispec.MediaTypeImageIndex,
		"library/debian/manifests/latest":   ocispec.MediaTypeImageManifest,
		"library/nginx/manifests/alpine":    ocispec.MediaTypeImageIndex,
		"library/postgres/manifests/latest": ocispec.MediaTypeImageManifest,
		"library/redis/manifests/7":         dockerManifest,
		"tests/whiteouts/manifests/latest":  ocispec.MediaTypeImageManifest,
	}
	for name, mediaType := range cases {
		header, body := get(t, "http://"+r.Addr+"/v2/"+name+"?ns=docker.io", accept)
		if got := header.Get("Content-Type"); got != mediaType {
			t.Errorf("%s: got type %s, want %s", name, got, mediaType)
		}
		if want, got := header.Get("Docker-Content-Digest"), digest.FromBytes(body).String(); got != want {
			t.Errorf("%s: the registry says it is %s, it is %s", name, want, got)
		}
	}
}

func TestOnlyAWritableRegistryTakesAnImage(t *testing.T) {
	c := open(t)
	store := c.Store()
	images, err := store.Images()
	if err != nil {
		t.Fatal(err)
	}
	busybox := images["docker.io/library/busybox:latest"]
	for _, readOnly := range []bool{false, true} {
		r, err := StartRegistry(t.Context(), t.TempDir(), RegistryOptions{ReadOnly: readOnly}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		err = r.Push(t.Context(), store, "mine/box", "v1", busybox)
		if (err != nil) != readOnly {
			t.Errorf("read-only %t: push gives %v", readOnly, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestBusyboxHasAForeignPlatform(t *testing.T) {
	store := open(t).Store()
	images, err := store.Images()
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := store.children(images["docker.io/library/busybox:latest"])
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range manifests {
		got = append(got, m.Platform.OS+"/"+m.Platform.Architecture)
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64"}, got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	if manifests[0].Digest == manifests[1].Digest {
		t.Error("both platforms are the same image")
	}
}

func TestImagesShareTheBaseLayer(t *testing.T) {
	store := open(t).Store()
	images, err := store.Images()
	if err != nil {
		t.Fatal(err)
	}
	base, err := store.manifest(images["docker.io/library/debian:latest"])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nginx", "postgres", "redis"} {
		m, err := store.manifest(images["docker.io/library/"+name+":latest"])
		if err != nil {
			t.Fatal(err)
		}
		if m.Layers[0].Digest != base.Layers[0].Digest {
			t.Errorf("%s has a base of its own", name)
		}
	}
}

func TestArchives(t *testing.T) {
	store := open(t).Store()
	images, err := store.Images()
	if err != nil {
		t.Fatal(err)
	}
	const name = "docker.io/library/busybox:latest"

	t.Run("an OCI archive has every platform", func(t *testing.T) {
		var b bytes.Buffer
		if err := store.WriteOCI(&b, name, images[name]); err != nil {
			t.Fatal(err)
		}
		members := members(t, &b)
		var index ocispec.Index
		if err := json.Unmarshal(members["index.json"], &index); err != nil {
			t.Fatal(err)
		}
		blobs := 0
		for member, content := range members {
			if sum, ok := strings.CutPrefix(member, "blobs/sha256/"); ok {
				blobs++
				if digest.FromBytes(content).Encoded() != sum {
					t.Errorf("%s has other content", member)
				}
			}
		}
		if blobs != 7 || index.Manifests[0].Digest != images[name].Digest {
			t.Errorf("got %d blobs, want an index and twice manifest, configuration, layer", blobs)
		}
	})
	t.Run("a docker archive has one platform, uncompressed", func(t *testing.T) {
		var b bytes.Buffer
		if err := store.WriteDocker(&b, "busybox:latest", images[name]); err != nil {
			t.Fatal(err)
		}
		members := members(t, &b)
		var list []struct {
			Config           string
			RepoTags, Layers []string
		}
		if err := json.Unmarshal(members["manifest.json"], &list); err != nil {
			t.Fatal(err)
		}
		var config ocispec.Image
		if err := json.Unmarshal(members[list[0].Config], &config); err != nil {
			t.Fatal(err)
		}
		if got := digest.FromBytes(members[list[0].Layers[0]]); got != config.RootFS.DiffIDs[0] {
			t.Errorf("the layer is %s, the configuration says %s", got, config.RootFS.DiffIDs[0])
		}
	})
}

// The images are tried without the product, so that a failure of theirs is not taken for one of its own.
func TestEntryPoints(t *testing.T) {
	store := open(t).Store()
	cases := map[string]struct {
		env   []string
		ready string // shell inside, repeated until it passes
		want  string // and what it prints then
	}{
		"nginx": {
			nil, "curl -fsS http://127.0.0.1/ | grep -o '<h1>.*</h1>'", "<h1>Welcome to nginx!</h1>\n",
		},
		"redis": {
			nil, "redis-cli ping && stat -c %U /proc/$(pidof redis-server)", "PONG\nredis\n",
		},
		"postgres": {
			[]string{"POSTGRES_PASSWORD=secret", "POSTGRES_USER=me", "POSTGRES_DB=guests"},
			"PGPASSWORD=secret psql -h 127.0.0.1 -U me -Atc 'select current_database()' guests", "guests\n",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			root, config := unpack(t, store, "docker.io/library/"+name+":latest")
			pid := start(t, root, config, c.env)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var out []byte
			for ctx.Err() == nil {
				cmd := exec.CommandContext(ctx, "nsenter", "-t", pid, "-m", "-n", "-p", "-r", "sh", "-c", c.ready)
				var err error
				if out, err = cmd.Output(); err == nil {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			if string(out) != c.want {
				t.Errorf("got %q, want %q", out, c.want)
			}
		})
	}
}

// unpack lays the layers of an image over each other; there is nothing that deletes in them.
func unpack(t *testing.T, store *Store, name string) (string, ocispec.ImageConfig) {
	t.Helper()
	images, err := store.Images()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := store.manifest(images[name])
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, l := range manifest.Layers {
		cmd := exec.Command("tar", "-xzf", store.path(l.Digest), "-C", root, "--numeric-owner", "--exclude=.wh.*")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("unpack %s: %v\n%s", name, err, out)
		}
	}
	var config ocispec.Image
	if err := store.readJSON(manifest.Config.Digest, &config); err != nil {
		t.Fatal(err)
	}
	return root, config.Config
}

// start runs an image's command in namespaces of its own and gives the pid of its first process.
func start(t *testing.T, root string, config ocispec.ImageConfig, env []string) string {
	t.Helper()
	const inside = `
		mount --bind "$ROOT" "$ROOT"
		cd "$ROOT"
		mount -t proc proc proc
		mount -t tmpfs tmpfs dev
		for d in null zero random urandom tty; do touch dev/$d; mount --bind /dev/$d dev/$d; done
		for l in stdin:0 stdout:1 stderr:2; do ln -s /proc/self/fd/${l#*:} dev/${l%:*}; done
		ln -s /proc/self/fd dev/fd
		mkdir dev/shm && mount -t tmpfs tmpfs dev/shm
		ip link set lo up
		pivot_root . mnt
		umount -l mnt
		cd "$DIR"
		exec "$@"`
	args := append([]string{"-mpniu", "--fork", "sh", "-euc", inside, "sh"},
		slices.Concat(config.Entrypoint, config.Cmd)...)
	cmd := exec.Command("unshare", args...)
	cmd.Env = slices.Concat(config.Env, env, []string{"ROOT=" + root, "DIR=/" + config.WorkingDir})
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	init := 0 // of the namespace: all the others end with it
	t.Cleanup(func() {
		if init != 0 {
			_ = syscall.Kill(init, syscall.SIGKILL)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	children := filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "task", strconv.Itoa(cmd.Process.Pid), "children")
	for range 500 {
		text, _ := os.ReadFile(children)
		pid := strings.TrimSpace(string(text))
		if init, _ = strconv.Atoi(pid); init != 0 {
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("unshare has started nothing")
	return ""
}

func get(t *testing.T, url string, header http.Header) (http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %s: %s", url, resp.Status, body)
	}
	return resp.Header, body
}

func members(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if all[h.Name], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
	}
}
