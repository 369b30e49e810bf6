package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tiffin/engine"
	"tiffin/engine/call"
)

// contract is a call of each kind: what the client asks, what arrives, what comes back.
type contract struct {
	ask      func(ctx context.Context, c *Client, report engine.Report) (any, error)
	arrives  []any
	answers  any
	progress bool // it reports
}

func contracts() map[string]contract {
	stack := engine.Stack{Name: "demo", Services: []engine.Service{{Name: "web", Container: engine.ContainerSpec{Image: "nginx", Cmd: []string{}}}}}
	auths := map[string]call.RegistryAuth{"docker.io": {Username: "u", Password: "p"}}
	at := time.Unix(1, 2).UTC()
	up := call.UpRequest{Stack: stack, Services: []string{"web"}, NoDeps: true, Auths: auths}
	down := call.DownRequest{Project: "demo", Stack: &stack, Volumes: true}
	act := call.ActRequest{Project: "demo", Action: call.ActKill, Signal: "SIGHUP"}
	pull := call.PullRequest{Stack: stack, Policy: engine.PullMissing}
	run := call.RunRequest{Up: up, Service: "web", Container: engine.ContainerSpec{Entrypoint: []string{}}}
	list := call.ListRequest{Project: "demo", All: true}
	exec := call.ExecRequest{Cmd: []string{"sh"}, TTY: true, ConsoleSize: [2]uint{24, 80}}
	attach := call.AttachRequest{Container: "c0ffee", Stdin: true, DetachKeys: "ctrl-x"}
	logs := call.LogRequest{Project: "demo", Tail: -1, Since: at, Stdout: true}
	config := engine.ImageConfig{Cmd: []string{"sh"}, Env: []string{"A=\"ü\n\""}}
	remove := call.RemoveOptions{Force: true}
	image := engine.Image{ID: "sha256:1"}
	commit := call.CommitRequest{Container: "web-1", Name: "mine/web:1", Author: "me", Message: "why", Changes: []string{"USER 1"}, NoPause: true}
	file := call.FileRequest{Container: "c0ffee", Path: "/etc", Follow: true, Name: "."}
	write := call.WriteRequest{Container: "c0ffee", Folder: "/ü", Owners: true}
	nothing := func(err error) (any, error) { return nil, err }
	any2 := func(v any, err error) (any, error) { return v, err }
	return map[string]contract{
		"up": {func(ctx context.Context, c *Client, r engine.Report) (any, error) { return nothing(c.Up(ctx, &up, r)) }, []any{up}, nil, true},
		"down": {func(ctx context.Context, c *Client, r engine.Report) (any, error) {
			return nothing(c.Down(ctx, &down, r))
		}, []any{down}, nil, true},
		"act": {func(ctx context.Context, c *Client, r engine.Report) (any, error) {
			return nothing(c.Act(ctx, &act, r))
		}, []any{act}, nil, true},
		"pull": {func(ctx context.Context, c *Client, r engine.Report) (any, error) {
			return nothing(c.Pull(ctx, &pull, r))
		}, []any{pull}, nil, true},
		"run":     {func(ctx context.Context, c *Client, r engine.Report) (any, error) { return c.Run(ctx, &run, r) }, []any{run}, "c0ffee", true},
		"plan up": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) { return any2(c.PlanUp(ctx, &up)) }, []any{up}, &aPlan, false},
		"plan down": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return any2(c.PlanDown(ctx, &down))
		}, []any{down}, &aPlan, false},
		"plan act": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) { return any2(c.PlanAct(ctx, &act)) }, []any{act}, &aPlan, false},
		"plan builds": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return any2(c.PlanBuilds(ctx, &up))
		}, []any{up}, &aPlan, false},
		"projects": {
			func(ctx context.Context, c *Client, _ engine.Report) (any, error) { return c.Projects(ctx) }, nil,
			[]call.ProjectSummary{{Name: "demo", Status: map[engine.Status]int{engine.StatusRunning: 2}}},
			false,
		},
		"stack": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) { return any2(c.Stack(ctx, "demo")) }, []any{"demo"}, &engine.Stack{Name: "demo"}, false},
		"list":  {func(ctx context.Context, c *Client, _ engine.Report) (any, error) { return c.List(ctx, &list) }, []any{list}, []engine.Container{{ID: "c0ffee", Name: "demo-web-1"}}, false},
		"wait":  {func(ctx context.Context, c *Client, _ engine.Report) (any, error) { return c.Wait(ctx, "c0ffee") }, []any{"c0ffee"}, 3, false},
		"kill": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return nothing(c.Kill(ctx, "c0ffee", "SIGHUP"))
		}, []any{"c0ffee", "SIGHUP"}, nil, false},
		"remove": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return nothing(c.Remove(ctx, "c0ffee", remove))
		}, []any{"c0ffee", remove}, nil, false},
		"top": {
			func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
				return any2(c.Top(ctx, "c0ffee", []string{"aux"}))
			},
			[]any{"c0ffee", []string{"aux"}},
			&call.Top{Titles: []string{"PID"}, Processes: [][]string{{"1"}}}, false,
		},
		"stats": {
			func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
				return c.Stats(ctx, &call.StatsRequest{Containers: []string{"c0ffee"}})
			},
			[]any{call.StatsRequest{Containers: []string{"c0ffee"}}},
			[]call.Stats{{ID: "c0ffee", Running: true, CPU: call.CPUStats{Total: 7}}},
			false,
		},
		"exec": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return c.Exec(ctx, "c0ffee", &exec, call.Streams{})
		}, []any{"c0ffee", exec}, 4, false},
		"attach": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return c.Attach(ctx, &attach, call.Streams{})
		}, []any{attach}, 5, false},
		"logs": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return nothing(c.Logs(ctx, &logs, nil))
		}, []any{logs}, nil, false},
		"change files": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return nothing(c.ChangeFiles(ctx, "c0ffee", strings.NewReader("tar")))
		}, []any{"c0ffee", "tar"}, nil, false},
		"images": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) { return c.Images(ctx) }, nil, []engine.Image{image}, false},
		"image":  {func(ctx context.Context, c *Client, _ engine.Report) (any, error) { return c.Image(ctx, "nginx") }, []any{"nginx"}, image, false},
		"pull image": {
			func(ctx context.Context, c *Client, r engine.Report) (any, error) {
				return c.PullImage(ctx, "nginx", "linux/amd64", auths, r)
			},
			[]any{"nginx", "linux/amd64", auths},
			image, true,
		},
		"push image": {
			func(ctx context.Context, c *Client, r engine.Report) (any, error) {
				return nothing(c.PushImage(ctx, "nginx", auths, r))
			},
			[]any{"nginx", auths},
			nil, true,
		},
		"tag": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return nothing(c.TagImage(ctx, "nginx", "web"))
		}, []any{"nginx", "web"}, nil, false},
		"rmi": {
			func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
				return c.RemoveImage(ctx, "nginx", true)
			},
			[]any{"nginx", call.ForceRemove(true)},
			[]string{"Untagged: nginx"},
			false,
		},
		"load": {
			func(ctx context.Context, c *Client, r engine.Report) (any, error) {
				return c.LoadImages(ctx, strings.NewReader("tar"), r)
			},
			[]any{"tar"},
			[]string{"nginx"},
			true,
		},
		"save": {
			func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
				var b bytes.Buffer
				err := c.SaveImages(ctx, []string{"nginx"}, &b)
				return b.String(), err
			},
			[]any{[]string{"nginx"}},
			"tar", false,
		},
		"import": {
			func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
				return c.ImportImage(ctx, strings.NewReader("tar"), "base", config)
			},
			[]any{"tar", "base", config},
			image, false,
		},
		"commit": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return any2(c.Commit(ctx, &commit))
		}, []any{commit}, image, false},
		"stat file": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return any2(c.StatFile(ctx, &file))
		}, []any{file}, call.FileStat{Path: "/etc"}, false},
		"read files": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			var b bytes.Buffer
			err := c.ReadFiles(ctx, &file, &b)
			return b.String(), err
		}, []any{file}, "tar", false},
		"write files": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return nothing(c.WriteFiles(ctx, &write, strings.NewReader("tar")))
		}, []any{write, "tar"}, nil, false},
		"export": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			var b bytes.Buffer
			err := c.Export(ctx, "c0ffee", &b)
			return b.String(), err
		}, []any{"c0ffee"}, "tar", false},
		"volumes": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return any2(c.Volumes(ctx))
		}, nil, []engine.Volume{{Name: "demo_data"}}, false},
		"networks": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) { return c.Networks(ctx) }, nil, []engine.Network{aNetwork}, false},
		"secrets":  {func(ctx context.Context, c *Client, _ engine.Report) (any, error) { return c.Secrets(ctx) }, nil, []engine.Secret{aSecret}, false},
		"secret create": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return c.CreateSecret(ctx, &call.SecretRequest{Name: "token", Content: []byte("x")})
		}, []any{call.SecretRequest{Name: "token", Content: []byte("x")}}, aSecret, false},
		"secret remove": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return nothing(c.RemoveSecret(ctx, "token"))
		}, []any{"token"}, nil, false},
		"network create": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return c.CreateNetwork(ctx, &aNetwork.Spec)
		}, []any{aNetwork.Spec}, aNetwork, false},
		"network remove": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return nothing(c.RemoveNetwork(ctx, "lan"))
		}, []any{"lan"}, nil, false},
		"network connect": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return nothing(c.ConnectNetwork(ctx, "lan", "c0ffee", &engine.EndpointSpec{Aliases: []string{"a"}}))
		}, []any{"lan", "c0ffee", engine.EndpointSpec{Aliases: []string{"a"}}}, nil, false},
		"network disconnect": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
			return nothing(c.DisconnectNetwork(ctx, "lan", "c0ffee", true))
		}, []any{"lan", "c0ffee", call.ForceRemove(true)}, nil, false},
		"info": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) { return c.Info(ctx) }, nil, call.Info{Version: "1", Pid: 7}, false},
		"events": {
			func(ctx context.Context, c *Client, _ engine.Report) (any, error) {
				var seen []string
				err := c.Events(ctx, at, at, func() { seen = append(seen, "ready") }, func(e engine.Event) error {
					seen = append(seen, e.Action+" "+e.ID)
					return nil
				})
				return seen, err
			},
			[]any{at, at},
			[]string{"ready", "start c0ffee"},
			false,
		},
		"shutdown": {func(ctx context.Context, c *Client, _ engine.Report) (any, error) { return nothing(c.Shutdown(ctx)) }, nil, nil, false},
	}
}

