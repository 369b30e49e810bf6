package docker

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/builder/change"
	"tiffin/engine/call"
)

// shelf has a few images, and writes down what it is asked for.
type shelf struct {
	Backend // nobody asks for the rest

	images []engine.Image
	asked  []string
	auths  map[string]call.RegistryAuth
	report []engine.Progress
	fails  error
}

func (f *shelf) note(words ...string) error {
	f.asked = append(f.asked, strings.Join(words, " "))
	return f.fails
}

func (f *shelf) Images(context.Context) ([]engine.Image, error) { return f.images, nil }

func (f *shelf) Image(_ context.Context, ref string) (engine.Image, error) {
	for _, img := range f.images {
		for _, name := range append([]string{img.ID}, img.Names...) {
			if name == ref || name == ref+":latest" {
				return img, nil
			}
		}
	}
	return engine.Image{}, engine.Problem(engine.ErrNotFound, errors.New("no such image: "+ref))
}

func (f *shelf) ImageFor(ctx context.Context, ref, platform string) (engine.Image, error) {
	if strings.HasPrefix(platform, "plan9") {
		return engine.Image{}, engine.Problem(engine.ErrNotFound, errors.New("not for plan9"))
	}
	return f.Image(ctx, ref)
}

func (f *shelf) SentFor(ctx context.Context, ref, platform string) (ocispec.Descriptor, error) {
	_, err := f.ImageFor(ctx, ref, platform)
	return ocispec.Descriptor{Digest: "sha256:sent", Size: 7}, err
}

func (f *shelf) RemovePlatforms(_ context.Context, ref string, platforms []string) ([]string, error) {
	return []string{"Deleted: sha256:gone"}, f.note("trim", ref, strings.Join(platforms, " "))
}

func (f *shelf) ImageDetails(ctx context.Context, ref, platform string) (call.ImageDetails, error) {
	img, err := f.ImageFor(ctx, ref, platform)
	return call.ImageDetails{
		Comment: "for " + platform, History: []call.HistoryStep{{CreatedBy: "first", Size: 5}, {CreatedBy: "last", Empty: true}},
		Trees: []call.ImageTree{{Key: "base", Size: 5}, {Key: img.ID, Size: 2}}, Sent: ocispec.Descriptor{Digest: "sha256:sent", Size: 7},
	}, err
}

func (f *shelf) List(context.Context, *call.ListRequest) ([]engine.Container, error) {
	return []engine.Container{{ID: "c1", ImageID: "sha256:used"}}, nil
}

func (f *shelf) WritableSize(context.Context, string) (int64, error) { return 3, nil }

func (f *shelf) Volumes(context.Context) ([]engine.Volume, error) { return nil, nil }
func (f *shelf) Publish(ev engine.Event)                          { _ = f.note("event", ev.Action) }
func (f *shelf) TagImage(_ context.Context, ref, name string) error {
	return f.note("tag", ref, name)
}

func (f *shelf) RemoveImage(_ context.Context, ref string, force call.ForceRemove) ([]string, error) {
	how := "gently"
	if force {
		how = "by force"
	}
	return []string{"Untagged: " + ref, "Deleted: sha256:x"}, f.note("remove", ref, how)
}

func (f *shelf) PullImage(_ context.Context, ref, platform string, auths map[string]call.RegistryAuth, report engine.Report) (engine.Image, error) {
	f.auths = auths
	for _, p := range f.report {
		report(p)
	}
	return engine.Image{ID: "sha256:new", Digest: "sha256:target"}, f.note("pull", ref, platform)
}

func (f *shelf) PushPlatform(_ context.Context, ref, platform string, auths map[string]call.RegistryAuth, report engine.Report) error {
	f.auths = auths
	for _, p := range f.report {
		report(p)
	}
	return f.note("push", strings.TrimSpace(ref+" "+platform))
}

func (f *shelf) RemoteTags(context.Context, string, map[string]call.RegistryAuth) ([]string, error) {
	return []string{"a", "b"}, nil
}

