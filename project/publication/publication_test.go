package publication

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

// of makes the publication of files in /app, the main ones first, in a form that can be compared.
func of(t *testing.T, env EnvFiles, main []string, files map[string]string) (*Publication, string) {
	t.Helper()
	var todo []File
	for _, path := range main {
		todo = append(todo, File{Path: path, Content: []byte(files[path])})
	}
	p, err := Of(todo, Site{
		Dir:    "/app",
		Expand: func(text string) (string, error) { return strings.ReplaceAll(text, "${STAGE}", "dev"), nil },
		Show:   func(path string) string { return strings.TrimPrefix(path, "/app/") },
		Read: func(path string) ([]byte, error) {
			text, ok := files[path]
			if !ok {
				return nil, engine.Problem(engine.ErrNotFound, fmt.Errorf("no %s", path))
			}
			return []byte(text), nil
		},
	}, env)
	if err != nil {
		t.Fatal(err)
	}
	// Files that others lead to are shown by their paths.
	var names []string
	for _, f := range p.Files {
		if f.Kind != Main {
			names = append(names, f.Name, "<"+f.Path+">")
		}
	}
	var out strings.Builder
	for _, f := range p.Files {
		fmt.Fprintf(&out, "-- %s\n%s\n", f.Name, strings.TrimSpace(string(f.Content)))
	}
	return p, strings.NewReplacer(names...).Replace(out.String())
}

func TestWhatLeadsOutOfAFileGoesAlong(t *testing.T) {
	t.Parallel()
	const shared = "services:\n  web:\n    image: web # kept\n    env_file: ${STAGE}.env\n    extends: {file: base/base.yaml, service: a}\n"
	files := map[string]string{
		"/app/compose.yaml":       shared,
		"/app/dev.env":            "A=1",
		"/app/base/base.yaml":     "services:\n  a: {extends: {file: ../more.yaml, service: b}}\n  own: {extends: a}\n",
		"/app/more.yaml":          "services: {b: {env_file: [{path: dev.env}, {path: none.env, required: false}]}}",
		"/app/plain.yaml":         "services: {web:   {command: [\"$X\"]}}",
		"/app/merged.yaml":        "x-a: &a {env_file: [dev.env]}\nservices:\n  one: {<<: *a}\n  two: {<<: [*a]}\n---\nservices: {three: {image: c}}",
		"/app/remote.yaml":        "include: [\"oci://reg/app\"]\nservices: {web: {extends: {file: \"git://host/x.git\", service: y}}}",
		"/app/two/compose.yaml":   "services: {}",
		"/app/two/unchanged.yaml": "services: {}",
	}
	for _, c := range []struct {
		name string
		main []string
		env  EnvFiles
		want string
	}{
		{"nothing that leads elsewhere, to the byte", []string{"/app/plain.yaml"}, Include, "-- plain.yaml\nservices: {web:   {command: [\"$X\"]}}\n"},
		{"other registries and repositories are left", []string{"/app/remote.yaml"}, Include, "-- remote.yaml\n" + files["/app/remote.yaml"] + "\n"},
		{"what is extended, and extended by that, and env files", []string{"/app/compose.yaml", "/app/plain.yaml"}, Include, `-- compose.yaml
services:
  web:
    image: web # kept
    env_file: </app/dev.env>
    extends: {file: </app/base/base.yaml>, service: a}
-- plain.yaml
services: {web:   {command: ["$X"]}}
-- </app/base/base.yaml>
services:
  a: {extends: {file: </app/more.yaml>, service: b}}
  own: {extends: a}
-- </app/more.yaml>
services: {b: {env_file: [{path: </app/dev.env>}, {path: none.env, required: false}]}}
-- </app/dev.env>
A=1
`},
		{"no env files", []string{"/app/merged.yaml"}, Leave, "-- merged.yaml\n" + files["/app/merged.yaml"] + "\n"},
		{"what several services share", []string{"/app/merged.yaml"}, Include, `-- merged.yaml
x-a: &a {env_file: [</app/dev.env>]}
services:
  one: {<<: *a}
  two: {<<: [*a]}
---
services: {three: {image: c}}
-- </app/dev.env>
A=1
`},
	} {
		_, got := of(t, c.env, c.main, files)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: want -, got +\n%s", c.name, d)
		}
	}
}

