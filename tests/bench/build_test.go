package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiffin/tests/harness"
)

const dockerfile = `FROM busybox AS build
WORKDIR /src
COPY . .
RUN cat *.txt | sort >/out.txt
FROM busybox
RUN mkdir -p /srv
COPY --from=build /out.txt /srv/
CMD ["cat", "/srv/out.txt"]
`

// builds are a small Dockerfile of two stages, and a large context that does not change.
func builds(b *testing.B, e *harness.Tiffin) []row {
	b.Helper()
	e.Write(b, "build/compose.yaml", "services: {app: {build: .}}\n")
	e.Write(b, "build/Dockerfile", dockerfile)
	for i := range 20 {
		e.Write(b, fmt.Sprintf("build/%d.txt", i), strings.Repeat(fmt.Sprintln(i), 50))
	}
	e.Write(b, "large/compose.yaml", "services: {app: {build: .}}\n")
	e.Write(b, "large/Dockerfile", "FROM scratch\nCOPY 0 /\n")
	large(b, filepath.Join(e.Dir, "large"))
	build := func(dir string, more ...string) func() {
		return func() { e.OK(b, append([]string{"--project-directory", dir, "build", "-q"}, more...)...) }
	}
	build("build")()
	rows := []row{
		{"build, all steps", measure(10, build("build", "--no-cache")), 809 * time.Millisecond, 500 * time.Millisecond},
		{"build, all cached", measure(10, build("build")), 198 * time.Millisecond, 60 * time.Millisecond},
	}
	build("large")()
	return append(rows, row{"build, 1 GB of context as before", measure(5, build("large")), 0, 150 * time.Millisecond})
}

// large writes 1000 files of 1 MB.
func large(b *testing.B, dir string) {
	b.Helper()
	content := make([]byte, 1e6)
	for i := range 1000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), content, 0o600); err != nil {
			b.Fatal(err)
		}
	}
}