func (f *shelf) RemoteImage(_ context.Context, ref string, _ map[string]call.RegistryAuth) (call.RemoteImage, error) {
	return call.RemoteImage{Descriptor: ocispec.Descriptor{Digest: "sha256:there"}}, f.note("remote", ref)
}

func (f *shelf) Login(_ context.Context, registry string, auth call.RegistryAuth) (string, error) {
	return auth.IdentityToken, f.note("login", registry, auth.Username, auth.Password)
}

func (f *shelf) LoadPlatform(_ context.Context, archive io.Reader, platform string, report engine.Report) ([]string, error) {
	report(engine.Progress{ID: "abc", ParentID: "Image x", Text: "Extracting", Current: 1, Total: 2})
	_, err := io.Copy(io.Discard, archive)
	return []string{"box:1", "sha256:nameless"}, errors.Join(err, f.note(strings.TrimSpace("load "+platform)))
}

func (f *shelf) SavePlatform(_ context.Context, refs []string, platform string, archive io.Writer) error {
	if strings.HasPrefix(platform, "plan9") {
		return engine.Problem(engine.ErrNotFound, errors.New("not for plan9"))
	}
	_, err := io.WriteString(archive, "tar")
	return errors.Join(err, f.note("save", strings.TrimSpace(strings.Join(refs, " ")+" "+platform)))
}

func (f *shelf) Import(_ context.Context, _ io.Reader, req *call.ImportRequest) (engine.Image, error) {
	return engine.Image{ID: "sha256:imported"}, f.note("import", req.Name, req.Comment, req.Platform, strings.Join(req.Config.Cmd, ","))
}

func (f *shelf) Commit(_ context.Context, req *call.CommitRequest) (engine.Image, error) {
	how := "paused"
	if req.NoPause {
		how = "running"
	}
	return engine.Image{ID: "sha256:made"}, f.note("commit", req.Container, req.Name, req.Author, req.Message, how, strings.Join(req.Changes, ";"))
}

func newShelf() *shelf {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	return &shelf{images: []engine.Image{
		{ID: "sha256:old", Digest: "sha256:d1", Names: []string{"127.0.0.1:5000/team/box:1"}, Created: day(1), Size: 7, Labels: map[string]string{"a": "b"}},
		{ID: "sha256:used", Digest: "sha256:d2", Names: []string{"busybox:1", "busybox:latest"}, Created: day(2), Size: 7},
		{ID: "sha256:other", Digest: "sha256:d2", Names: []string{"busybox:1", "busybox:latest"}, Created: day(2), Size: 7}, // for another platform
		{ID: "sha256:bare", Digest: "sha256:d3", Created: day(3), Size: 7},
	}}
}

