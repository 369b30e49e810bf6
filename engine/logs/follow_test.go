package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tiffin/engine/logs/frame"
)

// follower collects what it follows.
type follower struct {
	mu   sync.Mutex
	text bytes.Buffer
	grew chan struct{}
	done chan struct{}
	end  chan error
}

func follow(t *testing.T, dir string, q Query) *follower {
	t.Helper()
	f := &follower{grew: make(chan struct{}, 1), done: make(chan struct{}), end: make(chan error, 1)}
	q.Follow = true
	ctx := t.Context()
	go func() {
		f.end <- Read(ctx, dir, q, f.done, func(e Entry) error {
			f.mu.Lock()
			f.text.Write(e.Data)
			f.mu.Unlock()
			notify(f.grew)
			return nil
		})
	}()
	return f
}

func (f *follower) got() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text.String()
}

// await waits until everything wanted has come.
func (f *follower) await(t *testing.T, want string) {
	t.Helper()
	timeout := time.After(time.Minute)
	for f.got() != want {
		select {
		case <-f.grew:
		case e := <-f.end:
			t.Fatalf("ended (%v) with %q, want %q", e, f.got(), want)
		case <-timeout:
			t.Fatalf("got %q, want %q", f.got(), want)
		}
	}
}

// finish says that the container has ended, and waits for the follower.
func (f *follower) finish(t *testing.T) {
	t.Helper()
	close(f.done)
	if e := <-f.end; e != nil {
		t.Error(e)
	}
}

func TestFollowing(t *testing.T) {
	w := newWriter(t, 0, 2)
	w.print(out, "old\n", "last\n")
	q := everything()
	q.Tail = 1
	f := follow(t, w.dir, q)
	f.await(t, "last\n")
	w.print(out, "a\n")
	f.await(t, "last\na\n")
	w.rotate()
	w.print(errs, "b\n")
	f.await(t, "last\na\nb\n")
	w.print(out, "c") // and the end of the container, at once
	f.finish(t)
	if got := f.got(); got != "last\na\nb\nc" {
		t.Errorf("got %q", got)
	}
}

func TestFollowingBeginsBeforeTheFirstOutput(t *testing.T) {
	w := newWriter(t, 0, 2)
	w.check(os.Remove(fileName(w.dir, 0)))
	f := follow(t, w.dir, Query{Tail: 0, Stdout: true})
	g := follow(t, w.dir, everything())
	w.open()
	w.print(out, "a\n")
	g.await(t, "a\n")
	f.finish(t)
	g.finish(t)
}

func TestAFrameThatIsWrittenInPiecesIsReadOnce(t *testing.T) {
	w := newWriter(t, 0, 2)
	f := follow(t, w.dir, everything())
	whole := encode(nil, frame.Header{Length: 3, Time: 5, Stream: out}, []byte("ab\n"))
	for _, b := range whole {
		_, e := w.f.Write([]byte{b})
		w.check(e)
	}
	f.await(t, "ab\n")
	// The disk is full within a frame: the writer takes back what was written, and goes on later.
	_, e := w.f.Write(whole[:7])
	w.check(e)
	w.check(w.f.Truncate(int64(len(whole))))
	w.print(out, "next\n")
	f.await(t, "ab\nnext\n")
	f.finish(t)
}

func TestFollowingEndsAtATime(t *testing.T) {
	w := newWriter(t, 0, 2)
	w.clock = time.Now().Unix() - 10
	w.print(out, "a\n")
	q := everything()
	q.Until = time.Now().Add(50 * time.Millisecond)
	f := follow(t, w.dir, q)
	if e := <-f.end; e != nil || f.got() != "a\n" {
		t.Errorf("got %q, %v", f.got(), e)
	}
}

func TestFollowingIsCalledOff(t *testing.T) {
	w := newWriter(t, 0, 2)
	ctx, cancel := context.WithCancel(t.Context())
	q := everything()
	q.Follow = true
	end := make(chan error)
	go func() { end <- Read(ctx, w.dir, q, nil, func(Entry) error { return nil }) }()
	cancel()
	if e := <-end; !errors.Is(e, context.Canceled) {
		t.Errorf("got %v", e)
	}
	watching.mu.Lock()
	defer watching.mu.Unlock()
	if watching.inotify != nil || len(watching.dirs) > 0 {
		t.Error("the watch outlives its last follower")
	}
}

func TestAFollowerLosesNothingWhileFilesRotate(t *testing.T) {
	const lines = 20_000
	w := newWriter(t, 8<<10, 1000)
	var followers []*follower
	for range 3 {
		followers = append(followers, follow(t, w.dir, everything()))
	}
	var want strings.Builder
	for i := range lines {
		text := fmt.Sprintf("line %d\n", i)
		want.WriteString(text)
		w.print(out, text)
	}
	for i, f := range followers {
		f.finish(t)
		if got := f.got(); got != want.String() {
			t.Errorf("follower %d: %d bytes of %d", i, len(got), want.Len())
		}
	}
	// And a reader that comes while it goes on rotating sees every line once, up to some line.
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range lines {
			w.print(out, fmt.Sprintf("line %d\n", lines+i))
		}
	})
	for range 20 {
		next := 0
		e := Read(t.Context(), w.dir, everything(), nil, func(e Entry) error {
			if string(e.Data) != fmt.Sprintf("line %d\n", next) {
				return fmt.Errorf("%q instead of line %d", e.Data, next)
			}
			next++
			return nil
		})
		if e != nil || next < lines {
			t.Errorf("%d lines, %v", next, e)
		}
	}
	wg.Wait()
}

func TestAFollowerOfASingleFileGoesOnInTheNextOne(t *testing.T) {
	w := newWriter(t, 0, 1)
	f := follow(t, w.dir, everything())
	w.print(out, "a\n")
	f.await(t, "a\n")
	w.rotate()
	w.print(out, "b\n")
	f.await(t, "a\nb\n")
	f.finish(t)
}
