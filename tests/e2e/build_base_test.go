package e2e

import (
	"strings"
	"testing"

	"tiffin/tests/harness"
)

// What a build has fetched is a base like any other that is here: a registry is asked again only by --pull, or when
// the cache has let it go.
func TestABaseThatABuildHasFetchedNeedsNoRegistry(t *testing.T) {
	registry := harness.RegistryWith(t, "library/busybox:latest", "library/debian:stable-slim")
	e := harness.New(t)
	e.Mirror(t, registry)
	e.Write(t, "compose.yaml", `
name: base
services:
  one: {build: {context: ., dockerfile_inline: "FROM busybox\nRUN echo one >/f\n"}, network_mode: none}
  two: {build: {context: ., dockerfile_inline: "FROM busybox\nRUN echo two >/f\n"}, network_mode: none}
  other: {build: {context: ., dockerfile_inline: "FROM debian:stable-slim\n"}}
`)
	e.OK(t, "build", "one")
	if err := registry.Close(); err != nil {
		t.Fatal(err)
	}
	again := func(when string) {
		t.Helper()
		if r := e.Do(t, "--progress", "plain", "build", "one"); r.Code != 0 || !strings.Contains(r.Stderr, "CACHED") {
			t.Errorf("%s: exit code %d\n%s", when, r.Code, r.Stderr)
		}
	}
	again("without the registry")
	e.OK(t, "build", "two") // another step on the same base
	if out := e.OK(t, "run", "--rm", "-T", "two", "cat", "/f"); out != "two\n" {
		t.Errorf("the image holds %q", out)
	}
	e.OK(t, "engine", "stop")
	again("with the next engine")
	if r := e.Do(t, "rmi", "busybox"); r.Code == 0 {
		t.Error("the base is in the list of images")
	}

	refused := func(why string, args ...string) {
		t.Helper()
		if r := e.Do(t, args...); r.Code == 0 || !strings.Contains(r.Stderr, "its registry is not reachable") {
			t.Errorf("%s: exit code %d\n%s", why, r.Code, r.Stderr)
		}
	}
	refused("a base that was never fetched", "build", "-q", "other")
	refused("asked for a newer one", "build", "-q", "--pull", "one")
	again("after it was refused")
	e.OK(t, "builder", "prune", "-af")
	refused("after prune", "build", "-q", "--no-cache", "one")
}

// A base that has changed is used when the build asks for it, and then stays.
func TestABaseIsTheOneThatWasPulledLast(t *testing.T) {
	registry := harness.RegistryWith(t, "library/busybox:latest")
	e := harness.New(t)
	e.Mirror(t, registry)
	e.Write(t, "compose.yaml", `
name: newer
services:
  base: {image: "`+registry.Addr+`/team/base:1", build: {context: ., dockerfile_inline: "FROM busybox\nARG V\nRUN echo $$V >/v\n"}}
  app: {build: {context: ., dockerfile_inline: "FROM `+registry.Addr+`/team/base:1\nRUN cat /v >/seen\n"}, network_mode: none}
`)
	push := func(v string) {
		t.Helper()
		e.OK(t, "build", "--push", "--build-arg", "V="+v, "base")
		e.OK(t, "rmi", registry.Addr+"/team/base:1")
	}
	seen := func() string {
		t.Helper()
		return e.OK(t, "run", "--rm", "-T", "app", "cat", "/seen")
	}
	push("1")
	e.OK(t, "build", "app")
	push("2")
	e.OK(t, "build", "app")
	if v := seen(); v != "1\n" {
		t.Errorf("without --pull: the base is of version %s", v)
	}
	e.OK(t, "build", "--pull", "app")
	if v := seen(); v != "2\n" {
		t.Errorf("with --pull: the base is of version %s", v)
	}
	e.OK(t, "build", "app")
	if v := seen(); v != "2\n" {
		t.Errorf("after --pull: the base is of version %s", v)
	}

	// An image of the engine's is like one that a build has fetched.
	push("3")
	e.OK(t, "pull", "base")
	e.OK(t, "build", "app")
	if v := seen(); v != "3\n" {
		t.Errorf("after pull: the base is of version %s", v)
	}
	e.OK(t, "tag", registry.Addr+"/team/base:1", "kept:3")
	push("4")
	e.OK(t, "tag", "kept:3", registry.Addr+"/team/base:1")
	e.OK(t, "build", "--pull", "app")
	e.OK(t, "build", "app")
	if v := seen(); v != "4\n" {
		t.Errorf("after --pull, with an older image here: the base is of version %s", v)
	}
}
