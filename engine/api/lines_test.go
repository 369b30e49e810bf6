package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/call"
)

func testLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// stuck is a connection of a client that asks and then does not read.
func (r *rig) stuck(name string, req any) net.Conn {
	r.t.Helper()
	body, err := json.Marshal(req)
	if err != nil {
		r.t.Fatal(err)
	}
	conn, err := net.Dial("unix", r.socket)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprintf(conn, "POST %s%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", prefix, name, len(body), body); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

func TestAClientThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	const pieces = 200_000
	finished := make(chan struct{})
	r := serve(t, &fake{up: func(_ context.Context, report engine.Report) error {
		defer close(finished)
		for i := range pieces {
			report(engine.Progress{ID: "Image nginx", ParentID: fmt.Sprint(i % 10), Status: engine.Working, Text: "Downloading", Current: int64(i)})
		}
		return nil
	}})
	conn := r.stuck("up", call.UpRequest{})
	within(t, "the engine goes on", finished)
	// What the client reads in the end is the last of each.
	resp, err := http.ReadResponse(newReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	last := map[string]int64{}
	lines := 0
	err = readLines(resp.Body, nil, func(ln line) error {
		lines++
		last[ln.Progress.ParentID] = ln.Progress.Current
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if lines > pieces/10 {
		t.Errorf("%d lines were kept", lines)
	}
	for i := range 10 {
		if got := last[fmt.Sprint(i)]; got != int64(pieces-10+i) {
			t.Errorf("layer %d ended at %d", i, got)
		}
	}
}

func TestNewerProgressTakesThePlaceOfOlder(t *testing.T) {
	t.Parallel()
	r := &reporter{wake: make(chan struct{}, 1), last: map[work]int{}}
	for _, p := range []engine.Progress{
		{ID: "a", Text: "Pulling", Status: engine.Working, Current: 1},
		{Text: "mind the gap", Status: engine.Warning},
		{ID: "a", Text: "Pulling", Status: engine.Working, Current: 2},
		{ID: "b", Text: "Pulling", Status: engine.Working, Current: 1},
		{ID: "a", ParentID: "b", Text: "Pulling", Status: engine.Working, Current: 1},
		{ID: "a", Text: "Pulled", Status: engine.Done},
		{ID: "a", Text: "Pulling", Status: engine.Working, Current: 3},
		{Text: "mind the gap", Status: engine.Warning},
	} {
		r.report(p)
	}
	var got []string
	for _, ln := range r.take() {
		got = append(got, fmt.Sprintf("%s%s %s %d", ln.Progress.ParentID, ln.Progress.ID, ln.Progress.Text, ln.Progress.Current))
	}
	want := []string{"a Pulling 2", " mind the gap 0", "b Pulling 1", "ba Pulling 1", "a Pulled 0", "a Pulling 3", " mind the gap 0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if rest := r.take(); len(rest) > 0 {
		t.Errorf("%v are left", rest)
	}
}

func TestProgressComesAtOnce(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	r := serve(t, &fake{up: func(_ context.Context, report engine.Report) error {
		for i := range 10 {
			report(engine.Progress{ID: fmt.Sprint(i)})
			<-next // until the client has seen it
		}
		return nil
	}})
	if err := r.Up(t.Context(), &call.UpRequest{}, func(engine.Progress) { next <- struct{}{} }); err != nil {
		t.Error(err)
	}
}

func TestProgressFromManyAtOnce(t *testing.T) {
	t.Parallel()
	r := serve(t, &fake{up: func(_ context.Context, report engine.Report) error {
		done := make(chan struct{})
		for i := range 50 {
			go func() {
				for j := range 20 {
					report(engine.Progress{ID: fmt.Sprint(i), Text: fmt.Sprint(j)})
				}
				done <- struct{}{}
			}()
		}
		for range 50 {
			<-done
		}
		return nil
	}})
	last := map[string]string{}
	count := 0
	err := r.Up(t.Context(), &call.UpRequest{}, func(p engine.Progress) { last[p.ID] = p.Text; count++ })
	if err != nil || count != 1000 || len(last) != 50 {
		t.Errorf("%d lines about %d, %v", count, len(last), err)
	}
	for id, text := range last {
		if text != "19" {
			t.Errorf("%s ended with %s", id, text)
		}
	}
}

func TestUploads(t *testing.T) {
	t.Parallel()
	const size = 20 << 20
	t.Run("progress comes while the body is read", func(t *testing.T) {
		t.Parallel()
		b := &fake{load: func(archive io.Reader, report engine.Report) ([]string, error) {
			total := 0
			buf := make([]byte, 64<<10)
			for {
				n, err := archive.Read(buf)
				for i := range n {
					if buf[i] != byte((total+i)%251) {
						return nil, fmt.Errorf("byte %d is wrong", total+i)
					}
				}
				total += n
				report(engine.Progress{Current: int64(total)})
				if errors.Is(err, io.EOF) {
					return []string{fmt.Sprint(total)}, nil
				}
				if err != nil {
					return nil, err
				}
			}
		}}
		r := serve(t, b)
		for _, close := range []bool{true, false} { // a server may drop what is unread where it keeps connections
			r.Client.http.Transport.(*http.Transport).DisableKeepAlives = close
			names, err := r.LoadImages(t.Context(), &pattern{left: size}, func(engine.Progress) {})
			if err != nil || names[0] != fmt.Sprint(size) {
				t.Errorf("%v, %v", names, err)
			}
		}
	})
	t.Run("a refusal arrives although the body does not", func(t *testing.T) {
		t.Parallel()
		b := &fake{load: func(archive io.Reader, _ engine.Report) ([]string, error) {
			_, err := io.CopyN(io.Discard, archive, 1000)
			return nil, errors.Join(engine.Problem(engine.ErrInvalid, errors.New("not an archive")), err)
		}}
		_, err := serve(t, b).LoadImages(t.Context(), &pattern{left: 10 * size}, nil)
		if !errors.Is(err, engine.ErrInvalid) || err.Error() != "not an archive" {
			t.Errorf("%v", err)
		}
	})
	t.Run("a client that goes away ends the reading", func(t *testing.T) {
		t.Parallel()
		ended := make(chan struct{})
		b := &fake{load: func(archive io.Reader, _ engine.Report) ([]string, error) {
			defer close(ended)
			_, err := io.Copy(io.Discard, archive)
			if err == nil {
				t.Error("half an archive looks whole")
			}
			return nil, err
		}}
		ctx, cancel := context.WithCancel(t.Context())
		source, sink := io.Pipe()
		go func() {
			_, _ = sink.Write(make([]byte, 1<<20))
			cancel()
		}()
		if _, err := serve(t, b).LoadImages(ctx, source, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		within(t, "the reading ends", ended)
		_ = source.Close()
	})
}

// pattern is a body that can be checked.
type pattern struct{ at, left int }

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := min(len(b), p.left)
	for i := range n {
		b[i] = byte((p.at + i) % 251)
	}
	p.at, p.left = p.at+n, p.left-n
	return n, nil
}

func TestSave(t *testing.T) {
	t.Parallel()
	b := &fake{save: func(w io.Writer) error {
		_, err := io.Copy(w, &pattern{left: 5 << 20})
		return errors.Join(err, engine.Problem(engine.ErrNotFound, errors.New("layer 3 is gone")))
	}}
	var total int
	err := serve(t, b).SaveImages(t.Context(), nil, writerFunc(func(p []byte) (int, error) {
		total += len(p)
		return len(p), nil
	}))
	if !errors.Is(err, engine.ErrNotFound) || total != 5<<20 {
		t.Errorf("%d bytes, %v", total, err)
	}
	full := errors.New("no space left on device")
	b = &fake{save: func(w io.Writer) error {
		_, err := io.Copy(w, &pattern{left: 50 << 20})
		return err
	}}
	err = serve(t, b).SaveImages(t.Context(), nil, writerFunc(func([]byte) (int, error) { return 0, full }))
	if !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestEventsComeAtOnceAndEndWithTheReceiver(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	ended := make(chan struct{})
	next := make(chan struct{})
	r := serve(t, &fake{events: func(ctx context.Context, subscribed func(), emit func(engine.Event) error) error {
		defer close(ended)
		subscribed()
		for {
			select {
			case <-next:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if err := emit(engine.Event{Action: "start", Time: time.Unix(1, 1)}); err != nil {
				return err
			}
		}
	}})
	count := 0
	err := r.Events(t.Context(), time.Time{}, time.Time{}, func() { next <- struct{}{} }, func(engine.Event) error {
		if count++; count == 10 {
			return enough
		}
		next <- struct{}{}
		return nil
	})
	if !errors.Is(err, enough) || count != 10 {
		t.Errorf("%d, %v", count, err)
	}
	within(t, "the engine notices", ended)
}

func FuzzReadLines(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "{}\n{}\n", `{"Result":null}`, `{"Result":{"ID":"x"}}`, `{"Error":{"Message":"m","Kind":"conflict","Hint":"h","ExitCode":3}}`,
		`{"Progress":{"ID":"x"}}` + "\n" + `{"Result":{}}`, `{"Progress":`, "[]", `{"Event":{"Time":"x"}}`, strings.Repeat("[", 20000),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var result createdAnswer
		lines := 0
		err := readLines(strings.NewReader(text), &result, func(ln line) error {
			lines++
			if ln.Result != nil || ln.Error != nil {
				t.Error("the last line is no line like others")
			}
			return nil
		})
		if lines > strings.Count(text, "{") {
			t.Errorf("%d lines in %q", lines, text)
		}
		if err == nil && !strings.Contains(text, "esult") && !strings.Contains(strings.ToLower(text), "result") {
			t.Errorf("%q is a success", text)
		}
	})
}
