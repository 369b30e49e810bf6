package e2e

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/tests/harness"
)

// The store is ready half a second after its start, and both write down when: the volume tells the order.
const rebootable = `
name: shop
x-box: &box
  image: busybox
  init: true
  restart: always
services:
  store:
    <<: *box
    command: [sh, -c, "sleep 0.5; echo store >>/data/order; touch /ready/now; exec sleep 1000"]
    volumes: ["data:/data"]
    tmpfs: [/ready]
    healthcheck: {test: [CMD, test, -e, /ready/now], interval: 100ms, retries: 100}
  migrate:
    image: busybox
    command: ["true"]
    depends_on:
      store: {condition: service_healthy}
  api:
    <<: *box
    restart: unless-stopped
    command: [sh, -c, "echo api >>/data/order; exec httpd -f -p 8080 -h /data"]
    volumes: ["data:/data"]
    ports: ["127.0.0.1:${PORT}:8080"]
    depends_on:
      store: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
  worker:
    <<: *box
    restart: on-failure
    command: [sh, -c, "wget -q -O - http://api:8080/order; exec sleep 1000"]
    depends_on: [api]
  idle:
    <<: *box
    restart: unless-stopped
    command: [sleep, "1000"]
  plain:
    image: busybox
    init: true
    command: [sleep, "1000"]
volumes:
  data:
`

func TestAfterARebootTheStackComesBackInOrder(t *testing.T) {
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	e.Env["PORT"] = freePort(t)
	e.Write(t, "compose.yaml", rebootable)
	e.OK(t, "pull")
	before := e.Snapshot(t)
	e.OK(t, "up", "-d")
	page := "http://127.0.0.1:" + e.Env["PORT"] + "/order"
	answers(t, page)
	e.OK(t, "stop", "idle")
	e.OK(t, "engine", "stop") // as at every shutdown: it writes what the next boot has to know
	e.Reboot(t)
	e.OK(t, "ls") // starts the engine
	want := map[string]string{
		"store": "running healthy", "api": "running", "worker": "running", "migrate": "exited 0", "idle": "exited 143", "plain": "exited 255",
	}
	harness.Eventually(20*time.Second, func() bool { return cmp.Equal(want, states(t, e)) })
	if diff := cmp.Diff(want, states(t, e)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	answers(t, page)
	e.OK(t, "up", "-d", "store", "api", "worker") // there is nothing left to do
	if order := e.OK(t, "exec", "-T", "api", "cat", "/data/order"); order != "store\napi\nstore\napi\n" {
		t.Errorf("they started in the order\n%s", order)
	}

	e.OK(t, "down", "-v", "-t", "0")
	e.NothingLeft(t, without(before, e))
}
