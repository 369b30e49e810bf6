package build

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	gofs "io/fs"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// attacker is a builder that lasts for the attacks of one test.
func attacker(t *testing.T) *builder {
	t.Helper()
	b := newBuilder(t)
	b.warm(t)
	return b
}

func TestLinksOfAContextLeadNowhereElse(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	cases := map[string]struct {
		dockerfile string
		why        string // it has to be refused; empty: it is built
	}{
		"a file behind a link to a folder":  {"FROM busybox\nCOPY absolute/secret /x\n", "not found"},
		"a file behind a relative link":     {"FROM busybox\nCOPY up/secret /x\n", "not found"},
		"a link to a file":                  {"FROM busybox\nCOPY file /x\n", "not found"},
		"a link behind a link":              {"FROM busybox\nCOPY chain /x\n", "not found"},
		"a pattern below a link":            {"FROM busybox\nCOPY absolute/* none* Dockerfile /x/\n", "no such file"},
		"everything, links as they are":     {"FROM busybox\nCOPY . /x/\n", ""},
		"a mount of a link":                 {"FROM busybox\nRUN --mount=source=absolute,target=/m cat /m/secret\n", "not found"},
		"a mount of a file behind a link":   {"FROM busybox\nRUN --mount=source=up/secret,target=/m cat /m\n", "not found"},
		"a mount above the context":         {"FROM busybox\nRUN --mount=source=../../../../../../etc,target=/m cat /m/passwd\n", "not found"},
		"an archive behind a link":          {"FROM busybox\nADD absolute /x/\n", "not found"},
		"everything of it with its parents": {"FROM busybox\nCOPY --parents absolute/./secret /x/\n", "not found"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := newOutside(t, b)
			dir := folder(t, map[string]string{
				"Dockerfile": c.dockerfile, "absolute": "->" + o.dir, "up": "->" + strings.Repeat("../", 20) + o.dir,
				"file": "->" + filepath.Join(o.dir, "secret"), "chain": "->absolute/secret",
			})
			r := o.tryTo(t, b, &order{dir: dir, name: "links"})
			if (c.why == "") != (r.err == nil) || r.err != nil && !strings.Contains(r.err.Error(), c.why) {
				t.Errorf("%v, want an error about %q\n%s", r.err, c.why, r.log)
			}
		})
	}
}

func TestADockerfileThatIsALink(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	o := newOutside(t, b)
	for _, target := range []string{filepath.Join(o.dir, "Dockerfile"), strings.Repeat("../", 20) + o.dir + "/Dockerfile"} {
		r := o.tryTo(t, b, &order{dir: folder(t, map[string]string{"Dockerfile": "->" + target}), name: "link"})
		if r.err == nil {
			t.Errorf("a Dockerfile that is a link to %s was built", target)
		}
	}
}

// hostileContext is a context that sends names which no folder has.
type hostileContext []*types.Stat

var _ fsutil.FS = hostileContext{}

