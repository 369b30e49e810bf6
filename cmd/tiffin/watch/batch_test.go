package watch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/project/develop"
)

func (b *batch) String() string {
	var out strings.Builder
	if len(b.rebuild) > 0 {
		fmt.Fprintln(&out, "rebuild", b.rebuild)
	}
	for _, t := range b.sync {
		for _, p := range t.pieces {
			sign := "+"
			if p.removed {
				sign = "-"
			}
			fmt.Fprintln(&out, t.service, sign+p.target)
		}
	}
	if len(b.restart) > 0 {
		fmt.Fprintln(&out, "restart", b.restart)
	}
	for _, c := range b.exec {
		fmt.Fprintln(&out, c.service, c.hook.Command)
	}
	return out.String()
}

func TestChangesLeadToActions(t *testing.T) {
	sync := develop.Rule{Service: "web", Path: "/src", Action: develop.Sync, Target: "/app"}
	with := func(change func(*develop.Rule)) []develop.Rule {
		r := sync
		change(&r)
		return []develop.Rule{r}
	}
	for name, tc := range map[string]struct {
		rules   []develop.Rule
		changes []change
		want    string
	}{
		"what goes comes first": {
			[]develop.Rule{sync}, []change{{path: "/src/a"}, {path: "/src/b/c", removed: true}}, "web -/app/b/c\nweb +/app/a\n",
		},
		"outside":          {[]develop.Rule{sync}, []change{{path: "/srcs/a"}, {path: "/other"}}, ""},
		"never":            {[]develop.Rule{sync}, []change{{path: "/src/.git/HEAD"}, {path: "/src/x/.a.swp"}, {path: "/src/a~"}, {path: "/src/4913"}}, ""},
		"ignored":          {with(func(r *develop.Rule) { r.Ignore = []string{"node_modules/"} }), []change{{path: "/src/node_modules/x"}}, ""},
		"an exception":     {with(func(r *develop.Rule) { r.Ignore = []string{"*", "!a"} }), []change{{path: "/src/a"}, {path: "/src/b"}}, "web +/app/a\n"},
		"included":         {with(func(r *develop.Rule) { r.Include = []string{"**/*.go"} }), []change{{path: "/src/x/a.go"}, {path: "/src/b"}}, "web +/app/x/a.go\n"},
		"mounted":          {with(func(r *develop.Rule) { r.Mounted = true }), []change{{path: "/src/a"}}, ""},
		"a file to a file": {with(func(r *develop.Rule) { r.Path, r.Target = "/src/a", "/etc/b" }), []change{{path: "/src/a"}}, "web +/etc/b\n"},
		"a file to a folder": {
			with(func(r *develop.Rule) { r.Path, r.Target = "/src/a", "/etc/" }), []change{{path: "/src/a"}}, "web +/etc/a\n",
		},
		"a folder restarts nothing": {
			with(func(r *develop.Rule) { r.Action = develop.SyncRestart }), []change{{path: "/src/d", folder: true}}, "web +/app/d\n",
		},
		"once, after the sync": {
			append(with(func(r *develop.Rule) { r.Action, r.Exec = develop.SyncExec, engine.Hook{Command: []string{"reload"}} }),
				develop.Rule{Service: "api", Path: "/src", Action: develop.Rebuild}),
			[]change{{path: "/src/a"}, {path: "/src/b"}},
			"rebuild [api]\nweb +/app/a\nweb +/app/b\nweb [reload]\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := compile(tc.rules)
			if err != nil {
				t.Fatal(err)
			}
			b := newBatch(rules, tc.changes)
			if d := cmp.Diff(tc.want, b.String()); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
}
