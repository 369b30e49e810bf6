package image

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
)

const (
	someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	someConfig = `"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + someDigest + `","size":2}`
	someLayer  = `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"` + someDigest + `","size":3,"urls":["http://x"],"annotations":{"a":"b"}}`
)

func TestParseManifest(t *testing.T) {
	cases := map[string]struct{ doc, text string }{
		"one that is good":           {`{"schemaVersion":2,` + someConfig + `,"layers":[` + someLayer + `]}`, ""},
		"no layers":                  {`{"schemaVersion":2,` + someConfig + `}`, ""},
		"an empty list of manifests": {`{"schemaVersion":2,` + someConfig + `,"manifests":[]}`, "has no manifests"},
		"manifests in other letters": {`{"schemaVersion":2,` + someConfig + `,"Manifests":[{}]}`, "has no manifests"},
		"the layers of schema 1":     {`{"schemaVersion":2,` + someConfig + `,"fsLayers":[{}]}`, "has no fsLayers"},
		"schema 1":                   {`{"schemaVersion":1,` + someConfig + `}`, "schema version 1"},
		"another type than announced": {
			`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",` + someConfig + `}`, "it was announced as",
		},
		"a key twice":            {`{"schemaVersion":2,` + someConfig + `,` + someConfig + `}`, `the key "config" comes twice`},
		"a key twice, deep down": {`{"schemaVersion":2,` + someConfig + `,"annotations":{"a":"1","a":"2"}}`, `the key "a" comes twice`},
		"something behind it":    {`{"schemaVersion":2,` + someConfig + `}{}`, "something follows"},
		"no JSON":                {`<html>`, "invalid character"},
		"nothing":                {``, "EOF"},
		"too deep":               {`{"a":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`, "nested more than 32 deep"},
		"md5":                    {`{"schemaVersion":2,` + strings.ReplaceAll(someConfig, someDigest, "md5:d41d8cd98f00b204e9800998ecf8427e") + `}`, "digest"},
		"sha384":                 {`{"schemaVersion":2,` + strings.ReplaceAll(someConfig, someDigest, "sha384:"+strings.Repeat("a", 96)) + `}`, "sha256 or sha512"},
		"a path for a digest":    {`{"schemaVersion":2,` + strings.ReplaceAll(someConfig, someDigest, "sha256:../../../etc/passwd") + `}`, "digest"},
		"a negative size":        {`{"schemaVersion":2,` + strings.Replace(someConfig, `"size":2`, `"size":-2`, 1) + `}`, "size of -2"},
		"a config of 5 MB":       {`{"schemaVersion":2,` + strings.Replace(someConfig, `"size":2`, `"size":5000000`, 1) + `}`, "at most"},
		"a helm chart":           {`{"schemaVersion":2,` + strings.Replace(someConfig, "oci.image", "cncf.helm", 1) + `}`, "not a container image"},
		"a layer that is none":   {`{"schemaVersion":2,` + someConfig + `,"layers":[` + strings.Replace(someLayer, "layer", "song", 1) + `]}`, "not a container image"},
		"too many layers": {
			`{"schemaVersion":2,` + someConfig + `,"layers":[` + strings.TrimSuffix(strings.Repeat(someLayer+",", 501), ",") + `]}`, "501 layers",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m, err := parseManifest([]byte(c.doc), ocispec.MediaTypeImageManifest)
			if (err == nil) != (c.text == "") || (err != nil && (!strings.Contains(err.Error(), c.text) || !errors.Is(err, engine.ErrInvalid))) {
				t.Fatalf("got %v, want %q", err, c.text)
			}
			for _, l := range m.Layers {
				if err == nil && (l.URLs != nil || l.Annotations != nil) {
					t.Errorf("kept %+v", l)
				}
			}
		})
	}
}

func TestParseIndex(t *testing.T) {
	for name, c := range map[string]struct{ doc, text string }{
		"one that is good": {`{"schemaVersion":2,"manifests":[` + someLayer + `]}`, ""},
		"with a config":    {`{"schemaVersion":2,"manifests":[],` + someConfig + `}`, "has no config"},
		"with layers":      {`{"schemaVersion":2,"manifests":[],"LAYERS":[]}`, "has no layers"},
		"a bad digest":     {`{"schemaVersion":2,"manifests":[` + strings.Replace(someLayer, "sha256:e", "sha256:g", 1) + `]}`, "digest"},
	} {
		if _, err := parseIndex([]byte(c.doc), ocispec.MediaTypeImageIndex); (err == nil) != (c.text == "") || (err != nil && !strings.Contains(err.Error(), c.text)) {
			t.Errorf("%s: %v, want %q", name, err, c.text)
		}
	}
}

