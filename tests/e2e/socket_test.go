package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tiffin/tests/harness"
)

// members is the group that may use the socket of the test's engine.
const members = 4242

// A container that has the engine's socket uses it as root and as a member of the group, and as nobody else; who gave
// it is warned. The caller's logins come with it to who asks for them.
func TestTheSocketInContainers(t *testing.T) {
	e := harness.New(t)
	registry := harness.Registry(t)
	link := filepath.Join(e.Dir, "docker.sock")
	e.Configure(t, map[string]any{
		"registry-mirrors":    map[string][]string{"docker.io": {"http://" + registry.Addr}},
		"insecure-registries": []string{registry.Addr},
		"socket-group":        fmt.Sprint(members),
	})
	buildAPIClient(t, e)
	e.Write(t, ".docker/config.json", `{"auths": {"registry.example.com": {"auth": "bWU6c2VjcmV0"}}}`)
	served := e.Start(t, "engine", "--docker-socket="+link)
	served.Says(t, "engine ready")
	e.Write(t, "compose.yaml", fmt.Sprintf(`
name: socket
x-box: &box
  image: busybox
  init: true
  command: [sleep, "1000"]
services:
  asks:
    <<: *box
    use_api_socket: true
    volumes: ["./apiclient:/apiclient:ro"]
  mounts:
    <<: *box
    volumes: ["./apiclient:/apiclient:ro", "%[1]s:/var/run/docker.sock"]
  member:
    <<: *box
    user: "1000:1000"
    group_add: ["%[2]d"]
    volumes: ["./apiclient:/apiclient:ro", "%[1]s:/var/run/docker.sock"]
  stranger:
    <<: *box
    user: "1000:1000"
    volumes: ["./apiclient:/apiclient:ro", "%[1]s:/var/run/docker.sock"]
`, link, members))
	e.OK(t, "pull")
	before := e.Snapshot(t)
	up := e.Do(t, "up", "-d")
	if up.Code != 0 {
		t.Fatal(up.Stderr)
	}
	for _, service := range []string{"asks", "mounts", "member", "stranger"} {
		if want := fmt.Sprintf("service \"%s\" has the engine's socket: who gets into its container is root on this host", service); !strings.Contains(up.Stderr, want) {
			t.Errorf("no warning for %s:\n%s", service, up.Stderr)
		}
	}
	for service, may := range map[string]bool{"asks": true, "mounts": true, "member": true, "stranger": false} {
		r := e.Do(t, "exec", "-T", service, "/apiclient", "/var/run/docker.sock", "/v1.44/containers/json")
		var list []struct{ Names []string }
		status, body, _ := strings.Cut(r.Stdout, "\n")
		_ = json.Unmarshal([]byte(body), &list) // then it is empty
		if got := status == "200" && len(list) == 4; got != may {
			t.Errorf("%s: %d %s%s", service, r.Code, r.Stdout, r.Stderr)
		}
	}
	if got := e.OK(t, "exec", "-T", "asks", "sh", "-c", "cat $DOCKER_CONFIG/config.json"); !strings.Contains(got, "registry.example.com") || !strings.Contains(got, "bWU6c2VjcmV0") {
		t.Errorf("logins: %s", got)
	}
	if got := e.Do(t, "up", "-d"); strings.Contains(got.Stderr, "Recreate") {
		t.Errorf("it is not what it was: %s", got.Stderr)
	}
	changes(t, e)
	e.OK(t, "down", "-t", "0")
	e.NothingLeft(t, before)
	e.OK(t, "engine", "stop")
	if code := served.Code(t); code != 0 {
		t.Errorf("the engine ended with %d: %s", code, served.Output())
	}
	if _, err := os.Lstat(link); !os.IsNotExist(err) {
		t.Errorf("the link is left: %v", err)
	}
}

// changes looks at what a container has written, its mount points aside, and at how much that is.
func changes(t *testing.T, e *harness.Tiffin) {
	t.Helper()
	e.OK(t, "exec", "-T", "mounts", "sh", "-c", "echo 12345 >/new; rm /bin/wget")
	client := func(path string) string {
		out, err := exec.CommandContext(t.Context(), filepath.Join(e.Dir, "apiclient"), filepath.Join(e.Run, "tiffin.sock"), path).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got, want := client("/containers/socket-mounts-1/changes"), "200\n"+
		`[{"Kind":0,"Path":"/bin"},{"Kind":2,"Path":"/bin/wget"},{"Kind":1,"Path":"/new"}]`+"\n"; got != want {
		t.Errorf("changes: %s", got)
	}
	if got := client("/containers/socket-mounts-1/json?size=1"); !strings.Contains(got, `"SizeRw":6,`) {
		t.Errorf("size: %s", got)
	}
	if got := client("/containers/socket-mounts-1/stats?stream=0&one-shot=1"); !strings.Contains(got, `"name":"/socket-mounts-1"`) || strings.Contains(got, `"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0},"system_cpu_usage":`) {
		t.Errorf("stats: %s", got)
	}
}
