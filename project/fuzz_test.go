package project

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"tiffin/engine"
)

// FuzzLoad wants an answer to any file, soon, and no panic: neither of ours nor of
// compose-go, which panics on shapes that it does not expect.
func FuzzLoad(f *testing.F) {
	for _, file := range corpus(f) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	cases, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range cases {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".yaml") {
				f.Add(string(file.Data))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			t.Skip()
		}
		start := time.Now()
		p, err := Load(t.Context(), Options{WorkingDir: t.TempDir(), Files: []string{"-"}, Stdin: strings.NewReader(text), Name: "p"})
		if err == nil {
			_, err = p.Stack()
		}
		if err != nil && strings.Contains(err.Error(), "of a shape that cannot be read") {
			t.Error(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// read gives the Stack of a Compose file that comes from standard input.
func read(t *testing.T, dir, text string) (*engine.Stack, error) {
	t.Helper()
	p, err := Load(t.Context(), stdin(dir, text))
	if err != nil {
		return nil, err
	}
	return p.Stack()
}

func stdin(dir, text string) Options {
	return Options{WorkingDir: dir, Files: []string{"-"}, Stdin: strings.NewReader(text), Name: "p"}
}

// wellRefused wants an error to say where; and reading it must not have been a matter of luck.
func wellRefused(t *testing.T, err error) {
	t.Helper()
	place := regexp.MustCompile(`^\(standard input\):\d+:\d+: `)
	if !place.MatchString(err.Error()) || strings.Contains(err.Error(), "of a shape that cannot be read") {
		t.Errorf("an error without a place: %v", err)
	}
}

// sameAgain wants config to print a Compose file that is the same Stack.
func sameAgain(t *testing.T, dir, text string, before *engine.Stack) {
	t.Helper()
	config, err := Config(t.Context(), stdin(dir, text), ConfigOptions{})
	if err != nil {
		t.Fatalf("up takes it, config does not: %v", err)
	}
	after, err := read(t, dir, string(config))
	if err != nil {
		t.Fatalf("what config prints is not accepted: %v\n%s", err, config)
	}
	if diff := cmp.Diff(stackText(t, before), stackText(t, after)); diff != "" {
		t.Errorf("config prints another project\n%s\n%s", diff, config)
	}
}

// stackText is a Stack without what says where it comes from.
func stackText(t *testing.T, s *engine.Stack) string {
	t.Helper()
	out, err := json.MarshalIndent(s.Services, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// fuzzItem tries a text as the item of a list of a service.
func fuzzItem(f *testing.F, attribute string, seeds []string, check func(t *testing.T, c *engine.ContainerSpec)) {
	f.Helper()
	for _, text := range seeds {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 100 || !utf8.ValidString(text) {
			t.Skip()
		}
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Skip()
		}
		file := "services:\n  web:\n    image: busybox\n    " + attribute + ": [" + string(quoted) + "]\nvolumes: {named: {}}\n"
		dir := t.TempDir()
		stack, err := read(t, dir, file)
		if err != nil {
			wellRefused(t, err)
			return
		}
		check(t, &stack.Services[0].Container)
		sameAgain(t, dir, file, stack)
	})
}

func FuzzPorts(f *testing.F) {
	seeds := []string{
		"80", "80/udp", "8080:80", "127.0.0.1:8080:80", "127.0.0.1::80", "[::1]:8080:80/tcp", "::1:1:2", "3000-3005", "9090-9091:80-81",
		"8000-9000:80", "0:80", "a:b", "1:2:3:4", ":80", "80:", "80/", "80/sctp", "65536", "-1", "1-", "10-9", " 80", "08:8", "$$:1", "localhost:1:1",
	}
	fuzzItem(f, "ports", seeds, func(t *testing.T, c *engine.ContainerSpec) {
		t.Helper()
		for _, b := range c.Ports {
			if b.ContainerPort == 0 || b.HostPortEnd != 0 && b.HostPortEnd <= b.HostPort || b.HostPortEnd != 0 && b.HostPort == 0 {
				t.Errorf("%+v", b)
			}
		}
	})
}

func FuzzVolumes(f *testing.F) {
	seeds := []string{
		"/anonymous", "named:/data", "named:/data:ro", "./here:/there", "../up:/there:rw,z", "~/home:/home", "/a:/b:ro,rshared", "named:/x:nocopy",
		"a", "a:b", ":/x", "named:", "named:/data:bogus", "C:\\\\x:/y", "/a:/b:/c", "named:/a/../b", ".:.", "~:/x", "/:/", "named:/x:", "named:/x:ro,rw",
	}
	fuzzItem(f, "volumes", seeds, func(t *testing.T, c *engine.ContainerSpec) {
		t.Helper()
		for _, m := range c.Mounts {
			if !strings.HasPrefix(m.Target, "/") || m.Type == engine.MountBind && !strings.HasPrefix(m.Source, "/") {
				t.Errorf("%+v", m)
			}
		}
	})
}

// FuzzEnvFile tries a text as .env and as env_file: variables have names, and config writes their values so that they
// are read as they were.
func FuzzEnvFile(f *testing.F) {
	for _, text := range []string{
		"A=1\n", "export A=1", "A", "A=", "# c\nA=1 # c", "A='x y'\nB=\"x\\ny\"", "A=\"two\nlines\"", "A=${B:-c}", "A='$B'", "A=\"", "=1", "A B=1", "A: 1",
		"\ufeffA=1", "A=1\r\nB=2\r\n", "A=$$B", "A=\\", "1A=1", "A.B=1", "A=${", "A=${B?no}", "A=#", "A= # c", "A=\x00",
	} {
		f.Add(text)
	}
	const file = "services:\n  web:\n    image: busybox\n    env_file: some.env\n"
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 500 || !utf8.ValidString(text) {
			t.Skip()
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "some.env"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		stack, err := read(t, dir, file)
		if err != nil {
			if !strings.Contains(err.Error(), "some.env") || strings.Contains(err.Error(), "of a shape that cannot be read") {
				t.Errorf("an error that does not name the file: %v", err)
			}
			return
		}
		for _, e := range stack.Services[0].Container.Env {
			if name, _, _ := strings.Cut(e, "="); name == "" {
				t.Errorf("a variable without a name: %q", e)
			}
		}
		sameAgain(t, dir, file, stack)
		asDefault(t, dir, text)
	})
}

// asDefault reads the same file as .env.
func asDefault(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := read(t, dir, "services: {web: {image: busybox}}")
	if err != nil && !strings.Contains(err.Error(), ".env") && !strings.Contains(err.Error(), "COMPOSE_") && !strings.Contains(err.Error(), "TIFFIN_") {
		t.Errorf("as .env: an error that does not name the file: %v", err)
	}
}