func (f *shelf) answer(t *testing.T, method, target, body string, header http.Header) (int, string) {
	t.Helper()
	s := New(Config{Log: slog.New(slog.DiscardHandler), Closing: t.Context(), DataRoot: t.TempDir()}, f)
	r := httptest.NewRequestWithContext(t.Context(), method, "http://x"+target, strings.NewReader(body))
	maps.Copy(r.Header, header)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestRoutesOfImages(t *testing.T) {
	t.Parallel()
	const missing = `{"message":"No such image: nope:latest"}`
	for name, c := range map[string]struct {
		request string
		body    string
		fails   error
		status  int
		want    []string // in the answer
		not     string
		asked   string
	}{
		"one line for all platforms":     {request: "GET /images/json", status: 200, want: []string{`"sha256:bare"`, `"sha256:used"`}, not: "sha256:other"},
		"no names are an empty list":     {request: `GET /images/json?filters={"dangling":["true"]}`, status: 200, want: []string{`"RepoTags":[]`}, not: "busybox"},
		"those with names":               {request: `GET /images/json?filters={"dangling":["false"]}`, status: 200, want: []string{"busybox:1"}, not: "sha256:bare"},
		"only the names that fit":        {request: `GET /images/json?filters={"reference":["busybox:l*"]}`, status: 200, want: []string{"busybox:latest"}, not: "busybox:1"},
		"as before 1.41":                 {request: `GET /images/json?filter=busybox`, status: 200, want: []string{"busybox:1"}, not: "team/box"},
		"by label":                       {request: `GET /images/json?filters={"label":["a=b"]}`, status: 200, want: []string{"team/box"}, not: "busybox"},
		"younger":                        {request: `GET /images/json?filters={"since":["busybox:1"]}`, status: 200, want: []string{"sha256:bare"}, not: "busybox"},
		"older":                          {request: `GET /images/json?filters={"before":["busybox:1"]}`, status: 200, want: []string{"team/box"}, not: "busybox"},
		"than one that is not there":     {request: `GET /images/json?filters={"before":["nope"]}`, status: 404, want: []string{missing}},
		"an unknown filter":              {request: `GET /images/json?filters={"x":["1"]}`, status: 400, want: []string{"invalid filter 'x'"}},
		"sizes are counted when asked":   {request: "GET /images/json?shared-size=1", status: 200, want: []string{`"SharedSize":5`}},
		"and only then":                  {request: "GET /images/json", status: 200, want: []string{`"SharedSize":-1`}},
		"a name with a port and slashes": {request: "GET /v1.47/images/127.0.0.1:5000/team/box:1/json", status: 200, want: []string{`"Id":"sha256:old"`}},
		"for a platform": {
			request: `GET /images/busybox/json?platform={"os":"linux","architecture":"arm64","variant":"v8"}`, status: 200, want: []string{"for linux/arm64/v8"},
		},
		"which is JSON":               {request: `GET /images/busybox/json?platform=linux/arm64`, status: 400, want: []string{"failed to parse platform"}},
		"no such image":               {request: "GET /images/nope/json", status: 404, want: []string{missing}},
		"history, the last one first": {request: "GET /images/busybox/history", status: 200, want: []string{`"last","Id":"sha256:used"`, `"first","Id":"\u003cmissing\u003e","Size":5`}},
		"of none":                     {request: "GET /images/nope/history", status: 404, want: []string{missing}},
		"a verb that nobody knows":    {request: "GET /images/busybox/what", status: 404, want: []string{"page not found"}},
		"search":                      {request: "GET /images/search?term=x", status: 501, want: []string{"not supported"}},
		"tag":                         {request: "POST /images/127.0.0.1:5000/team/box:1/tag?repo=a/b&tag=2", status: 201, asked: "tag 127.0.0.1:5000/team/box:1 a/b:2"},
		"tag without a tag":           {request: "POST /images/busybox/tag?repo=b", status: 201, asked: "tag busybox b"},
		"tag as nothing":              {request: "POST /images/busybox/tag?repo=UP", status: 400, want: []string{"lowercase"}},
		"remove": {
			request: "DELETE /images/a/b:1?force=1", status: 200, want: []string{`[{"Untagged":"a/b:1"},{"Deleted":"sha256:x"}]`}, asked: "remove a/b:1 by force",
		},
		"remove what is used": {
			request: "DELETE /images/box", fails: engine.Problem(engine.ErrConflict, errors.New("conflict: it is used")), status: 409, want: []string{"conflict: it is used"},
		},
		"prune leaves names alone": {request: "POST /images/prune", status: 200, want: []string{"sha256:bare"}, asked: "remove sha256:bare by force,event prune"},
		"prune all but what is used": {
			request: `POST /images/prune?filters={"dangling":["false"]}`, status: 200, asked: "remove sha256:bare by force,remove sha256:old by force,event prune",
		},
		"prune by label":   {request: `POST /images/prune?filters={"dangling":["false"],"label":["a"]}`, status: 200, asked: "remove sha256:old by force,event prune"},
		"save":             {request: "GET /images/get?names=busybox&names=busybox:1", status: 200, want: []string{"tar"}, asked: "save busybox busybox:1"},
		"save one":         {request: "GET /images/127.0.0.1:5000/team/box:1/get", status: 200, want: []string{"tar"}, asked: "save 127.0.0.1:5000/team/box:1"},
		"save what is not": {request: "GET /images/get?names=busybox&names=nope", status: 404, want: []string{missing}},
		"load":             {request: "POST /images/load", status: 200, want: []string{`"status":"Loading layer"`, `{"stream":"Loaded image: box:1\n"}`, `Loaded image ID: sha256:nameless\n`}},
		"save for a platform": {
			request: `GET /images/get?names=busybox&platform={"os":"linux","architecture":"arm64"}`, status: 200, want: []string{"tar"}, asked: "save busybox linux/arm64",
		},
		"save for none": {
			request: `GET /images/busybox/get?platform={"os":"plan9","architecture":"386"}`, status: 404,
			want: []string{"no suitable export target found for platform plan9/386: not for plan9"},
		},
		"load for a platform": {
			request: `POST /images/load?platform={"os":"linux","architecture":"arm64"}`, status: 200, want: []string{"Loaded image: box:1"}, asked: "load linux/arm64",
		},
		"load for two": {
			request: `POST /images/load?platform={"os":"linux","architecture":"arm64"}&platform={"os":"linux","architecture":"amd64"}`, status: 501, want: []string{"several platforms"},
		},
		"remove platforms": {
			request: `DELETE /images/busybox?platforms={"os":"linux","architecture":"arm64"}&platforms={"os":"linux","architecture":"s390x"}`,
			status:  200, want: []string{`[{"Deleted":"sha256:gone"}]`}, asked: "trim busybox linux/arm64 linux/s390x",
		},
		"remove platforms of nothing": {request: `DELETE /images/nope?platforms={"os":"linux","architecture":"arm64"}`, status: 404, want: []string{missing}},
		"remove a platform of text":   {request: `DELETE /images/busybox?platforms=linux`, status: 400, want: []string{"failed to parse platform"}},
		"load quietly":                {request: "POST /images/load?quiet=1", status: 200, want: []string{"Loaded image: box:1"}, not: "Loading"},
		"distribution":                {request: "GET /distribution/a/b/json", status: 200, want: []string{"sha256:there"}, asked: "remote a/b"},
		"login":                       {request: "POST /auth", body: `{"username":"u","password":"p","serveraddress":"https://index.docker.io/v1/"}`, status: 200, want: []string{`{"Status":"Login Succeeded"}`}, asked: "login docker.io u p"},
		"login that is none":          {request: "POST /auth", body: `{"serveraddress":"reg:5000"}`, fails: engine.Problem(engine.ErrDenied, errors.New("no")), status: 401, asked: "login reg:5000  "},
		"import":                      {request: "POST /images/create?fromSrc=-&repo=a&tag=1&message=hi&platform=linux/arm64&changes=CMD+[\"x\"]", status: 200, want: []string{`{"status":"sha256:imported"}`}, asked: "import a:1 hi linux/arm64 x"},
		"import an address":           {request: "POST /images/create?fromSrc=http://x/y", status: 501, want: []string{"import the file"}},
		"nothing":                     {request: "POST /images/create", status: 400, want: []string{"neither fromImage nor fromSrc"}},
		"commit": {
			request: "POST /commit?container=c&repo=a/b&tag=1&author=me&comment=hi&pause=0&changes=CMD+x%0AUSER+y", body: "null", status: 201,
			want: []string{`{"Id":"sha256:made"}`}, asked: "commit c a/b:1 me hi running CMD x;USER y",
		},
		"disk":             {request: "GET /system/df?type=image&type=container", status: 200, want: []string{`"LayersSize":13`, `"ImageUsage":{"ActiveCount":1,"Reclaimable":4,"TotalCount":3,"TotalSize":13}`}},
		"disk of one type": {request: "GET /system/df?type=container", status: 200, want: []string{`"ContainerUsage":{"Reclaimable":3,"TotalCount":1,"TotalSize":3}`}, not: "ImageUsage"},
		"of no type":       {request: "GET /system/df?type=x", status: 400, want: []string{"unknown object type"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newShelf()
			f.fails = c.fails
			method, target, _ := strings.Cut(c.request, " ")
			header := http.Header{}
			if c.body != "" {
				header.Set("Content-Type", "application/json")
			}
			status, text := f.answer(t, method, strings.NewReplacer(`"`, "%22", "{", "%7B", "}", "%7D", "[", "%5B", "]", "%5D").Replace(target), c.body, header)
			if status != c.status {
				t.Errorf("status %d, want %d: %s", status, c.status, text)
			}
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in %s", want, text)
				}
			}
			if c.not != "" && strings.Contains(text, c.not) {
				t.Errorf("%s in %s", c.not, text)
			}
			if got := strings.Join(f.asked, ","); c.asked != "" && got != c.asked {
				t.Errorf("asked for %q, want %q", got, c.asked)
			}
		})
	}
}

