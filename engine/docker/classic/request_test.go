package classic

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/call"
)

func parse(t *testing.T, query string) (*Request, error) {
	t.Helper()
	return Parse(parseQuery(t, query), "")
}

func parseQuery(t *testing.T, query string) url.Values {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestTheQueryIsABuild(t *testing.T) {
	t.Parallel()
	plain := func(change func(*Request)) *Request {
		r := &Request{Build: engine.Build{Context: "-"}, Auths: map[string]call.RegistryAuth{}}
		change(r)
		return r
	}
	for name, c := range map[string]struct {
		query string
		want  *Request
	}{
		"nothing": {"", plain(func(*Request) {})},
		"names, complete and once": {"t=a&t=a:latest&t=b:1&t=", plain(func(r *Request) {
			r.Names = []string{"docker.io/library/a:latest", "docker.io/library/b:1"}
		})},
		"arguments; null is not given": {`buildargs={"B":"2","A":"1","N":null,"E":""}`, plain(func(r *Request) {
			r.Build.Args = []string{"A=1", "B=2", "E="}
		})},
		"labels and target": {`labels={"x":"y"}&target=s`, plain(func(r *Request) {
			r.Build.Labels, r.Build.Target = map[string]string{"x": "y"}, "s"
		})},
		"flags as Docker reads them": {"nocache=1&pull=yes&q=0&rm=1&forcerm=0", plain(func(r *Request) {
			r.Build.NoCache, r.Build.Pull = true, true
		})},
		"quiet, by BuildKit": {"q=1&version=2&buildid=x", plain(func(r *Request) {
			r.Quiet, r.Traces, r.ID = true, true, "x"
		})},
		"a Dockerfile below the context": {"dockerfile=../a/../../b/Dockerfile", plain(func(r *Request) {
			r.Build.Dockerfile = "b/Dockerfile"
		})},
		"sizes; what is none is none": {"shmsize=64&memory=-1", plain(func(r *Request) { r.Build.ShmSize = 64 })},
		"a step's memory":             {"memory=1048576", plain(func(r *Request) { r.Memory = 1 << 20 })},
		"networks":                    {"networkmode=none", plain(func(r *Request) { r.Build.Network = "none" })},
		"the bridge is the default":   {"networkmode=bridge", plain(func(*Request) {})},
		"hosts, one a parameter": {"extrahosts=a:1.2.3.4&extrahosts=b:host-gateway", plain(func(r *Request) {
			r.Build.ExtraHosts = []string{"a:1.2.3.4", "b:host-gateway"}
		})},
		"hosts as JSON": {`extrahosts=["a:1.2.3.4"]`, plain(func(r *Request) { r.Build.ExtraHosts = []string{"a:1.2.3.4"} })},
		"ulimits": {`ulimits=[{"Name":"nofile","Soft":1,"Hard":2},null]`, plain(func(r *Request) {
			r.Build.Ulimits = []engine.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}}
		})},
		"platform and cache": {`platform=linux/arm64&cachefrom=["a","r.example/b:1"]`, plain(func(r *Request) {
			r.Build.Platforms, r.Build.CacheFrom = []string{"linux/arm64"}, []string{"a", "r.example/b:1"}
		})},
		"all over a session": {"version=2&remote=client-session&session=x", plain(func(r *Request) {
			r.Traces, r.Session, r.Build.Context = true, "x", "client-session"
		})},
		"a repository, secrets over a session": {"version=2&remote=https://x.example/r.git&session=x", plain(func(r *Request) {
			r.Traces, r.Session, r.Build.Context = true, "x", "https://x.example/r.git"
		})},
		"a session beside a body": {"version=2&session=x", plain(func(r *Request) {
			r.Traces = true
			r.Warnings = []string{"the session of the build is not used: it has no secrets and no agents; build with buildx to have them"}
		})},
		"a repository": {"remote=https://x.example/r.git%23main:sub", plain(func(r *Request) {
			r.Build.Context = "https://x.example/r.git#main:sub"
		})},
		"a repository of git's protocol": {"remote=git://x.example/r", plain(func(r *Request) { r.Build.Context = "git://x.example/r" })},
		"bounds that are not there": {"cpuquota=5&cpushares=0&cgroupparent=/x", plain(func(r *Request) {
			r.Warnings = []string{"cpuquota is not supported for builds, and left out", "cgroupparent is not supported for builds, and left out"}
		})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parse(t, c.query)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatNoBuildCanBeIsSaid(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"t=UPPER":                                   `invalid tag "UPPER": invalid reference format: repository name (library/UPPER) must be lowercase`,
		"t=a@sha256:" + strings.Repeat("0", 64):     "build tag cannot contain a digest",
		"buildargs=[]":                              "error reading buildargs: json: cannot unmarshal array into Go value of type map[string]*string",
		"labels=x":                                  "error reading labels: invalid character 'x' looking for beginning of value",
		`cachefrom=["type=local,src=/etc"]`:         `cache from "type=local,src=/etc": invalid reference format`,
		"remote=client-session&session=x":           "a build context over a session that is not the builder's",
		"version=2&remote=client-session":           "a build context over a session that is not the builder's",
		"version=2&remote=upload-request:x":         "a build context over a session that is not the builder's",
		"remote=/etc":                               `remote "/etc": it is neither an http(s) URL nor a git repository`,
		"remote=github.com":                         `remote "github.com": it is neither an http(s) URL nor a git repository`,
		"version=3":                                 `invalid version "3"`,
		"squash=1":                                  "squash is only supported with experimental mode",
		`securityopt=["x"]`:                         "The daemon on this platform does not support setting security options on build",
		"isolation=hyperv":                          `Unsupported isolation: "hyperv"`,
		`outputs=[{"Type":"local","Attrs":{}}]`:     `an output of type "local" of the classic API`,
		"nocache=1&t=UPPER&labels=x&isolation=none": `error reading labels: invalid character 'x' looking for beginning of value`,
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			_, err := parse(t, query)
			if err == nil || err.Error() != want {
				t.Fatalf("got %v, want %s", err, want)
			}
			if !errors.Is(err, engine.ErrInvalid) && !errors.Is(err, engine.ErrUnsupported) {
				t.Errorf("it is of no kind that the client is told: %v", err)
			}
		})
	}
}

