package client

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tonistiigi/fsutil"

	"tiffin/engine"
)

// write makes a folder of files; a text that begins with -> is a link.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(text, "->"); ok {
			err = os.Symlink(to, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// sourceText writes what a build is made of; the folder of the test is called DIR.
func sourceText(t *testing.T, s *source, dir string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(attrText(s.attrs))
	folders := map[string]string{}
	for name, path := range s.folders {
		folders["folder "+name] = path
	}
	b.WriteString(attrText(folders))
	made := map[string]string{}
	for name, files := range s.made {
		made["made "+name] = filesText(t, files)
	}
	b.WriteString(attrText(made))
	if s.upload != nil {
		text, err := io.ReadAll(s.upload)
		fmt.Fprintf(&b, "upload %d bytes, %v\n", len(text), err)
	}
	return strings.ReplaceAll(b.String(), dir, "DIR")
}

func filesText(t *testing.T, files fsutil.FS) string {
	t.Helper()
	var list []string
	err := files.Walk(t.Context(), "", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := files.Open(path)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(f)
		list = append(list, fmt.Sprintf("%s:%q", path, text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

// oneTar is an archive with a Dockerfile.
const tarBlock = 512

func oneTar(t *testing.T) string {
	t.Helper()
	head := make([]byte, 2*tarBlock)
	copy(head, "Dockerfile")
	copy(head[100:], "0000644\x00")
	copy(head[124:], "00000000000\x00")
	head[156] = '0'
	copy(head[257:], "ustar\x0000")
	copy(head[148:], "        ")
	sum := 0
	for _, c := range head[:tarBlock] {
		sum += int(c)
	}
	copy(head[148:], fmt.Sprintf("%06o\x00 ", sum))
	return string(head)
}

func TestSource(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"Dockerfile": "FROM scratch", "docker/web.Dockerfile": "FROM scratch", "linked": "->/DOES/NOT/MATTER", "lower/dockerfile": "FROM scratch",
		"app/main": "", "link/Dockerfile": "->../docker/web.Dockerfile", "link/Dockerfile.dockerignore": "*.log",
	})
	in := func(name string) string { return filepath.Join(dir, name) }
	cases := map[string]struct {
		build engine.Build
		o     Options
		want  string
	}{
		"a folder": {
			build: engine.Build{Context: dir},
			want:  "filename=Dockerfile\nfolder context=DIR\nfolder dockerfile=DIR\n",
		},
		"a Dockerfile below the context keeps its path": {
			build: engine.Build{Context: dir, Dockerfile: "docker/web.Dockerfile"},
			want:  "filename=docker/web.Dockerfile\nfolder context=DIR\nfolder dockerfile=DIR\n",
		},
		"a Dockerfile outside of the context is read from its own folder": {
			build: engine.Build{Context: in("app"), Dockerfile: "../docker/web.Dockerfile"},
			want:  "filename=web.Dockerfile\nfolder context=DIR/app\nfolder dockerfile=DIR/docker\n",
		},
		"a Dockerfile in small letters": {
			build: engine.Build{Context: in("lower")},
			want:  "filename=dockerfile\nfolder context=DIR/lower\nfolder dockerfile=DIR/lower\n",
		},
		"a Dockerfile that is a link is read here, with its ignore file": {
			build: engine.Build{Context: in("link")},
			want:  "filename=Dockerfile\nfolder context=DIR/link\nmade dockerfile=Dockerfile:\"FROM scratch\" Dockerfile.dockerignore:\"*.log\"\n",
		},
		"a Dockerfile in the Compose file": {
			build: engine.Build{Context: dir, DockerfileInline: "FROM a"},
			want:  "filename=dockerfile_inline\nfolder context=DIR\nmade dockerfile=dockerfile_inline:\"FROM a\"\n",
		},
		"git": {
			build: engine.Build{Context: "https://git.example/app.git#main:sub", Dockerfile: "web.Dockerfile"},
			want:  "context=https://git.example/app.git#main:sub\nfilename=web.Dockerfile\n",
		},
		"git, with a Dockerfile of one's own": {
			build: engine.Build{Context: "git@git.example:app.git", DockerfileInline: "FROM a"},
			want: "context=git@git.example:app.git\ndockerfilekey=dockerfile\nfilename=dockerfile_inline\n" +
				"made dockerfile=dockerfile_inline:\"FROM a\"\n",
		},
		"an archive from standard input": {
			build: engine.Build{Context: "-"}, o: Options{Stdin: strings.NewReader(oneTar(t))},
			want: "upload 1024 bytes, <nil>\n",
		},
		"a Dockerfile from standard input": {
			build: engine.Build{Context: "-"}, o: Options{Stdin: strings.NewReader("FROM a\n")},
			want: "made context=\nmade dockerfile=Dockerfile:\"FROM a\\n\"\n",
		},
		"further contexts": {
			build: engine.Build{Context: dir, AdditionalContexts: map[string]string{
				"src": in("app"), "context": in("app"), "golang:1": "docker-image://golang:1.26", "repo": "https://git.example/x.git", "db": "service:db",
			}},
			o: Options{Images: map[string]string{"db": "postgres:18"}},
			want: "context:context=local:_context\ncontext:db=docker-image://docker.io/library/postgres:18\n" +
				"context:golang:1=docker-image://golang:1.26\ncontext:repo=https://git.example/x.git\ncontext:src=local:src\nfilename=Dockerfile\n" +
				"folder _context=DIR/app\nfolder context=DIR\nfolder dockerfile=DIR\nfolder src=DIR/app\n",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.o.Targets = []Target{{Name: "web", Image: "web", Build: c.build}}
			jobs, err := jobsOf(&c.o)
			if err != nil {
				t.Fatal(err)
			}
			s, err := sourceOf(jobs[0], &c.o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, sourceText(t, s, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSourcesThatCannotBe(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"file": "x", "empty/x": ""})
	cases := map[string]struct {
		build engine.Build
		stdin string
		kind  error
		want  string
	}{
		"no context":               {engine.Build{Context: dir + "/nothing"}, "", engine.ErrNotFound, "build context DIR/nothing does not exist"},
		"a context that is a file": {engine.Build{Context: dir + "/file"}, "", engine.ErrInvalid, "build context DIR/file is no folder"},
		"no Dockerfile":            {engine.Build{Context: dir + "/empty"}, "", engine.ErrNotFound, "there is no DIR/empty/Dockerfile"},
		"a Dockerfile that is a folder": {
			engine.Build{Context: dir, Dockerfile: "empty"}, "", engine.ErrInvalid, "dockerfile DIR/empty is a folder",
		},
		"a Dockerfile somewhere else": {
			engine.Build{Context: dir, Dockerfile: "https://x.example/Dockerfile"},
			"", engine.ErrUnsupported,
			"dockerfile https://x.example/Dockerfile: a Dockerfile with an address of its own is not fetched",
		},
		"no standard input": {engine.Build{Context: "-"}, "", engine.ErrInvalid, "the build context is standard input, and that is empty"},
		"no archive, and a Dockerfile beside it": {
			engine.Build{Context: "-", Dockerfile: "web.Dockerfile"},
			"FROM a", engine.ErrInvalid,
			"standard input is no archive: with a dockerfile of its own, a build needs a context",
		},
		"a further context that is not there": {
			engine.Build{Context: dir, DockerfileInline: "FROM a", AdditionalContexts: map[string]string{"x": dir + "/x"}},
			"", engine.ErrNotFound,
			"additional context x: folder DIR/x does not exist",
		},
		"an OCI layout that is not there": {
			engine.Build{Context: dir, DockerfileInline: "FROM a", AdditionalContexts: map[string]string{"x": "oci-layout://" + dir + "/x"}},
			"",
			engine.ErrNotFound, "additional context x: OCI layout DIR/x does not exist",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := &job{targets: []*Target{{Name: "web", Build: c.build}}}
			_, err := sourceOf(j, &Options{Stdin: strings.NewReader(c.stdin)})
			if err == nil {
				t.Fatal("no error")
			}
			if got := strings.ReplaceAll(err.Error(), dir, "DIR"); got != c.want || !errors.Is(err, c.kind) {
				t.Errorf("got  %s\nwant %s, %v", got, c.want, c.kind)
			}
		})
	}
}

func TestSplitLayout(t *testing.T) {
	t.Parallel()
	pinned := "sha256:" + strings.Repeat("a", 64)
	for text, want := range map[string]string{
		"/dir":               "/dir latest ",
		"./dir:1.2":          "./dir 1.2 ",
		"/a:b/dir":           "/a:b/dir latest ",
		"/dir@" + pinned:     "/dir latest " + pinned,
		"/dir@sha256:short":  "error",
		"/dir:":              "error",
		"":                   "error",
		"/dir:tag@" + pinned: "/dir tag " + pinned,
	} {
		l, err := splitLayout(text)
		got := fmt.Sprintf("%s %s %s", l.path, l.tag, l.digest)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
