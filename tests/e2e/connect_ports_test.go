package e2e

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"tiffin/tests/harness"
)

const shielded = `
name: shield
services:
  web:
    image: busybox
    init: true
    command: [httpd, -f, -p, "8080", -h, /www]
    volumes: ["./www:/www"]
    networks: [inner]
    ports: ["127.0.0.1:${PORT}:8080"]
networks:
  inner: {internal: true}
`

// A port is there when a network leads to the container, and refuses when none does: nobody waits at a door that opens
// for no one.
func TestPublishedPortsComeAndGoWithTheNetworks(t *testing.T) {
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	e.Env["PORT"] = freePort(t)
	e.Write(t, "compose.yaml", shielded)
	e.Write(t, "www/index.html", "let in\n")
	e.OK(t, "pull")
	before := e.Snapshot(t)
	e.OK(t, "up", "-d")
	e.OK(t, "network", "create", "outer")
	refused := func(when string) {
		t.Helper()
		if c, err := net.Dial("tcp", "127.0.0.1:"+e.Env["PORT"]); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: got %v, %v; want a refusal", when, c, err)
		}
		if said := e.Fails(t, 1, "port", "web", "8080"); !strings.Contains(said, "no port 8080/tcp") {
			t.Errorf("%s: port says %q", when, said)
		}
	}
	refused("on an internal network")
	for range 2 {
		e.OK(t, "network", "connect", "outer", "shield-web-1")
		page := "http://127.0.0.1:" + e.Env["PORT"] + "/"
		answers(t, page)
		browse(t, page, "let in")
		if said := e.OK(t, "port", "web", "8080"); said != "127.0.0.1:"+e.Env["PORT"]+"\n" {
			t.Errorf("port says %q", said)
		}
		e.OK(t, "network", "disconnect", "outer", "shield-web-1")
		refused("after it was disconnected")
	}
	e.OK(t, "down", "-t", "1")
	e.OK(t, "network", "rm", "outer")
	e.NothingLeft(t, before)
}
