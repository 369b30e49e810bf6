package client

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func TestParseOutput(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"-":                                    "tar to - map[]",
		"out/dir":                              "local to out/dir map[]",
		"type=local,dest=out":                  "local to out map[]",
		"type=tar,dest=x.tar":                  "tar to x.tar map[]",
		"type=tar":                             "tar to - map[]",
		"type=oci,dest=x.tar,compression=gzip": "oci to x.tar map[compression:gzip]",
		"type=docker,dest=-":                   "docker to - map[]",
		"type=docker":                          "image to  map[]",
		`type=image,"name=a,b",push=true`:      "image to  map[name:a,b push:true]",
		"type=registry":                        "image to  map[push:true]",
		"type=cacheonly":                       "cacheonly to  map[]",
		"":                                     "error: an output is DIR, - or type=TYPE,dest=PATH",
		"type=local":                           `error: output "type=local": a folder is written to dest=DIR`,
		"dest=out":                             `error: output "dest=out": it has no type=`,
		"type=magic":                           `error: output "type=magic": of the types, image, registry, local, tar, oci, docker and cacheonly are there`,
		"type=tar,x":                           `error: output "type=tar,x": "x" is not KEY=VALUE`,
	} {
		w, err := parseOutput(text)
		got := fmt.Sprintf("%s to %s %v", w.kind, w.dest, w.attrs)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// exportText writes what one build exports.
func exportText(t *testing.T, o *Options) (string, error) {
	t.Helper()
	jobs, err := jobsOf(o)
	if err != nil {
		return "", err
	}
	outputs, err := o.parseOutputs(jobs)
	if err != nil {
		return "", err
	}
	exports, err := o.exports(jobs[0], outputs)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, e := range exports {
		fmt.Fprintf(&b, "%s %v dir=%s file=%t\n", e.Type, e.Attrs, e.OutputDir, e.Output != nil)
	}
	return b.String(), nil
}

func TestExports(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		o         Options
		want, err string
	}{
		"the store, under all names": {
			o:    Options{Targets: []Target{{Name: "web", Image: "web", Build: engine.Build{Tags: []string{"reg.example/web:1"}}}}},
			want: "image map[name:docker.io/library/web:latest,reg.example/web:1] dir= file=false\n",
		},
		"the store, and a registry": {
			o:    Options{Push: true, Targets: []Target{target("web", "web")}},
			want: "image map[name:docker.io/library/web:latest push:true] dir= file=false\n",
		},
		"a folder": {
			o:    Options{Outputs: []string{"out"}, Targets: []Target{target("web", "web")}},
			want: "local map[] dir=out file=false\n",
		},
		"an archive has the names in it": {
			o:    Options{Outputs: []string{"type=docker,dest=x.tar"}, Targets: []Target{target("web", "web")}},
			want: "docker map[name:docker.io/library/web:latest] dir= file=true\n",
		},
		"an OCI layout is a folder": {
			o:    Options{Outputs: []string{"type=oci,dest=out,tar=false"}, Targets: []Target{target("web", "web")}},
			want: "oci map[name:docker.io/library/web:latest tar:false] dir=out file=false\n",
		},
		"nothing but the cache": {o: Options{Outputs: []string{"type=cacheonly"}, Targets: []Target{target("web", "web")}}},
		"two images in one folder": {
			o:   Options{Outputs: []string{"out"}, Targets: []Target{target("a", "a"), target("b", "b")}},
			err: "2 different images cannot all be written to out",
		},
		"two archives in one stream": {
			o:   Options{Outputs: []string{"-", "type=oci"}, Targets: []Target{target("a", "a")}},
			err: "only one output can be standard output",
		},
		"an archive in the place of a folder": {
			o:   Options{Outputs: []string{"type=tar,dest=/"}, Targets: []Target{target("a", "a")}},
			err: "output type=tar: dest=/ is a folder, and an archive is a file",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := exportText(t, &c.o)
			if c.err != "" {
				if err == nil || err.Error() != c.err || !errors.Is(err, engine.ErrInvalid) {
					t.Errorf("got  %v\nwant %s", err, c.err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("%v: %s", err, cmp.Diff(c.want, got))
			}
		})
	}
}

func TestAnArchiveIsWrittenOnceThereIsOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.tar")
	open, err := (&Options{}).writer(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is there before the build")
	}
	w, err := open(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write([]byte("tar"))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); string(text) != "tar" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

func TestCacheEntries(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"reg.example/app:cache":                    "registry map[ref:reg.example/app:cache]",
		"type=registry,ref=reg.example/a,mode=max": "registry map[mode:max ref:reg.example/a]",
		"type=local,src=/tmp/x":                    "local map[src:/tmp/x]",
		"type=inline":                              "inline map[]",
		"ref=x":                                    `build cache "ref=x": it has no type=`,
		"type=s3,bucket=x":                         `build cache "type=s3,bucket=x": of the types, registry, local and inline are there`,
	} {
		list, err := cacheEntries([]string{text})
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprintf("%s %v", list[0].Type, list[0].Attrs)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestALocalCacheThatIsNotThereYetIsLeftOut(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"there/index.json": "{}"})
	list, err := cacheEntries([]string{"type=local,src=" + dir + "/there", "type=local,src=" + dir + "/not", "reg.example/x"})
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	kept := (&Options{Stderr: &said}).knownCaches(list)
	if len(kept) != 2 || kept[0].Attrs["src"] != dir+"/there" {
		t.Errorf("kept %v", kept)
	}
	if want := "warning: there is no build cache in " + dir + "/not\n"; said.String() != want {
		t.Errorf("said %q, want %q", said.String(), want)
	}
}
