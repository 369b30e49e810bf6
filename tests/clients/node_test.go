package clients

import (
	"os"
	"os/exec"
	"testing"

	"github.com/moby/moby/client"
	tc "github.com/testcontainers/testcontainers-go"
	"tiffin/tests/programs"
)

// node is a session of the library for Node: it asks for other things, in other words.
func (r *reaping) node(t *testing.T) {
	modules := programs.Install(t, programs.Testcontainers)
	s := &session{cmd: exec.CommandContext(t.Context(), "node", "node/session.cjs")}
	s.cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "HOME="+r.e.Dir, "TMPDIR="+t.TempDir(), "DOCKER_HOST="+r.e.DockerHost(),
		"TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1", "TESTCONTAINERS_RYUK_RECONNECTION_TIMEOUT=500ms",
		"RYUK_CONTAINER_IMAGE="+tc.ReaperDefaultImage) //nolint:staticcheck // see TestReaper
	s.start(t)
	s.ready(t)
	reapers, err := r.api.ContainerList(t.Context(), client.ContainerListOptions{Filters: make(client.Filters).Add("label", reaperLabel+"=true")})
	if err != nil {
		t.Fatal(err)
	}
	if len(reapers.Items) != 1 {
		t.Fatalf("%d reapers, want one", len(reapers.Items))
	}
	const label = "org.testcontainers.session-id"
	id := reapers.Items[0].Labels[label]
	of := label + "=" + id
	r.has(t, of, "2 containers, 1 networks, 0 volumes, 1 images")
	gone := r.reaped(t, "testcontainers-ryuk-"+id, of)
	s.end(t)
	gone()
}
