package harness

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tiffin/tests/images"
)

// Images are the images of tests/images, made when they are not there.
func Images(tb testing.TB) *images.Cache {
	tb.Helper()
	RequireTool(tb, "docker-registry", "mmdebstrap")
	cache, err := images.Open(tb.Context(), func(line string) { tb.Log("tests/images:", line) })
	if errors.Is(err, images.ErrNeedsRoot) {
		lacks(tb, "root, to make the images")
	}
	if err != nil {
		tb.Fatal(err)
	}
	return cache
}

// Registry is a registry with all the test images, on loopback, until the test ends.
func Registry(tb testing.TB) *images.Registry {
	tb.Helper()
	return serve(tb, Images(tb).RegistryDir(), images.RegistryOptions{ReadOnly: true})
}

// RegistryWith is a registry with some of the test images and no others, on loopback, until the test ends. They are named
// like library/busybox:latest.
func RegistryWith(tb testing.TB, names ...string) *images.Registry {
	tb.Helper()
	store := Images(tb).Store()
	all, err := store.Images()
	if err != nil {
		tb.Fatal(err)
	}
	r := EmptyRegistry(tb)
	for _, name := range names {
		d, ok := all["docker.io/"+name]
		if !ok {
			tb.Fatalf("there is no test image %s", name)
		}
		repository, tag, _ := strings.Cut(name, ":")
		if err := r.Push(tb.Context(), store, repository, tag, d); err != nil {
			tb.Fatalf("push %s: %v", name, err)
		}
	}
	return r
}

// EmptyRegistry is a registry that takes images, on loopback, until the test ends.
func EmptyRegistry(tb testing.TB) *images.Registry {
	tb.Helper()
	RequireTool(tb, "docker-registry")
	return serve(tb, tb.TempDir(), images.RegistryOptions{})
}

// PrivateRegistry is an empty registry whose one user is tester, with the password secret.
func PrivateRegistry(tb testing.TB) *images.Registry {
	tb.Helper()
	RequireTool(tb, "docker-registry")
	users := filepath.Join(tb.TempDir(), "users")
	const tester = "tester:$2b$04$9SeGJawnzSHfOMFS3gkjMeVtJsm5xYewwuL4d0nv9vcQsfoEnxpsy\n" // bcrypt
	if err := os.WriteFile(users, []byte(tester), 0o600); err != nil {
		tb.Fatal(err)
	}
	return serve(tb, tb.TempDir(), images.RegistryOptions{Htpasswd: users})
}

func serve(tb testing.TB, dir string, o images.RegistryOptions) *images.Registry {
	tb.Helper()
	r, err := images.StartRegistry(tb.Context(), dir, o, tb.Output())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := r.Close(); err != nil {
			tb.Errorf("stop the registry: %v", err)
		}
	})
	return r
}

// Mirror tells the engine to take Docker Hub's images from a registry.
func (e *Tiffin) Mirror(tb testing.TB, r *images.Registry) {
	tb.Helper()
	e.Configure(tb, map[string]any{
		"registry-mirrors":    map[string][]string{"docker.io": {"http://" + r.Addr}},
		"insecure-registries": []string{r.Addr},
	})
}