func TestLoginsAreByTheNamesOfRegistries(t *testing.T) {
	t.Parallel()
	text := `{"https://index.docker.io/v1/":{"username":"u","password":"p"},
		"https://r.example:5000/v2/":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("a:b:c")) + `"},
		"t.example":{"identitytoken":"i"}}`
	want := map[string]call.RegistryAuth{
		"docker.io":      {Username: "u", Password: "p"},
		"r.example:5000": {Username: "a", Password: "b:c"},
		"t.example":      {IdentityToken: "i"},
	}
	for _, encoding := range []*base64.Encoding{base64.URLEncoding, base64.RawURLEncoding} {
		r, err := Parse(url.Values{}, encoding.EncodeToString([]byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, r.Auths); diff != "" {
			t.Error(diff)
		}
	}
	if r, err := Parse(url.Values{}, "rubbish"); err != nil || len(r.Auths) > 0 {
		t.Errorf("got %v, %v", r, err)
	}
}

func TestOnlyAnArchiveIsAContext(t *testing.T) {
	t.Parallel()
	here, err := parse(t, "")
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		"":            "the request has no body: it has to be the build context, a tar archive",
		"FROM alpine": "the build context is no tar archive, plain or packed with gzip, bzip2, xz or zstd",
	} {
		if _, err := here.Check(strings.NewReader(body)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v", body, err)
		}
	}
	remote, err := parse(t, "remote=https://x.example/a.tar")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := remote.Check(strings.NewReader("rubbish")); got != nil || err != nil {
		t.Errorf("the body of a build from elsewhere: %v, %v", got, err)
	}
}

// FuzzParse looks that no query leads to a file of this machine.
func FuzzParse(f *testing.F) {
	f.Add("remote=/etc&dockerfile=/etc/passwd", "")
	f.Add(`cachefrom=["type=local,src=/"]&buildargs={"A":null}&ulimits=[null]&outputs=[{}]`, "e30=")
	f.Add(`remote=git@x.example:r.git&extrahosts=[`, "bnVsbA==")
	f.Fuzz(func(t *testing.T, query, header string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		r, err := Parse(q, header)
		if err != nil {
			return
		}
		if c := r.Build.Context; c != "-" && (filepath.IsAbs(c) || strings.HasPrefix(c, ".")) {
			t.Errorf("context %q", c)
		}
		if d := r.Build.Dockerfile; d != "" && !filepath.IsLocal(d) {
			t.Errorf("dockerfile %q", d)
		}
		for _, c := range r.Build.CacheFrom {
			if strings.Contains(c, "=") {
				t.Errorf("cache from %q", c)
			}
		}
		if _, err := json.Marshal(r.Build); err != nil {
			t.Error(err)
		}
		_, _ = ParsePrune(q)
	})
}