func TestEachCallArrivesAndIsAnswered(t *testing.T) {
	t.Parallel()
	for name, c := range contracts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tells := []engine.Progress{{ID: "Container web", Status: engine.Working, Text: "Starting"}, {ID: "Container web", Status: engine.Done, Text: "Started", Percent: 100}}
			b := &fake{}
			if c.progress {
				b.tells = tells
			}
			r := serve(t, b)
			var told []engine.Progress
			got, err := c.ask(t.Context(), r.Client, func(p engine.Progress) { told = append(told, p) })
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.arrives, b.got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("what arrived: %s", diff)
			}
			if diff := cmp.Diff(c.answers, got); diff != "" {
				t.Errorf("the answer: %s", diff)
			}
			if diff := cmp.Diff(b.tells, told); diff != "" {
				t.Errorf("the progress: %s", diff)
			}
		})
	}
}

func TestEachCallHandsErrorsOn(t *testing.T) {
	t.Parallel()
	cause := errors.New("port 80 is taken by nginx")
	for name, c := range contracts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range engine.Kinds() {
				b := &fake{err: engine.Hint(engine.Problem(kind, fmt.Errorf("start web: %w", cause)), "stop nginx")}
				if c.progress {
					b.tells = []engine.Progress{{ID: "Container web", Status: engine.Failed}}
				}
				told := 0
				_, err := c.ask(t.Context(), serve(t, b).Client, func(engine.Progress) { told++ })
				if err == nil || err.Error() != "start web: port 80 is taken by nginx" || engine.HintOf(err) != "stop nginx" {
					t.Fatalf("%v: %v, hint %q", kind, err, engine.HintOf(err))
				}
				for _, other := range engine.Kinds() {
					if got, want := errors.Is(err, other), errors.Is(kind, other); got != want {
						t.Errorf("%v: is %v: %v", kind, other, got)
					}
				}
				if told != len(b.tells) {
					t.Errorf("%d lines of progress", told)
				}
			}
		})
	}
}