func TestTheSameProjectElsewhereIsTheSame(t *testing.T) {
	t.Parallel()
	m, n := maker{where: Site{Dir: "/a"}, names: map[string]string{}}, maker{where: Site{Dir: "/b/c"}, names: map[string]string{}}
	if a, b := m.name("/a/x/base.yaml", ".yaml"), n.name("/b/c/x/base.yaml", ".yaml"); a != b || !strings.HasSuffix(a, ".yaml") || len(a) != 64+5 {
		t.Errorf("%s, %s", a, b)
	}
}

func TestFindings(t *testing.T) {
	t.Parallel()
	const compose = `include: [sub/compose.yaml, {path: [oci://reg/app, other.yaml]}]
services:
  web:
    environment: {DB_PASSWORD: hunter2, API_KEY: "${KEY}", TOKEN: , PORT: 80, PRICE_SECRET: $$5}
    env_file: a.env
    label_file: labels
  api:
    environment: ["AWS_ACCESS_KEY_ID=A3TX1234567890ABCDEF", PASSWORD, TOKEN_FILE=/run/secrets/t]
    # postgres://u:geheim@db
    extends: {file: base.yaml, service: x}
configs:
  a: {content: text}
  b: {content: "${B}"}
  c: {file: c.conf}
secrets:
  s: {file: s.txt}
`
	files := map[string]string{
		"/app/compose.yaml": compose,
		"/app/base.yaml":    "services: {x: {environment: {SECRET: abc}}}",
		"/app/a.env":        "# no\nexport AWS_KEY=aws\"12345+67890/abcdefghijklm+NOPQRSTUVWXYZ+\"\n",
	}
	p, _ := of(t, Include, []string{"/app/compose.yaml"}, files)
	want := Findings{
		Includes: []string{"compose.yaml:1:11: sub/compose.yaml", "compose.yaml:1:52: other.yaml"},
		Services: map[string]*Service{
			"api": {Keys: []string{"AWS_ACCESS_KEY_ID"}},
			"web": {EnvFile: true, Keys: []string{"DB_PASSWORD", "PRICE_SECRET"}},
			"x":   {Keys: []string{"SECRET"}},
		},
		Configs: []string{"a"},
		Secrets: []Secret{
			{"AWS Client ID", "services.api.environment.AWS_ACCESS_KEY_ID", "A3TX1234567890ABCDEF", "compose.yaml:8:19"},
			{"URL with a password", "services.api", "postgres://u:geheim@db", "compose.yaml:10:5"},
			{"AWS Secret Key", "AWS_KEY", "12345+67890/abcdefghijklm+NOPQRSTUVWXYZ+", "a.env:2"},
		},
		Staying: []string{"compose.yaml:14:13: c.conf", "compose.yaml:16:13: s.txt", "compose.yaml:6:17: labels"},
	}
	if d := cmp.Diff(want, p.Findings); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"ghp_1234567890abcdefghijklmnopqrstuvwxyz":        "Github authentication, ghp_…",
		"token ghp_1234567890abcdefghijklmnopqrstuvwxyz;": "Github authentication, ghp_…",
		"ghp_short":             "",
		"AKIAIOSFODNN7EXAMPLE":  "AWS Client ID, AKIA…",
		"AKIAIOSFODNN7EXAMPLE1": "",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3In0.SflKxwRJSMeKKF2QT4": "JSON Web Token, eyJh…",
		"a.b.c":                               "",
		"-----BEGIN EC PRIVATE KEY-----\nabc": "Private Key, -----BEGIN EC PRIVATE KEY-----",
		"-----BEGIN CERTIFICATE-----":         "",
		"postgres://u:pw@db/x":                "URL with a password, post…",
		"postgres://u:${PW}@db/x":             "",
		"postgres://db/x?to=a@b":              "",
		"http://h:80/a@b":                     "",
		"sk_live_1234567890abcdefghij":        "Stripe key, sk_l…",
		"xoxb-1234567890-abc":                 "Slack token, xoxb…",
	} {
		kind, found := secretIn("key", value)
		got := ""
		if kind != "" {
			got = kind + ", " + Secret{Value: found}.Shown()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func TestNamesOfSecrets(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"MYSQL_ROOT_PASSWORD": true, "PGPASSWORD": true, "API_KEY": true, "apikey": true, "AWS_SECRET_ACCESS_KEY": true, "GITHUB_TOKEN": true, "DB_PASS": true,
		"POSTGRES_PASSWORD_FILE": false, "COMPASS": false, "KEY": false, "MONKEY": false, "PRIMARY_KEY": false, "PORT": false, "": false,
	} {
		if got := sensitiveName(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