func (h hostileContext) Walk(_ context.Context, _ string, fn gofs.WalkDirFunc) error {
	for _, st := range h {
		if err := fn(st.Path, &fsutil.DirEntryInfo{Stat: st}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (h hostileContext) Open(string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("pwned")), nil
}

func TestAContextWithHostileNames(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	const size, redirection = 5, "a redirection of overlayfs"
	o := newOutside(t, b)
	// A linked copy is a layer whose folders are written as they come, and laid over the base.
	dockerfiles := folder(t, map[string]string{"Dockerfile": "FROM busybox\nCOPY --link . /\nCOPY . /x/\nRUN ls -lR /x /etc && cat /etc/group >/group\n"})
	plain := func(path string) *types.Stat { return &types.Stat{Path: path, Mode: 0o644, Size: size} }
	dir := func(path string) *types.Stat { return &types.Stat{Path: path, Mode: uint32(os.ModeDir | 0o755)} }
	link := func(path, target string) *types.Stat {
		return &types.Stat{Path: path, Linkname: target, Mode: uint32(os.ModeSymlink | 0o777)}
	}
	cases := map[string]hostileContext{
		"the folder above":                {dir("..")},
		"a file above":                    {plain("../pwned")},
		"a file far above":                {dir("a"), plain("a/../../../../../../../../../../../.." + o.dir + "/pwned")},
		"an absolute name":                {plain(filepath.Join(o.dir, "pwned"))},
		"a file below a link":             {link("a", o.dir), plain("a/pwned")},
		"a file in place of a link":       {link("a", filepath.Join(o.dir, "secret")), plain("a")},
		"a folder in place of a link":     {link("a", o.dir), dir("a"), plain("a/pwned")},
		"a hard link to a file outside":   {{Path: "hard", Linkname: filepath.Join(o.dir, "secret"), Mode: 0o644}},
		"a hard link to a file above":     {{Path: "hard", Linkname: strings.Repeat("../", 20) + o.dir + "/secret", Mode: 0o644}},
		"a hard link behind a link":       {link("a", o.dir), {Path: "hard", Linkname: "a/secret", Mode: 0o644}},
		"an empty name":                   {plain("")},
		"a name with a zero byte":         {plain("a\x00b")},
		"a device":                        {{Path: "mem", Mode: uint32(os.ModeDevice | os.ModeCharDevice | 0o666), Devmajor: 1, Devminor: 1}},
		"an attribute of overlayfs":       {{Path: "etc", Mode: uint32(os.ModeDir | 0o755), Xattrs: map[string][]byte{"trusted.overlay.opaque": []byte("y")}}},
		redirection:                       {{Path: "re", Mode: uint32(os.ModeDir | 0o755), Xattrs: map[string][]byte{"trusted.overlay.redirect": []byte("/etc")}}},
		"whiteouts in place of a context": {{Path: "etc", Mode: uint32(os.ModeDevice | os.ModeCharDevice)}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := o.tryTo(t, b, &order{context: c, dir: dockerfiles, name: "hostile"})
			// BuildKit takes a redirection as it comes: containers see another folder of the same image there.
			if r.err == nil && name != redirection {
				b.storeAgrees(t, "hostile")
			}
		})
	}
	// After all that, an honest context is built.
	b.mustBuild(t, &order{context: hostileContext{plain("pwned")}, dir: dockerfiles, name: "honest"})
}

func TestAHostileArchive(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	o := newOutside(t, b)
	plain := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644} }
	link := func(name, target string) tar.Header {
		return tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeSymlink}
	}
	hard := func(name, target string) tar.Header {
		return tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeLink}
	}
	up := strings.Repeat("../", 20)
	cases := map[string][]tar.Header{
		"a file above":                   {plain(up + o.dir + "/pwned")},
		"an absolute name":               {plain(o.dir + "/pwned")},
		"a file through a link":          {link("l", o.dir), plain("l/pwned")},
		"a file through a relative link": {link("l", up+o.dir), plain("l/pwned")},
		"a file over a link":             {link("l", o.dir+"/secret"), plain("l")},
		"a file through two links":       {link("a", "b"), link("b", o.dir), plain("a/pwned")},
		"a hard link, and a file on it":  {hard("h", o.dir+"/secret"), plain("h")},
		"a hard link above":              {hard("h", up+o.dir+"/secret")},
		"a hard link through a link":     {link("l", o.dir), hard("h", "l/secret")},
		"a folder above":                 {{Name: up + o.dir + "/made/", Typeflag: tar.TypeDir, Mode: 0o777}},
		"a mode of what is above":        {{Name: up + o.dir + "/b/", Typeflag: tar.TypeDir, Mode: 0o777}},
		"a mode through a link":          {link("l", o.dir), {Name: "l/b/", Typeflag: tar.TypeDir, Mode: 0o777}},
		"a whiteout through a link":      {link("l", o.dir), plain("l/.wh.secret"), plain("l/.wh..wh..opq")},
		"a whiteout above":               {plain("../.wh.etc"), plain(".wh...")},
		"a redirection of overlayfs": {{Name: "l/", Typeflag: tar.TypeDir, Mode: 0o755, PAXRecords: map[string]string{
			"SCHILY.xattr.trusted.overlay.redirect": strings.Repeat("/..", 20) + o.dir,
		}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{
				"Dockerfile":  "FROM busybox\nADD --link hostile.tar /in/\nADD hostile.tar /in/\nRUN cat /in/h /in/l /in/l/secret || true\n",
				"hostile.tar": archive(t, c),
			})
			o.tryTo(t, b, &order{dir: dir, name: "archive"})
		})
	}
	t.Run("devices are there, and open for nobody", func(t *testing.T) {
		devices := []tar.Header{
			{Name: "mem", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 1},
			{Name: "disk", Typeflag: tar.TypeBlock, Mode: 0o666, Devmajor: 7, Devminor: 0},
		}
		dir := folder(t, map[string]string{
			"Dockerfile":  "FROM busybox\nADD hostile.tar /in/\nRUN ! head -c 1 /in/mem && ! head -c 1 /in/disk\n",
			"hostile.tar": archive(t, devices),
		})
		// Where the tests themselves may make no device, the archive is refused.
		if r := o.tryTo(t, b, &order{dir: dir, name: "devices"}); r.err != nil && !strings.Contains(r.err.Error(), "operation not permitted") {
			t.Errorf("a step has opened a device of the host, or: %v\n%s", r.err, r.log)
		}
	})
}

