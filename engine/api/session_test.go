package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/call"
)

// exec runs a session whose process is what the engine does.
func exec(t *testing.T, process func(ctx context.Context, s call.Streams) (int, error), s call.Streams) (int, error) {
	t.Helper()
	return serve(t, &fake{exec: process}).Exec(t.Context(), "c0ffee", &call.ExecRequest{}, s)
}

func TestASessionIsLikeAProcess(t *testing.T) {
	t.Parallel()
	var out, err strings.Builder
	code, failed := exec(t, func(_ context.Context, s call.Streams) (int, error) {
		text, err := io.ReadAll(s.Stdin)
		if err != nil {
			return 0, err
		}
		_, err = s.Stdout.Write(bytes.ToUpper(text))
		_, err2 := s.Stderr.Write([]byte("done"))
		return 42, errors.Join(err, err2)
	}, call.Streams{Stdin: strings.NewReader("hello"), Stdout: &out, Stderr: &err})
	if failed != nil || code != 42 || out.String() != "HELLO" || err.String() != "done" {
		t.Errorf("%d, %v, %q, %q", code, failed, &out, &err)
	}
}

func TestInputIsTheEndOfInput(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"nothing": "", "a byte": "x", "a frame": strings.Repeat("x", maxInput), "the window": strings.Repeat("x", inputWindow*maxInput)} {
		_, err := exec(t, func(_ context.Context, s call.Streams) (int, error) {
			got, err := io.ReadAll(s.Stdin)
			if string(got) != text {
				t.Errorf("%s: %d bytes", name, len(got))
			}
			if n, again := s.Stdin.Read(make([]byte, 1)); n != 0 || !errors.Is(again, io.EOF) {
				t.Errorf("%s: after the end %d, %v", name, n, again)
			}
			return 0, err
		}, call.Streams{Stdin: strings.NewReader(text)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMuchGoesBothWaysAtOnce(t *testing.T) {
	t.Parallel()
	const size = 32 << 20
	sent, got := sha256.New(), sha256.New()
	n := int64(0)
	_, err := exec(t, func(_ context.Context, s call.Streams) (int, error) {
		_, err := io.Copy(s.Stdout, s.Stdin) // like cat
		return 0, err
	}, call.Streams{
		Stdin: io.TeeReader(&pattern{left: size}, sent),
		Stdout: writerFunc(func(p []byte) (int, error) {
			n += int64(len(p))
			return got.Write(p)
		}),
	})
	if err != nil || n != size || !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
		t.Errorf("%d of %d bytes came back, %v", n, size, err)
	}
}

func TestBothOutputsAtOnce(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer
	_, failed := exec(t, func(_ context.Context, s call.Streams) (int, error) {
		done := make(chan error)
		for _, w := range []io.Writer{s.Stdout, s.Stderr} {
			go func() {
				_, err := io.Copy(w, &pattern{left: 4 << 20})
				done <- err
			}()
		}
		return 0, errors.Join(<-done, <-done)
	}, call.Streams{Stdout: &out, Stderr: &err})
	var want bytes.Buffer
	_, _ = io.Copy(&want, &pattern{left: 4 << 20})
	if failed != nil || !bytes.Equal(out.Bytes(), want.Bytes()) || !bytes.Equal(err.Bytes(), want.Bytes()) {
		t.Errorf("%d and %d bytes, %v", out.Len(), err.Len(), failed)
	}
}

// A process that does not read its input, as sleep does, must still get signals.
func TestSignalsPassInputThatNobodyReads(t *testing.T) {
	t.Parallel()
	signals := make(chan string)
	go func() { signals <- "SIGINT" }()
	code, err := exec(t, func(_ context.Context, s call.Streams) (int, error) {
		if got := <-s.Signals; got != "SIGINT" {
			t.Errorf("signal %q", got)
		}
		return 130, nil
	}, call.Streams{Stdin: &pattern{left: 1 << 40}, Signals: signals})
	if code != 130 || err != nil {
		t.Errorf("%d, %v", code, err)
	}
}

// And the engine must notice when its client goes away.
func TestAClientIsMissedAlthoughNobodyReadsItsInput(t *testing.T) {
	t.Parallel()
	began, ended := make(chan struct{}, 1), make(chan struct{})
	r := serve(t, &fake{exec: func(ctx context.Context, s call.Streams) (int, error) {
		began <- struct{}{}
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), errClientGone) {
			t.Errorf("%v", context.Cause(ctx))
		}
		n, err := io.Copy(io.Discard, s.Stdin)
		if n == 0 || !errors.Is(err, errClientGone) {
			t.Errorf("%d bytes of input, %v", n, err)
		}
		close(ended)
		return 0, context.Cause(ctx)
	}})
	ctx, cancel := context.WithCancel(t.Context())
	source, sink := io.Pipe()
	go func() {
		for range 2 { // the client reads on when it has sent the first
			_, _ = sink.Write(make([]byte, 1000))
		}
		within(t, "it begins", began)
		cancel()
	}()
	if _, err := r.Exec(ctx, "c0ffee", &call.ExecRequest{}, call.Streams{Stdin: source}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	within(t, "the engine notices", ended)
	_ = source.Close()
}

func TestSizesOfTheTerminal(t *testing.T) {
	t.Parallel()
	sizes := make(chan [2]uint, 100)
	for i := range uint(100) {
		sizes <- [2]uint{i, 80}
	}
	_, err := exec(t, func(_ context.Context, s call.Streams) (int, error) {
		time.Sleep(50 * time.Millisecond) // a process that is slow to look
		for size := range s.Resize {
			if size == [2]uint{99, 80} { // the last one always comes
				return 0, nil
			}
		}
		return 1, nil
	}, call.Streams{Resize: sizes})
	if err != nil {
		t.Error(err)
	}
}

func TestADetachedSession(t *testing.T) {
	t.Parallel()
	r := serve(t, &fake{exec: func(context.Context, call.Streams) (int, error) { return 0, engine.ErrDetached }})
	if _, err := r.Attach(t.Context(), &call.AttachRequest{}, call.Streams{}); !errors.Is(err, engine.ErrDetached) {
		t.Errorf("%v", err)
	}
}

func TestAClientWithoutOutputs(t *testing.T) {
	t.Parallel()
	code, err := exec(t, func(_ context.Context, s call.Streams) (int, error) {
		_, err := io.WriteString(s.Stdout, "x")
		return 7, err
	}, call.Streams{})
	if code != 7 || err != nil {
		t.Errorf("%d, %v", code, err)
	}
}

func TestAClientWhoseOutputIsClosed(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken pipe")
	ended := make(chan struct{})
	r := serve(t, &fake{exec: func(_ context.Context, s call.Streams) (int, error) {
		defer close(ended)
		for {
			if _, err := io.WriteString(s.Stdout, "yes\n"); err != nil {
				return 0, err
			}
		}
	}})
	_, err := r.Exec(t.Context(), "c0ffee", &call.ExecRequest{}, call.Streams{Stdout: writerFunc(func([]byte) (int, error) { return 0, broken })})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	within(t, "the process is told", ended)
}

func TestASessionThatDoesNotReadHoldsNoOtherUp(t *testing.T) {
	t.Parallel()
	began, ended := make(chan struct{}, 1), make(chan struct{})
	r := serve(t, &fake{exec: func(context.Context, call.Streams) (int, error) { return 0, nil }})
	flooding := &fake{exec: func(_ context.Context, s call.Streams) (int, error) {
		defer close(ended)
		began <- struct{}{}
		_, err := io.Copy(s.Stdout, &pattern{left: 1 << 40})
		return 0, err
	}}
	stuck := serve(t, flooding)
	stuck.stuck("exec", execRequest{ID: "c0ffee"})
	within(t, "it begins", began)
	if _, err := stuck.Info(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := r.Exec(t.Context(), "c0ffee", &call.ExecRequest{}, call.Streams{}); err != nil {
		t.Error(err)
	}
	stuck.stop() // and not even the end of the engine
	within(t, "it ends", ended)
}

func TestASessionThatSendsMoreThanItMay(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	r := serve(t, &fake{exec: func(ctx context.Context, _ call.Streams) (int, error) {
		<-ctx.Done()
		close(ended)
		return 0, nil
	}})
	conn := r.stuck("exec", execRequest{ID: "c0ffee"})
	fw := &frameWriter{w: conn}
	for range inputWindow + 1 {
		_ = fw.write(frame{kind: frameInput, payload: []byte("x")})
	}
	within(t, "it is cut off", ended)
}

func TestInputAfterTheEndOfTheCallEndsItsReader(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	_, err := exec(t, func(_ context.Context, s call.Streams) (int, error) {
		go func() {
			_, err := io.Copy(io.Discard, s.Stdin)
			ended <- err
		}()
		return 0, nil
	}, call.Streams{})
	if err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the end of the call looks like the end of the input")
		}
	case <-time.After(10 * time.Second):
		t.Error("it reads for ever")
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	web, db := &call.LogSource{ID: "1", Name: "web", Number: 1}, &call.LogSource{ID: "2", Name: "db", TTY: true}
	again := *web // the same container, as another reader of its log knows it
	at := time.Unix(5, 6).UTC()
	entries := []call.LogEntry{
		{Source: web, Time: at, Stream: call.Stdout, Data: []byte("hello\n")},
		{Source: db, Time: at, Stream: call.Stderr, Data: []byte{0, 255}},
		{Source: web, Time: at, Exit: &call.LogExit{Code: 3, Restarting: true}},
		{Source: &again, Time: at, Stream: call.Stdout, Data: []byte("again\n")},
		{Source: web, Stream: call.Stdout, Data: []byte("at no time\n")},
	}
	gone := engine.Problem(engine.ErrNotFound, errors.New("the log is gone"))
	r := serve(t, &fake{logs: func(_ context.Context, emit func(call.LogEntry) error) error {
		for _, e := range entries {
			if err := emit(e); err != nil {
				return err
			}
		}
		return gone
	}})
	var got []call.LogEntry
	sources := map[*call.LogSource]bool{}
	err := r.Logs(t.Context(), &call.LogRequest{}, func(e call.LogEntry) error {
		sources[e.Source] = true
		e.Data = bytes.Clone(e.Data)
		got = append(got, e)
		return nil
	})
	if !errors.Is(err, engine.ErrNotFound) || err.Error() != "the log is gone" {
		t.Errorf("%v", err)
	}
	times := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
	empty := cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })
	if diff := cmp.Diff(entries, got, times, empty); diff != "" {
		t.Error(diff)
	}
	if len(sources) != 2 {
		t.Errorf("%d sources", len(sources))
	}
}

