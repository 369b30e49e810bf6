package e2e

import (
	"strings"
	"testing"
	"time"

	"tiffin/tests/harness"
)

const tunnel = `
name: vpn
services:
  tunnel:
    image: busybox
    init: true
    command: [sh, -c, "echo ${WORD}; while :; do sleep 1000; done"]
    restart: always
    networks: [front]
    ports: ["127.0.0.1:${PORT}:8080"]
  guest:
    image: busybox
    init: true
    network_mode: service:tunnel
    command: [httpd, -f, -p, "8080", -h, /www]
    volumes: ["./www:/www"]
  peer:
    image: busybox
    init: true
    command: [httpd, -f, -p, "8080", -h, /www]
    volumes: ["./www:/www"]
    networks: [front]
networks:
  front:
`

// Who is in the network of another service stays in it, undisturbed, when that one ends, is restarted, or is recreated.
func TestASharedNetworkOutlivesItsOwner(t *testing.T) {
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	e.Env["PORT"], e.Env["WORD"] = freePort(t), "one"
	e.Write(t, "compose.yaml", tunnel)
	e.Write(t, "www/index.html", "through the tunnel\n")
	e.OK(t, "pull")
	before := e.Snapshot(t)
	e.OK(t, "up", "-d")
	page := "http://127.0.0.1:" + e.Env["PORT"] + "/"
	answers(t, page)

	guest := e.OK(t, "ps", "-q", "--no-trunc", "guest")
	started := e.OK(t, "exec", "-T", "guest", "stat", "-c", "%Y", "/proc/1")
	address := e.OK(t, "exec", "-T", "guest", "ip", "addr", "show", "eth0")
	undisturbed := func(after string) {
		t.Helper()
		if got := e.OK(t, "ps", "-q", "--no-trunc", "guest"); got != guest {
			t.Errorf("%s: the guest is another container", after)
		}
		if got := e.OK(t, "exec", "-T", "guest", "stat", "-c", "%Y", "/proc/1"); got != started {
			t.Errorf("%s: the guest was restarted", after)
		}
		if got := e.OK(t, "exec", "-T", "guest", "ip", "addr", "show", "eth0"); got != address {
			t.Errorf("%s: the guest's link is\n%swas\n%s", after, got, address)
		}
		if got := e.OK(t, "exec", "-T", "guest", "wget", "-q", "-O", "-", "http://peer:8080/"); got != "through the tunnel\n" {
			t.Errorf("%s: the peer says %q to the guest", after, got)
		}
		if got := e.OK(t, "exec", "-T", "peer", "wget", "-q", "-O", "-", "http://tunnel:8080/"); got != "through the tunnel\n" {
			t.Errorf("%s: the guest says %q to the peer", after, got)
		}
		browse(t, page, "through the tunnel")
	}
	undisturbed("up")

	owner := e.OK(t, "ps", "-q", "--no-trunc", "tunnel")
	e.OK(t, "kill", "-s", "KILL", "tunnel") // by the user: it stays down
	e.OK(t, "start", "tunnel")
	undisturbed("kill and start")
	e.OK(t, "restart", "-t", "1", "tunnel")
	undisturbed("restart")
	e.Env["WORD"] = "two"
	e.OK(t, "up", "-d", "tunnel")
	if got := e.OK(t, "ps", "-q", "--no-trunc", "tunnel"); got == owner {
		t.Error("the owner was not recreated")
	}
	undisturbed("recreate")
	if out := e.OK(t, "up", "-d"); strings.Contains(out, "Recreate") {
		t.Errorf("nothing has changed, and up says:\n%s", out)
	}
	undisturbed("up again")

	// The guest can be started again in what is now another container's.
	e.OK(t, "restart", "-t", "1", "guest")
	harness.Until(t, 10*time.Second, "the guest answers", func() bool {
		return e.Do(t, "exec", "-T", "peer", "wget", "-q", "-O", "-", "http://tunnel:8080/").Code == 0
	})

	// Without its owner the guest has no network to speak of, but it is there, and so is the way to take all down.
	e.OK(t, "rm", "-s", "-f", "tunnel")
	e.OK(t, "exec", "-T", "guest", "true")
	e.OK(t, "down", "-t", "1")
	e.NothingLeft(t, before)
}