func archive(t *testing.T, members []tar.Header) string {
	t.Helper()
	const content = "pwned"
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range members {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestLinksOfAnImageLeadNowhereElse: all that is done to a root filesystem goes through links that its image has.
func TestLinksOfAnImageLeadNowhereElse(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	o := newOutside(t, b)
	steps := map[string]string{
		"a copy":           "COPY Dockerfile /link/pwned",
		"a copy onto it":   "COPY Dockerfile /file",
		"a copy of it":     "COPY --from=base /link/secret /x",
		"a linked copy":    "COPY --link Dockerfile /link/pwned",
		"an archive":       "ADD hostile.tar /link/",
		"a folder":         "WORKDIR /link/made",
		"a step":           "RUN cat /link/secret || true; echo x >/link/pwned || true",
		"a mount":          "RUN --mount=type=cache,target=/link/b true",
		"a mount on it":    "RUN --mount=type=cache,target=/link true",
		"a secret":         "RUN --mount=type=secret,id=x,target=/link/b/file true",
		"a mount from it":  "RUN --mount=from=base,source=/link,target=/m cat /m/secret",
		"a user from it":   "COPY --chown=root Dockerfile /x\nUSER root\nRUN id",
		"a cache below it": "RUN --mount=type=cache,from=base,source=/link,target=/m cat /m/secret",
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			secret := filepath.Join(t.TempDir(), "x")
			write(t, secret, "x")
			dir := folder(t, map[string]string{
				"Dockerfile":  "FROM busybox AS base\nCOPY links/ /\nFROM base\n" + step + "\n",
				"links/link":  "->" + o.dir,
				"links/file":  "->" + filepath.Join(o.dir, "secret"),
				"hostile.tar": archive(t, []tar.Header{{Name: "pwned", Typeflag: tar.TypeReg, Mode: 0o644}}),
			})
			o.tryTo(t, b, &order{dir: dir, name: "image-links", secrets: secretFile(secret)})
		})
	}
}

// TestAnImageWhoseSystemFoldersAreLinks: what the engine puts into each root filesystem goes where it belongs.
func TestAnImageWhoseSystemFoldersAreLinks(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	o := newOutside(t, b)
	cases := map[string]map[string]string{
		"etc":         {"etc": "->" + o.dir},
		"etc above":   {"etc": "->" + strings.Repeat("../", 20) + o.dir},
		"proc":        {"proc": "->" + o.dir},
		"dev":         {"dev": "->" + o.dir},
		"sys":         {"sys": "->" + o.dir},
		"resolv.conf": {"etc/resolv.conf": "->" + filepath.Join(o.dir, "secret")},
		"hosts":       {"etc/hosts": "->" + filepath.Join(o.dir, "made-by-engine")},
		"passwd":      {"etc/passwd": "->" + filepath.Join(o.dir, "etc/passwd")},
		"run":         {"run": "->" + o.dir},
		"root":        {"root": "->" + o.dir},
	}
	for name, links := range cases {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{
				"Dockerfile": "FROM scratch\nCOPY --from=busybox /bin /bin\nCOPY links/ /\nUSER root\n" +
					"RUN --mount=type=secret,id=x cat /run/secrets/x /etc/passwd /etc/resolv.conf /etc/hosts; ls /etc /proc/1 /dev /sys /root; true\n",
			}
			for link, target := range links {
				files["links/"+link] = target
			}
			secret := filepath.Join(t.TempDir(), "x")
			write(t, secret, "x")
			o.tryTo(t, b, &order{dir: folder(t, files), name: "system-links", secrets: secretFile(secret)})
		})
	}
}

