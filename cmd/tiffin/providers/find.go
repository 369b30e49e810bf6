package providers

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
)

// folders are where docker looks for its plugins; the first is the caller's own.
func folders(getenv func(string) string) []string {
	own := getenv("DOCKER_CONFIG")
	if own == "" {
		own = filepath.Join(getenv("HOME"), ".docker")
	}
	return []string{
		filepath.Join(own, "cli-plugins"),
		"/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
		"/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins",
	}
}

// find is the program of a type: docker's plugin of that name, or one in PATH.
func find(kind string, getenv func(string) string) (string, error) {
	if kind == "compose" {
		return "", errors.New("compose is not a type of provider")
	}
	if filepath.Base(kind) == kind {
		for _, dir := range folders(getenv) {
			path := filepath.Join(dir, "docker-"+kind)
			if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
				return path, nil
			}
		}
	}
	path, err := exec.LookPath(kind)
	if errors.Is(err, exec.ErrDot) {
		err = nil
	}
	if err != nil {
		return "", errors.New("there is neither a docker plugin nor a program of that name")
	}
	return path, nil
}