func TestFollowedLogsComeAtOnceAndEndWithTheReceiver(t *testing.T) {
	t.Parallel()
	next, ended := make(chan struct{}, 1), make(chan struct{})
	r := serve(t, &fake{logs: func(ctx context.Context, emit func(call.LogEntry) error) error {
		defer close(ended)
		for {
			if err := emit(call.LogEntry{Source: &call.LogSource{}, Data: []byte("x"), Stream: call.Stdout}); err != nil {
				return err
			}
			select {
			case <-next:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}})
	enough := errors.New("enough")
	count := 0
	err := r.Logs(t.Context(), &call.LogRequest{Follow: true}, func(call.LogEntry) error {
		if count++; count == 10 {
			return enough
		}
		next <- struct{}{}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	within(t, "the engine notices", ended)
}

func TestLogsOfAnEngineThatBabbles(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]frame{
		"data of nobody":        {kind: frameData, source: 9, payload: []byte("x")},
		"a source that is none": {kind: frameSource, source: 1, payload: []byte("x")},
		"an end that is none":   {kind: frameExited, source: 0, payload: []byte("x")},
	} {
		r := logReader{sources: map[uint16]*call.LogSource{0: {}}, emit: func(call.LogEntry) error { return nil }}
		if err := r.take(f); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
