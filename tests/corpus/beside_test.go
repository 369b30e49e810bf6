package corpus

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/project"
	"tiffin/tests/packages"
)

// understood are the projects that docker-compose 1.29 can read: the others use what came after it.
func understood() []string {
	return []string{"devcontainer", "elsewhere", "nats-cluster", "rabbitmq-workers", "traefik", "version-2", "version-3"}
}

// TestBesideDockerCompose compares with docker-compose 1.29, the one that Debian has. What it prints for config is read
// as a Compose file, so that only the meaning is compared.
func TestBesideDockerCompose(t *testing.T) {
	root := packages.Unpacked(t, "docker-compose")
	for _, name := range understood() {
		t.Run(name, func(t *testing.T) {
			o := options(t, name, nil)
			ours, err := project.Config(t.Context(), o, project.ConfigOptions{})
			if err != nil {
				t.Fatal(err)
			}
			o.Files, o.Stdin, o.ProjectDir = []string{"-"}, strings.NewReader(readable(dockerCompose(t, root, name, "config"))), o.WorkingDir
			theirs, err := project.Config(t.Context(), o, project.ConfigOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(theirs), string(ours)); diff != "" {
				t.Errorf("docker-compose -, tiffin +\n%s", diff)
			}
		})
	}
}

// readable takes out what docker-compose prints in a notation of its own.
func readable(config string) string { return strings.ReplaceAll(config, "- service:db:ro", "- db:ro") }

func TestListsBesideDockerCompose(t *testing.T) {
	const name = "nats-cluster"
	root := packages.Unpacked(t, "docker-compose")
	o := options(t, name, nil)
	o.Profiles = []string{"*"} // docker-compose lists what is not enabled, too
	p, err := project.Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(theirList(t, root, name, "--services"), slices.Sorted(slices.Values(p.ServiceNames()))); diff != "" {
		t.Errorf("services: docker-compose -, tiffin +\n%s", diff)
	}
	if diff := cmp.Diff(theirList(t, root, "version-3", "--volumes"), load(t, "version-3").VolumeNames()); diff != "" {
		t.Errorf("volumes: docker-compose -, tiffin +\n%s", diff)
	}
}

func load(t *testing.T, name string) *project.Project {
	t.Helper()
	p, err := project.Load(t.Context(), options(t, name, nil))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func theirList(t *testing.T, root, name, what string) []string {
	t.Helper()
	list := strings.Fields(dockerCompose(t, root, name, "config", what))
	slices.Sort(list)
	return list
}

// dockerCompose runs Debian's docker-compose, which is unpacked below root, in the folder of a project.
func dockerCompose(t *testing.T, root, name string, args ...string) string {
	t.Helper()
	const python = "/usr/bin/python3" // whose packages those of Debian are
	cmd := exec.CommandContext(t.Context(), python, append([]string{filepath.Join(root, "usr/bin/docker-compose")}, args...)...)
	cmd.Dir = name
	cmd.Env = append(
		options(t, name, nil).Environ, "PATH="+os.Getenv("PATH"), "LC_ALL=C.UTF-8", "PYTHONWARNINGS=ignore",
		"PYTHONPATH="+filepath.Join(root, "usr/lib/python3/dist-packages"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker-compose %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}
