package ocispec

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

const testPasswd = `root:x:0:0:root:/root:/bin/sh
# a comment
app:x:1000:1000::/home/app:/bin/sh
big:x:4294967296:1::/:/bin/sh
minus:x:-1:1::/:/bin/sh
1234:x:77:77::/odd:/bin/sh
broken line
`

const testGroup = `root:x:0:
wheel:x:10:root,app
app:x:1000:
audio:x:29:app
huge:x:2147483648:
`

func TestLookup(t *testing.T) {
	cases := map[string]struct {
		spec string
		add  []string
		want Identity
		err  string
	}{
		"nobody named is root":                        {"", nil, Identity{0, 0, []uint32{0, 10}, "/root"}, ""},
		"a name brings its groups":                    {"app", nil, Identity{1000, 1000, []uint32{1000, 10, 29}, "/home/app"}, ""},
		"a number with an entry is that user":         {"1000", nil, Identity{1000, 1000, []uint32{1000, 10, 29}, "/home/app"}, ""},
		"a number without an entry is in group 0":     {"4321", nil, Identity{4321, 0, []uint32{0}, ""}, ""},
		"a number is never a name":                    {"1234", nil, Identity{1234, 0, []uint32{0}, ""}, ""},
		"a group takes the place of the user's":       {"app:audio", nil, Identity{1000, 29, []uint32{29}, "/home/app"}, ""},
		"numbers for both":                            {"5:6", nil, Identity{5, 6, []uint32{6}, ""}, ""},
		"only a group":                                {":audio", nil, Identity{0, 29, []uint32{29}, "/root"}, ""},
		"further groups by name and number":           {"app:app", []string{"audio", "500", "audio"}, Identity{1000, 1000, []uint32{1000, 29, 500}, "/home/app"}, ""},
		"no such user":                                {"nobody", nil, Identity{}, "unable to find user nobody: no matching entries in passwd file"},
		"no such group":                               {"app:nobody", nil, Identity{}, "unable to find group nobody: no matching entries in group file"},
		"no such further group":                       {"app", []string{"nobody"}, Identity{}, "unable to find group nobody: no matching entries in group file"},
		"a number beyond the range":                   {"4294967296", nil, Identity{}, "uids and gids must be in range 0-2147483647"},
		"a number beyond any range":                   {"99999999999999999999", nil, Identity{}, "uids and gids must be in range 0-2147483647"},
		"a negative number":                           {"-1", nil, Identity{}, "uids and gids must be in range 0-2147483647"},
		"an entry with a number beyond the range":     {"big", nil, Identity{}, `user "big" has the number 4294967296, which is not one of 0 to 2147483647`},
		"an entry with a negative number":             {"minus", nil, Identity{}, `user "minus" has the number -1, which is not one of 0 to 2147483647`},
		"a group entry with a number beyond":          {"app:huge", nil, Identity{}, `user "app:huge" has the number 2147483648, which is not one of 0 to 2147483647`},
		"a further group with a number beyond":        {"app", []string{"huge"}, Identity{}, "uids and gids must be in range 0-2147483647"},
		"a further group that is the primary one too": {"app", []string{"app"}, Identity{1000, 1000, []uint32{1000, 10, 29}, "/home/app"}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Lookup(c.spec, strings.NewReader(testPasswd), strings.NewReader(testGroup), c.add)
			if c.err != "" {
				if err == nil || err.Error() != c.err || !errors.Is(err, engine.ErrInvalid) {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
}

func TestAnImageWithoutUserFiles(t *testing.T) {
	for spec, want := range map[string]string{
		"": "", "0:0": "", "33": "", "www": "unable to find user www: no matching entries in passwd file",
		"33:www": "unable to find group www: no matching entries in group file",
	} {
		_, err := Lookup(spec, nil, nil, []string{"20"})
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%q: %v", spec, err)
		}
	}
}

func TestTheUserOfAContainer(t *testing.T) {
	c := &engine.Container{Image: engine.ImageConfig{User: "image"}}
	if User(c) != "image" {
		t.Error("the image's user is not taken")
	}
	c.Spec.User = "own"
	if User(c) != "own" {
		t.Error("the container's user is not taken")
	}
}

func FuzzLookup(f *testing.F) {
	f.Add("app:audio", []byte(testPasswd), []byte(testGroup))
	f.Add(":::", []byte(":::\n"), []byte(":::,,\n"))
	f.Fuzz(func(t *testing.T, spec string, passwd, group []byte) {
		id, err := Lookup(spec, bytes.NewReader(passwd), bytes.NewReader(group), []string{spec})
		if err == nil && (len(id.Groups) == 0 || id.Groups[0] != id.GID || id.UID > 1<<31-1) {
			t.Errorf("%q: %+v", spec, id)
		}
	})
}