func TestEachCallHandsExitCodesOn(t *testing.T) {
	t.Parallel()
	for name, c := range contracts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serve(t, &fake{err: fmt.Errorf("exec: %w", &engine.ExitError{Code: 127})})
			_, err := c.ask(t.Context(), r.Client, nil)
			var exit *engine.ExitError
			if !errors.As(err, &exit) || exit.Code != 127 || err.Error() != "exec: exit code 127" {
				t.Errorf("%v", err)
			}
		})
	}
}

// Each call ends with an error that says what to do when the engine goes away, whenever
// that is in its answer.
func TestEachCallNoticesTheEndOfTheEngine(t *testing.T) {
	t.Parallel()
	head := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for when, answer := range map[string]string{
		"before it":     "",
		"in the header": "HTTP/1.1 200",
		"in the body":   head,
		"in the middle": head + "10\r\n{\"Progress\":{\"ID\"",
	} {
		client := rawServer(t, func(conn net.Conn) {
			_, _ = http.ReadRequest(newReader(conn))
			_, _ = io.WriteString(conn, answer)
		})
		for name, c := range contracts() {
			_, err := c.ask(t.Context(), client, nil)
			if strings.HasPrefix(answer, head) && (name == "exec" || name == "attach") {
				continue // that is not how sessions are answered
			}
			if !errors.Is(err, engine.ErrUnavailable) || engine.HintOf(err) == "" || err.Error() != "the engine went away before it answered" {
				t.Errorf("%s, %s: %v", name, when, err)
			}
		}
	}
}

