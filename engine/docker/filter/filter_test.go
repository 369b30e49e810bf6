package filter

import (
	"errors"
	"strings"
	"testing"

	"tiffin/engine"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "",
		`{"name":{"web":true,"db":true}}`: "db,web",
		`{"name":["web"]}`:                "web", // before API 1.22
	} {
		args, err := Parse(text, "name")
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := strings.Join(args.Values("name"), ","); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"nothing", `{"colour":{"red":true}}`, `{"name":"web"}`} {
		if _, err := Parse(text, "name"); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestWhatFits(t *testing.T) {
	labels := map[string]string{"tier": "web", "empty": ""}
	for name, tc := range map[string]struct {
		text string
		fits func(Args) bool
		want bool
	}{
		"without the filter all do":    {``, func(a Args) bool { return a.Is("name", "x") }, true},
		"one of the values":            {`{"name":["a","x"]}`, func(a Args) bool { return a.Is("name", "x") }, true},
		"none of them":                 {`{"name":["a"]}`, func(a Args) bool { return a.Any("name", "x", "y") }, false},
		"the beginning of an ID":       {`{"id":["ab"]}`, func(a Args) bool { return a.Prefix("id", "abc") }, true},
		"the middle of an ID":          {`{"id":["bc"]}`, func(a Args) bool { return a.Prefix("id", "abc") }, false},
		"a part of a name":             {`{"name":["eb"]}`, func(a Args) bool { return a.Matches("name", "web") }, true},
		"an anchored name":             {`{"name":["^/web$"]}`, func(a Args) bool { return a.Matches("name", "web", "/web") }, true},
		"no expression is a part":      {`{"name":["a["]}`, func(a Args) bool { return a.Matches("name", "xa[") }, true},
		"a label by its key":           {`{"label":["empty"]}`, func(a Args) bool { return a.Labels(labels) }, true},
		"a label by its value":         {`{"label":["tier=web"]}`, func(a Args) bool { return a.Labels(labels) }, true},
		"a label by a part of it":      {`{"label":["tier=we"]}`, func(a Args) bool { return a.Labels(labels) }, false},
		"all labels have to be there":  {`{"label":["tier=web","x"]}`, func(a Args) bool { return a.Labels(labels) }, false},
		"a label that must not be":     {`{"label!":["tier"]}`, func(a Args) bool { return a.Labels(labels) }, false},
		"another that must not be":     {`{"label!":["tier=db"]}`, func(a Args) bool { return a.Labels(labels) }, true},
		"a label that is empty by =":   {`{"label":["empty="]}`, func(a Args) bool { return a.Labels(labels) }, true},
		"labels of what has none":      {`{"label":["x"]}`, func(a Args) bool { return a.Labels(nil) }, false},
		"without labels nothing fails": {``, func(a Args) bool { return a.Labels(nil) }, true},
	} {
		args, err := Parse(tc.text, "name", "id", "label", "label!")
		if err != nil {
			t.Fatal(err)
		}
		if got := tc.fits(args); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestBool(t *testing.T) {
	for text, want := range map[string]bool{``: true, `{"dangling":["false"]}`: false, `{"dangling":["0"]}`: false, `{"dangling":["true"]}`: true} {
		args, err := Parse(text, "dangling")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := args.Bool("dangling", true); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{`{"dangling":["perhaps"]}`, `{"dangling":["1","0"]}`} {
		args, _ := Parse(text, "dangling")
		if _, err := args.Bool("dangling", true); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