func TestParseConfig(t *testing.T) {
	for name, c := range map[string]struct {
		doc    string
		layers int
		text   string
	}{
		"one that is good":           {`{"os":"linux","rootfs":{"type":"layers","diff_ids":["` + someDigest + `"]}}`, 1, ""},
		"fewer diff IDs than layers": {`{"rootfs":{"type":"layers","diff_ids":[]}}`, 1, "0 diff IDs for 1 layers"},
		"another rootfs":             {`{"rootfs":{"type":"zip"}}`, 0, "not a container image"},
		"a bad diff ID":              {`{"rootfs":{"diff_ids":["sha256:x"]}}`, 1, "digest"},
	} {
		if _, err := parseConfig([]byte(c.doc), c.layers); (err == nil) != (c.text == "") || (err != nil && !strings.Contains(err.Error(), c.text)) {
			t.Errorf("%s: %v, want %q", name, err, c.text)
		}
	}
}

func TestImageConfigsGoBothWays(t *testing.T) {
	want := engine.ImageConfig{
		Entrypoint: []string{"/e"}, Cmd: []string{"c"}, Env: []string{"A=1"}, WorkingDir: "/w", User: "u", Labels: map[string]string{"l": "1"},
		Volumes: []string{"/a", "/b"}, Expose: []string{"1/tcp", "2/udp"}, StopSignal: "SIGINT", Shell: []string{"sh"}, OnBuild: []string{"RUN x"},
		Healthcheck: &engine.Healthcheck{Test: []string{"CMD", "x"}, Interval: 1e9, Timeout: 2e9, StartPeriod: 3e9, StartInterval: 4e9, Retries: 5},
	}
	b, err := json.Marshal(configFile{Config: fromVocabulary(want), RootFS: rootFS{"layers", []digest.Digest{}}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseConfig(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, c.Config.vocabulary()); d != "" {
		t.Error(d)
	}
	// Docker's own config has the check's times in nanoseconds.
	c, err = parseConfig([]byte(`{"rootfs":{},"config":{"Healthcheck":{"Test":["NONE"],"Interval":1500000000}}}`), 0)
	if err != nil || c.Config.vocabulary().Healthcheck.Interval.String() != "1.5s" {
		t.Errorf("%+v %v", c, err)
	}
}

// Whatever a registry says: no panic, and what is accepted can become a path and be stacked.
func FuzzDocuments(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,`+someConfig+`,"layers":[`+someLayer+`]}`), ocispec.MediaTypeImageManifest)
	f.Add([]byte(`{"schemaVersion":2,"manifests":[`+someLayer+`]}`), ocispec.MediaTypeImageIndex)
	f.Add([]byte(`{"os":"linux","rootfs":{"type":"layers","diff_ids":["`+someDigest+`"]},"config":{"Volumes":{"/":{}}}}`), "")
	f.Fuzz(func(t *testing.T, b []byte, mediaType string) {
		if m, err := parseManifest(b, mediaType); err == nil {
			for _, d := range append(m.Layers, m.Config) {
				if err := checkDigest(d.Digest); err != nil || d.Size < 0 {
					t.Errorf("accepted %+v", d)
				}
			}
			if _, err := parseIndex(b, mediaType); err == nil && len(m.Layers) > 0 {
				t.Error("both a manifest and an index")
			}
		}
		if c, err := parseConfig(b, 1); err == nil {
			_ = newVariant(someDigest, ocispec.Manifest{}, c)
		}
	})
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"nginx", "a/b:c", "h:1/a@" + someDigest, "sha256:abc", "UPPER", "a:b:c", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		named, err := parseName(ref)
		if err != nil {
			return
		}
		again, err := parseName(familiar(named.String()))
		if err != nil || again.String() != named.String() {
			t.Errorf("%q is %q, and %q when shown and read again (%v)", ref, named, again, err)
		}
	})
}