// TestAHostileRepository: a folder of a repository is one of the repository.
func TestAHostileRepository(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	o := newOutside(t, b)
	web := t.TempDir()
	source := folder(t, map[string]string{"README": "x", "link": "->" + o.dir, "file": "->" + filepath.Join(o.dir, "secret")})
	git(t, source, "init", "-q", "-b", "main")
	git(t, source, "add", "-A")
	git(t, source, "commit", "-q", "-m", "first")
	git(t, source, "clone", "-q", "--bare", source, filepath.Join(web, "r.git"))
	server := httptest.NewServer(folderOrGit(web))
	defer server.Close()
	for name, fragment := range map[string]string{
		"a folder above": "#main:../../../../../../../../../.." + o.dir, "an absolute folder": "#main:" + o.dir,
		"a link": "#main:link", "a folder behind a link": "#main:link/etc", "a file": "#main:file", "all of it": "",
		"an option for a branch": "#--upload-pack=touch${IFS}" + o.dir + "/pwned",
	} {
		t.Run(name, func(t *testing.T) {
			dockerfile := fmt.Sprintf("FROM busybox\nADD %s/r.git%s /r/\nRUN cat /r/secret /r/passwd /r/file || true\n", server.URL, fragment)
			o.tryTo(t, b, &order{dir: folder(t, map[string]string{"Dockerfile": dockerfile}), name: "repository"})
		})
	}
}

// TestStepsThatNoDockerfileSays: a caller may send steps in BuildKit's own terms.
func TestStepsThatNoDockerfileSays(t *testing.T) {
	t.Parallel()
	b := attacker(t)
	o := newOutside(t, b)
	busybox := llb.Image("docker.io/library/busybox:latest")
	linked := busybox.Run(llb.Args([]string{"ln", "-s", o.dir, "/link"})).Root()
	files := llb.Local("context")
	cat := llb.Args([]string{"sh", "-c", "cat /m/secret /m/passwd; true"})
	cases := map[string]struct {
		state llb.State
		why   string
	}{
		"a mount above":               {busybox.Run(cat, llb.AddMount("/m", files, llb.SourcePath("../../../../../../.."+o.dir))).Root(), ""},
		"a mount at a target above":   {busybox.Run(cat, llb.AddMount("../../.."+o.dir, files)).Root(), ""},
		"a copy from above":           {busybox.File(llb.Copy(files, "../../../../../.."+o.dir+"/secret", "/x")), ""},
		"a copy to above":             {busybox.File(llb.Copy(files, "/Dockerfile", "../../../../../.."+o.dir+"/pwned")), ""},
		"a file through a link":       {linked.File(llb.Mkfile("/link/pwned", 0o644, []byte("x"))), ""},
		"a folder through a link":     {linked.File(llb.Mkdir("/link/made", 0o755, llb.WithParents(true))), ""},
		"a removal through a link":    {linked.File(llb.Rm("/link/secret", llb.WithAllowNotFound(true))), ""},
		"a removal with a pattern":    {linked.File(llb.Rm("/link/*", llb.WithAllowNotFound(true), llb.WithAllowWildcard(true))), ""},
		"a working directory above":   {busybox.Dir("../../../.." + o.dir).Run(llb.Args([]string{"cat", "secret"})).Root(), ""},
		"the host's network":          {busybox.Run(llb.Args([]string{"true"}), llb.Network(pb.NetMode_HOST)).Root(), "network.host is not allowed"},
		"all capabilities":            {busybox.Run(llb.Args([]string{"true"}), llb.Security(pb.SecurityMode_INSECURE)).Root(), "security.insecure is not allowed"},
		"a control group of another":  {busybox.Run(llb.Args([]string{"cat", "/proc/self/cgroup"}), llb.WithCgroupParent("../../../..")).Root(), ""},
		"a cache whose name is above": {busybox.Run(cat, llb.AddMount("/m", llb.Scratch(), llb.AsPersistentCacheDir("../../../../../.."+o.dir, llb.CacheMountShared))).Root(), ""},
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) {
			def, err := cases[name].state.Marshal(t.Context(), llb.LinuxAmd64)
			if err != nil {
				t.Fatal(err)
			}
			dir := folder(t, map[string]string{"Dockerfile": "x", "etc/passwd": "inside"})
			r := o.tryTo(t, b, &order{definition: def, dir: dir, name: "raw"})
			if why := cases[name].why; why != "" && (r.err == nil || !strings.Contains(r.err.Error(), why)) {
				t.Errorf("%v, want an error about %q", r.err, why)
			}
		})
	}
}
