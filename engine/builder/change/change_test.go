package change

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func TestApply(t *testing.T) {
	t.Parallel()
	base := func() engine.ImageConfig {
		return engine.ImageConfig{
			Entrypoint: []string{"/run"}, Cmd: []string{"serve"}, Env: []string{"PATH=/bin", "A=1"}, WorkingDir: "/srv", Expose: []string{"80/tcp"},
			Labels: map[string]string{"a": "1"}, Volumes: []string{"/data"}, OnBuild: []string{"RUN x"},
			Healthcheck: &engine.Healthcheck{Test: []string{"CMD", "ok"}, Interval: engine.Duration(time.Second), Retries: 7},
		}
	}
	for name, c := range map[string]struct {
		changes []string
		want    func(*engine.ImageConfig)
	}{
		"nothing":                  {nil, func(*engine.ImageConfig) {}},
		"a command":                {[]string{`CMD ["a", "b c"]`}, func(w *engine.ImageConfig) { w.Cmd = []string{"a", "b c"} }},
		"a command for the shell":  {[]string{`cmd a  "b c"`}, func(w *engine.ImageConfig) { w.Cmd = []string{"/bin/sh", "-c", `a  "b c"`} }},
		"an entrypoint alone":      {[]string{`ENTRYPOINT ["e"]`}, func(w *engine.ImageConfig) { w.Entrypoint, w.Cmd = []string{"e"}, nil }},
		"an entrypoint, a command": {[]string{`ENTRYPOINT ["e"]`, "CMD [\"c\"]"}, func(w *engine.ImageConfig) { w.Entrypoint, w.Cmd = []string{"e"}, []string{"c"} }},
		"a command, an entrypoint": {[]string{`CMD ["c"]`, `ENTRYPOINT ["e"]`}, func(w *engine.ImageConfig) { w.Entrypoint, w.Cmd = []string{"e"}, []string{"c"} }},
		"an entrypoint taken away": {[]string{`ENTRYPOINT []`, `CMD ["c"]`}, func(w *engine.ImageConfig) { w.Entrypoint, w.Cmd = nil, []string{"c"} }},
		"variables":                {[]string{`ENV A=2 B="x y"`, "ENV C $A-$B", "ENV PATH=$PATH:/opt"}, func(w *engine.ImageConfig) { w.Env = []string{"PATH=/bin:/opt", "A=2", "B=x y", "C=2-x y"} }},
		"labels":                   {[]string{`LABEL a=2 "b c"='d $A'`}, func(w *engine.ImageConfig) { w.Labels = map[string]string{"a": "2", "b c": "d $A"} }},
		"ports":                    {[]string{"EXPOSE 80 90/UDP 100-101", "EXPOSE $A"}, func(w *engine.ImageConfig) { w.Expose = []string{"1/tcp", "100/tcp", "101/tcp", "80/tcp", "90/udp"} }},
		"volumes":                  {[]string{`VOLUME /x /data`, `VOLUME ["/y z"]`}, func(w *engine.ImageConfig) { w.Volumes = []string{"/data", "/x", "/y z"} }},
		"a user":                   {[]string{"USER u:$A"}, func(w *engine.ImageConfig) { w.User = "u:1" }},
		"folders":                  {[]string{"WORKDIR a", "WORKDIR ../b/"}, func(w *engine.ImageConfig) { w.WorkingDir = "/srv/b" }},
		"a signal":                 {[]string{"STOPSIGNAL SIGRTMIN+3"}, func(w *engine.ImageConfig) { w.StopSignal = "SIGRTMIN+3" }},
		"a trigger":                {[]string{"ONBUILD COPY . /src"}, func(w *engine.ImageConfig) { w.OnBuild = []string{"RUN x", "COPY . /src"} }},
		"no health check":          {[]string{"HEALTHCHECK NONE"}, func(w *engine.ImageConfig) { w.Healthcheck = &engine.Healthcheck{Test: []string{"NONE"}} }},
		"lines that go on":         {[]string{"ENV A=2 \\\n B=3"}, func(w *engine.ImageConfig) { w.Env = []string{"PATH=/bin", "A=2", "B=3"} }},
		"several in one":           {[]string{"USER 1\nUSER 2"}, func(w *engine.ImageConfig) { w.User = "2" }},
		"a health check, as it was": {[]string{"HEALTHCHECK --retries=2 CMD up"}, func(w *engine.ImageConfig) {
			w.Healthcheck.Test, w.Healthcheck.Retries = []string{"CMD-SHELL", "up"}, 2
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, want := base(), base()
			c.want(&want)
			got, err := Apply(before, c.changes)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
			if diff := cmp.Diff(base(), before); diff != "" {
				t.Errorf("the config that was given: %s", diff)
			}
		})
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]string{
		"RUN true":                         "RUN is not a valid change command",
		"FROM x":                           "FROM is not a valid change command",
		"NONSENSE":                         "NONSENSE is not a valid change command",
		"SHELL [\"x\"]":                    "SHELL is not a valid change command",
		"USER 1\nCOPY a b":                 "COPY is not a valid change command",
		"":                                 "no instructions",
		"ENV":                              "ENV requires at least one argument",
		"ENV A":                            "ENV must have two arguments",
		"EXPOSE 0":                         "invalid containerPort: 0",
		"EXPOSE 70000":                     "invalid containerPort: 70000",
		"EXPOSE 9-8":                       "invalid containerPort: 9-8",
		"EXPOSE 80:80":                     "invalid containerPort: 80:80",
		"EXPOSE 80/icmp":                   "invalid proto: icmp",
		"STOPSIGNAL SIGNOTHING":            "invalid signal: SIGNOTHING",
		"ONBUILD FROM x":                   "isn't allowed as an ONBUILD trigger",
		"LABEL a='":                        "unexpected",
		"HEALTHCHECK --interval=-1s CMD x": "interval",
	} {
		_, err := Apply(engine.ImageConfig{}, []string{"USER 1", change})
		if !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", change, err)
		}
	}
}

func FuzzApply(f *testing.F) {
	for _, s := range []string{"CMD a", "ENV a=$b", "EXPOSE 1-9", "LABEL a='b", "HEALTHCHECK --retries=1 CMD x", "ONBUILD USER x", "VOLUME [\"a\"]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		config, err := Apply(engine.ImageConfig{}, []string{text})
		if err == nil && !slices.IsSorted(config.Expose) {
			t.Errorf("%q", config.Expose)
		}
	})
}