func TestASessionThatTheEngineLeaves(t *testing.T) {
	t.Parallel()
	client := rawServer(t, func(conn net.Conn) {
		_, _ = http.ReadRequest(newReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: tiffin-frames\r\n\r\n")
		_ = (&frameWriter{w: conn}).write(frame{kind: frameData, stream: 1, payload: []byte("hello")})
	})
	var out bytes.Buffer
	_, err := client.Exec(t.Context(), "c0ffee", &call.ExecRequest{}, call.Streams{Stdout: &out})
	if !errors.Is(err, engine.ErrUnavailable) || out.String() != "hello" {
		t.Errorf("%q, %v", &out, err)
	}
}

func TestEachCallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	client := rawServer(t, func(net.Conn) { <-hold })
	defer close(hold)
	why := errors.New("the user pressed ctrl-c")
	for name, c := range contracts() {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Millisecond, func() { cancel(why) })
		if _, err := c.ask(ctx, client, nil); !errors.Is(err, why) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoEngineListens(t *testing.T) {
	t.Parallel()
	client := NewClient(t.TempDir() + "/s")
	for name, c := range contracts() {
		_, err := c.ask(t.Context(), client, nil)
		if !errors.Is(err, engine.ErrUnavailable) || !strings.HasPrefix(err.Error(), "no engine listens at /") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheEngineNoticesTheEndOfTheClient(t *testing.T) {
	t.Parallel()
	began, ended := make(chan struct{}, 1), make(chan struct{})
	hang := func(ctx context.Context) error {
		began <- struct{}{}
		<-ctx.Done()
		close(ended)
		return context.Cause(ctx)
	}
	for name, c := range map[string]struct {
		b   *fake
		ask string
	}{
		"of a call with progress": {&fake{up: func(ctx context.Context, _ engine.Report) error { return hang(ctx) }}, "up"},
		"of a call without":       {&fake{wait: func(ctx context.Context) (int, error) { return 0, hang(ctx) }}, "wait"},
		"of logs":                 {&fake{logs: func(ctx context.Context, _ func(call.LogEntry) error) error { return hang(ctx) }}, "logs"},
		"of events":               {&fake{events: func(ctx context.Context, _ func(), _ func(engine.Event) error) error { return hang(ctx) }}, "events"},
		"of a session":            {&fake{exec: func(ctx context.Context, _ call.Streams) (int, error) { return 0, hang(ctx) }}, "exec"},
	} {
		r := serve(t, c.b)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan struct{})
		go func() {
			defer close(left)
			if _, err := contracts()[c.ask].ask(ctx, r.Client, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		}()
		within(t, name+": it begins", began)
		cancel()
		within(t, name+": the engine notices", ended)
		within(t, name+": the client ends", left)
		ended = make(chan struct{})
	}
}