func TestProgressOfAPullIsDockers(t *testing.T) {
	t.Parallel()
	f := newShelf()
	f.report = []engine.Progress{
		{ID: "Image busybox", Text: "Pulling"},
		{ID: "abc", ParentID: "Image busybox", Text: "Pulling fs layer", Total: 9},
		{ID: "abc", ParentID: "Image busybox", Text: "Downloading", Current: 3, Total: 9},
		{ID: "abc", ParentID: "Image busybox", Text: "Pull complete", Total: 9},
	}
	login := base64.URLEncoding.EncodeToString([]byte(`{"username":"u","password":"?>p"}`))
	status, text := f.answer(t, http.MethodPost, "/images/create?fromImage=reg:5000/busybox&tag=1&platform=linux/arm64", "", http.Header{"X-Registry-Auth": {login}})
	want := `{"status":"Pulling from busybox","id":"1"}
{"status":"Pulling fs layer","progressDetail":{},"id":"abc"}
{"status":"Downloading","progressDetail":{"current":3,"total":9},"id":"abc"}
{"status":"Pull complete","progressDetail":{},"id":"abc"}
{"status":"Digest: sha256:target"}
{"status":"Status: Downloaded newer image for reg:5000/busybox:1"}
`
	if d := cmp.Diff(want, text); d != "" || status != http.StatusOK {
		t.Errorf("status %d (-want +got):\n%s", status, d)
	}
	if d := cmp.Diff(map[string]call.RegistryAuth{"reg:5000": {Username: "u", Password: "?>p"}}, f.auths); d != "" {
		t.Errorf("login (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"pull reg:5000/busybox:1 linux/arm64"}, f.asked); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
}

func TestAnImageThatIsHereIsUpToDate(t *testing.T) {
	t.Parallel()
	f := newShelf()
	f.images = append(f.images, engine.Image{ID: "sha256:new", Digest: "sha256:target", Names: []string{"new:1"}})
	if _, text := f.answer(t, http.MethodPost, "/images/create?fromImage=new:1", "", nil); !strings.Contains(text, "Status: Image is up to date for new:1") {
		t.Error(text)
	}
}

func TestWithoutATagAllAreMeant(t *testing.T) {
	t.Parallel()
	f := newShelf()
	f.answer(t, http.MethodPost, "/images/create?fromImage=box", "", nil)
	f.answer(t, http.MethodPost, "/images/busybox/push", "", nil)
	if d := cmp.Diff([]string{"pull box:a ", "pull box:b ", "push busybox:1", "push busybox:latest"}, f.asked); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestFailuresOfPullAndPush(t *testing.T) {
	t.Parallel()
	denied := engine.Hint(engine.Problem(engine.ErrDenied, errors.New("no")), "log in")
	begun := []engine.Progress{{ID: "abc", ParentID: "Image x", Text: "Preparing"}}
	for name, c := range map[string]struct {
		target string
		report []engine.Progress
		fails  error
		status int
		want   string
	}{
		"pull, not allowed": {
			"/images/create?fromImage=x:1", nil, denied, 404, `{"message":"pull access denied for x, repository does not exist or may require 'docker login': denied: no: log in"}`,
		},
		"pull, not there": {"/images/create?fromImage=x:1", nil, engine.Problem(engine.ErrNotFound, errors.New("none")), 404, `{"message":"manifest for x:1 not found: manifest unknown: none"}`},
		"pull, when the answer has begun": {
			"/images/create?fromImage=x:1", begun, errors.New("disk"), 200, `{"errorDetail":{"message":"disk"},"error":"disk"}`,
		},
		"pull of no name": {"/images/create?fromImage=UP:1", nil, nil, 400, "invalid reference format"},
		"push, not allowed": {
			"/images/busybox/push?tag=1", begun, denied, 200, `{"errorDetail":{"message":"denied: requested access to the resource is denied: no: log in"},`,
		},
		"push, not here": {"/images/x/push?tag=1", nil, nil, 404, "An image does not exist locally with the tag: x"},
		"push of a platform": {
			`/images/busybox/push?tag=1&platform={"os":"linux","architecture":"arm64"}`, begun, nil, 200, `{"aux":{"Tag":"1","Digest":"sha256:sent","Size":7}}`,
		},
		"push of a platform, which is JSON": {"/images/busybox/push?tag=1&platform=x", nil, nil, 400, "failed to parse platform"},
		"push of a platform that is not here": {
			`/images/busybox/push?tag=1&platform={"os":"plan9","architecture":"386"}`, nil, nil, 404, "no suitable image manifest found for platform plan9/386",
		},
		"push": {
			"/images/busybox/push?tag=1", begun, nil, 200, `{"status":"The push refers to repository [docker.io/library/busybox]"}` + "\n" +
				`{"status":"Preparing","progressDetail":{},"id":"abc"}` + "\n" + `{"status":"1: digest: sha256:sent size: 7"}` + "\n" +
				`{"aux":{"Tag":"1","Digest":"sha256:sent","Size":7}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newShelf()
			f.report, f.fails = c.report, c.fails
			status, text := f.answer(t, http.MethodPost, c.target, "", nil)
			if status != c.status || !strings.Contains(text, c.want) {
				t.Errorf("%d %s, want %d %s", status, text, c.status, c.want)
			}
		})
	}
}

func TestAConfigIsWrittenAsChangesThatMeanTheSame(t *testing.T) {
	t.Parallel()
	changes, err := changesOf(&container.Config{
		Env: []string{`A=$HOME "x" \y`, "B="}, Labels: map[string]string{"k k": "v=$x"}, Entrypoint: []string{"a b", `"$c"`}, Cmd: []string{},
		ExposedPorts: network.PortSet{network.MustParsePort("80/tcp"): {}}, Volumes: map[string]struct{}{"/d": {}}, User: "u", WorkingDir: "/w",
		StopSignal: "SIGINT", OnBuild: []string{"RUN x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := change.Apply(engine.ImageConfig{}, changes)
	if err != nil {
		t.Fatal(err)
	}
	want := engine.ImageConfig{
		Env: []string{`A=$HOME "x" \y`, "B="}, Labels: map[string]string{"k k": "v=$x"}, Entrypoint: []string{"a b", `"$c"`}, Cmd: []string{},
		Expose: []string{"80/tcp"}, Volumes: []string{"/d"}, User: "u", WorkingDir: "/w", StopSignal: "SIGINT", OnBuild: []string{"RUN x"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s\n%q", d, changes)
	}
	for name, c := range map[string]container.Config{
		"a shell": {Shell: []string{"sh"}}, "a line break": {User: "a\nRUN b"},
	} {
		if _, err := changesOf(&c); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
