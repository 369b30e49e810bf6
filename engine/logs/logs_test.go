package logs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tiffin/engine/logs/frame"
)

// writer writes a log as the keeper does.
type writer struct {
	tb      testing.TB
	dir     string
	f       *os.File
	size    int
	maxSize int
	files   int
	clock   int64
	buffer  []byte
}

func newWriter(tb testing.TB, maxSize, files int) *writer {
	tb.Helper()
	w := &writer{tb: tb, dir: tb.TempDir(), maxSize: maxSize, files: files, clock: 1000}
	w.open()
	tb.Cleanup(func() { _ = w.f.Close() })
	return w
}

func (w *writer) check(err error) {
	w.tb.Helper()
	if err != nil {
		w.tb.Fatal(err)
	}
}

func (w *writer) open() {
	var err error
	w.f, err = os.OpenFile(fileName(w.dir, 0), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	w.check(err)
	w.size = 0
}

// print writes frames of text, each a second after the one before.
func (w *writer) print(s frame.Stream, texts ...string) {
	for _, text := range texts {
		w.clock++
		w.write(frame.Header{Length: len(text), Time: w.clock * int64(time.Second), Stream: s}, []byte(text))
	}
}

func (w *writer) write(h frame.Header, payload []byte) {
	if w.maxSize > 0 && w.size > 0 && w.size+h.Size() > w.maxSize {
		w.rotate()
	}
	w.buffer = encode(w.buffer[:0], h, payload)
	n, err := w.f.Write(w.buffer)
	w.check(err)
	w.size += n
}

func encode(b []byte, h frame.Header, payload []byte) []byte {
	b = append(b, make([]byte, frame.HeaderSize)...)
	frame.PutHeader(b[len(b)-frame.HeaderSize:], h)
	b = append(b, payload...)
	b = append(b, make([]byte, frame.TrailerSize)...)
	frame.PutTrailer(b[len(b)-frame.TrailerSize:], h.Length)
	return b
}

func (w *writer) rotate() {
	if w.files == 1 {
		w.check(os.Remove(fileName(w.dir, 0)))
	}
	for i := w.files - 1; i > 0; i-- {
		if err := os.Rename(fileName(w.dir, i-1), fileName(w.dir, i)); !errors.Is(err, fs.ErrNotExist) {
			w.check(err)
		}
	}
	w.check(w.f.Close())
	w.open()
}

// everything is a query for all of a log.
func everything() Query { return Query{Tail: -1, Stdout: true, Stderr: true} }

// read returns what a query finds, one entry a line: "out: text".
func read(tb testing.TB, dir string, q Query) string {
	tb.Helper()
	var b strings.Builder
	err := Read(tb.Context(), dir, q, nil, func(e Entry) error {
		fmt.Fprintf(&b, "%d: %q\n", e.Stream, e.Data)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func wantRead(t *testing.T, dir string, q Query, want ...string) {
	t.Helper()
	var lines strings.Builder
	for _, line := range want {
		fmt.Fprintln(&lines, line)
	}
	if diff := cmp.Diff(lines.String(), read(t, dir, q)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

const (
	out  = frame.Stdout
	errs = frame.Stderr
)

func TestReading(t *testing.T) {
	w := newWriter(t, 0, 3)
	w.print(out, "one\ntwo\nthr")
	w.print(errs, "bad\n")
	w.print(out, "ee\n")
	w.rotate()
	w.print(errs, "wor", "se\n")
	w.print(out, "fou")

	at := func(second int64) time.Time { return time.Unix(second, 0) }
	with := func(change func(*Query)) Query {
		q := everything()
		change(&q)
		return q
	}
	tail := func(n int) Query { return with(func(q *Query) { q.Tail = n }) }
	all := []string{`1: "one\ntwo\nthr"`, `2: "bad\n"`, `1: "ee\n"`, `2: "wor"`, `2: "se\n"`, `1: "fou"`}
	cases := map[string]struct {
		query Query
		want  []string
	}{
		"all":                                {everything(), all},
		"no stream":                          {Query{Tail: -1}, nil},
		"standard output only":               {with(func(q *Query) { q.Stderr = false }), []string{all[0], all[2], all[5]}},
		"standard error only":                {with(func(q *Query) { q.Stdout = false }), []string{all[1], all[3], all[4]}},
		"no lines":                           {tail(0), nil},
		"the line that has not ended counts": {tail(1), all[5:]},
		"a line over several entries":        {tail(2), all[3:]},
		"a line that was begun before another stream's": {tail(3), append([]string{`1: "thr"`}, all[2:]...)},
		"a line in the middle of an entry":              {tail(5), append([]string{`1: "two\nthr"`}, all[1:]...)},
		"as many lines as there are":                    {tail(6), all},
		"more lines than there are":                     {tail(99), all},
		"the last line of one stream":                   {with(func(q *Query) { q.Tail, q.Stdout = 1, false }), all[3:5]},
		"since a time":                                  {with(func(q *Query) { q.Since = at(1004) }), all[3:]},
		"since a time between two":                      {with(func(q *Query) { q.Since = time.Unix(1002, 5) }), all[2:]},
		"since the future":                              {with(func(q *Query) { q.Since = at(5000) }), nil},
		"since the past":                                {with(func(q *Query) { q.Since = at(5) }), all},
		"until a time":                                  {with(func(q *Query) { q.Until = at(1002) }), all[:2]},
		"from one time to another":                      {with(func(q *Query) { q.Since, q.Until = at(1002), at(1004) }), all[1:4]},
		"lines until a time":                            {with(func(q *Query) { q.Tail, q.Until = 1, at(1002) }), all[1:2]},
		"lines since a time":                            {with(func(q *Query) { q.Tail, q.Since = 2, at(1006) }), all[5:]},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { wantRead(t, w.dir, c.query, c.want...) })
	}
}

func TestTimesAreThoseOfTheFrames(t *testing.T) {
	w := newWriter(t, 0, 3)
	w.print(out, "x\n")
	found := false
	readErr := Read(t.Context(), w.dir, everything(), nil, func(e Entry) error {
		found = e.Time.Equal(time.Unix(1001, 0))
		return nil
	})
	if !found || readErr != nil {
		t.Error(readErr)
	}
}

func TestAFolderWithoutLogs(t *testing.T) {
	wantRead(t, t.TempDir(), everything())
	wantRead(t, filepath.Join(t.TempDir(), "none"), Query{Tail: 5, Stdout: true})
	q := everything()
	q.Follow = true
	if e := Read(t.Context(), filepath.Join(t.TempDir(), "none"), q, nil, nil); !errors.Is(e, fs.ErrNotExist) {
		t.Errorf("following what is not there: %v", e)
	}
}

func TestLostOutputIsTold(t *testing.T) {
	w := newWriter(t, 0, 3)
	var missing [frame.LostPayloadSize]byte
	frame.PutLost(missing[:], 4096)
	w.print(out, "a\n")
	w.write(frame.Header{Length: len(missing), Stream: errs, Flags: frame.Lost, Time: 2e12}, missing[:])
	marker := `2: "[tiffin: 4096 bytes of output are missing here: the disk did not take them]\n"`
	wantRead(t, w.dir, everything(), `1: "a\n"`, marker)
	wantRead(t, w.dir, Query{Tail: 1, Stdout: true, Stderr: true}, marker)
}

func TestATornEndIsLeftOut(t *testing.T) {
	whole := encode(nil, frame.Header{Length: 4, Time: 5, Stream: out}, []byte("xyz\n"))
	for cut := 1; cut < len(whole); cut++ {
		w := newWriter(t, 0, 3)
		w.print(out, "a\n", "b\n")
		_, e := w.f.Write(whole[:cut])
		w.check(e)
		wantRead(t, w.dir, everything(), `1: "a\n"`, `1: "b\n"`)
		wantRead(t, w.dir, Query{Tail: 1, Stdout: true}, `1: "b\n"`)

		w.rotate()
		w.print(out, "c\n")
		wantRead(t, w.dir, everything(), `1: "a\n"`, `1: "b\n"`, `1: "c\n"`)
		wantRead(t, w.dir, Query{Tail: 2, Stdout: true}, `1: "b\n"`, `1: "c\n"`)
	}
}

func TestWhatLooksLikeAFrameIsOutput(t *testing.T) {
	fake := string(encode(nil, frame.Header{Length: 5, Time: 5, Stream: errs}, []byte("fake\n")))
	w := newWriter(t, 0, 3)
	w.print(out, fake+"\n", "end\n")
	wantRead(t, w.dir, everything(), fmt.Sprintf("1: %q", fake+"\n"), `1: "end\n"`)
	wantRead(t, w.dir, Query{Tail: 1, Stdout: true, Stderr: true}, `1: "end\n"`)
}

func TestTheBeginningOfALineIsNotSearchedForEver(t *testing.T) {
	w := newWriter(t, 0, 3)
	chunk := strings.Repeat("x", frame.MaxPayload)
	for range 64 {
		w.print(out, chunk)
	}
	w.print(out, "\n")
	n := 0
	e := Read(t.Context(), w.dir, Query{Tail: 1, Stdout: true}, nil, func(e Entry) error {
		n += len(e.Data)
		return nil
	})
	if e != nil || n < maxLookBack || n > maxLookBack+2*len(chunk) {
		t.Errorf("%d bytes, %v", n, e)
	}
}

func TestTheReceiverEndsTheReading(t *testing.T) {
	w := newWriter(t, 0, 3)
	w.print(out, "a\n", "b\n")
	enough := errors.New("enough")
	n := 0
	if e := Read(t.Context(), w.dir, everything(), nil, func(Entry) error { n++; return enough }); !errors.Is(e, enough) || n != 1 {
		t.Errorf("%d entries, %v", n, e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if e := Read(ctx, w.dir, everything(), nil, func(Entry) error { return nil }); !errors.Is(e, context.Canceled) {
		t.Errorf("got %v", e)
	}
}

// line is one line of a model log.
type line struct {
	stream frame.Stream
	text   string
	end    int // the frame in which it ends
}

// TestTail compares the last lines with those of a model that knows where each line ends.
func TestTail(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWriter(t, rapid.IntRange(0, 200).Draw(rt, "maxSize"), 50)
		chunks := rapid.SliceOfN(rapid.StringOfN(rapid.SampledFrom([]rune("ab\n")), 1, 12, -1), 0, 30).Draw(rt, "chunks")
		var lines []line
		open := map[frame.Stream]*line{}
		for i, chunk := range chunks {
			s := rapid.SampledFrom([]frame.Stream{out, errs}).Draw(rt, "stream")
			w.print(s, chunk)
			for _, r := range chunk {
				if open[s] == nil {
					open[s] = &line{stream: s}
				}
				open[s].text += string(r)
				open[s].end = i
				if r == '\n' {
					lines = append(lines, *open[s])
					delete(open, s)
				}
			}
		}
		rest := make([]line, 0, 2)
		for _, l := range open {
			rest = append(rest, *l)
		}
		lines = insert(lines, rest)

		n := rapid.IntRange(0, len(lines)+1).Draw(rt, "n")
		want, got := map[frame.Stream]string{}, map[frame.Stream]string{}
		for _, l := range lines[max(0, len(lines)-n):] {
			want[l.stream] += l.text
		}
		e := Read(t.Context(), w.dir, Query{Tail: n, Stdout: true, Stderr: true}, nil, func(e Entry) error {
			got[e.Stream] += string(e.Data)
			return nil
		})
		if diff := cmp.Diff(want, got); diff != "" || e != nil {
			rt.Errorf("%v, -want +got:\n%s", e, diff)
		}
	})
}

// insert puts the lines that have not ended where their last piece is.
func insert(lines, rest []line) []line {
	for _, l := range rest {
		i := len(lines)
		for i > 0 && lines[i-1].end > l.end {
			i--
		}
		lines = append(lines[:i:i], append([]line{l}, lines[i:]...)...)
	}
	return lines
}

func FuzzRead(f *testing.F) {
	whole := encode(encode(nil, frame.Header{Length: 2, Time: 5, Stream: out}, []byte("a\n")), frame.Header{Length: 1, Time: 6, Stream: errs}, []byte("b"))
	f.Add(whole, whole, 1, int64(0))
	f.Add(whole[:30], whole[3:], 2, int64(6))
	f.Fuzz(func(t *testing.T, older, newer []byte, tail int, since int64) {
		dir := t.TempDir()
		for name, content := range map[string][]byte{"log.1": older, "log": newer} {
			if e := os.WriteFile(filepath.Join(dir, name), content, 0o600); e != nil {
				t.Fatal(e)
			}
		}
		q := Query{Tail: tail, Since: time.Unix(0, since), Stdout: true, Stderr: true}
		total := 0
		e := Read(t.Context(), dir, q, nil, func(e Entry) error {
			total += len(e.Data)
			return nil
		})
		if e != nil || total > len(older)+len(newer)+1000 {
			t.Errorf("%d bytes, %v", total, e)
		}
	})
}

// What is opened by number while files are renamed, and what of it is the order of the files, the newest first.
func TestFilesThatAreRenamedWhileTheyAreOpenedComeOnce(t *testing.T) {
	for name, c := range map[string]struct{ met, want string }{
		"nothing is renamed":                      {"abc", "abc"},
		"once":                                    {"aabc", "abc"},
		"twice at once: b is newer than a":        {"abac", "ac"},
		"twice later: c is met again":             {"abcbcd", "abcd"},
		"three times: two are newer than a":       {"axyab", "ab"},
		"again and again":                         {"aababcc", "abc"},
		"twice behind the newest, which is a's b": {"abcabcd", "abcd"},
	} {
		var list []rune
		for _, f := range c.met {
			if kept, again := upTo(list, f, func(a, b rune) bool { return a == b }); again {
				list = list[:kept]
			} else {
				list = append(list, f)
			}
		}
		if string(list) != c.want {
			t.Errorf("%s: got %s, want %s", name, string(list), c.want)
		}
	}
}
