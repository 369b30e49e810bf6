package logs

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tiffin/engine/logs/frame"
)

// bigLog is a million lines of 100 bytes, so many to a frame.
func bigLog(b *testing.B, perFrame int) string {
	b.Helper()
	dir := b.TempDir()
	f, e := os.Create(fileName(dir, 0))
	if e != nil {
		b.Fatal(e)
	}
	payload := []byte(strings.Repeat(strings.Repeat("x", 99)+"\n", perFrame))
	var buffer []byte
	for i := 0; i < 1_000_000; i += perFrame {
		buffer = encode(buffer, frame.Header{Length: len(payload), Time: int64(i) * int64(time.Millisecond), Stream: out}, payload)
		if len(buffer) > 1<<20 || i+perFrame >= 1_000_000 {
			if _, e := f.Write(buffer); e != nil {
				b.Fatal(e)
			}
			buffer = buffer[:0]
		}
	}
	if e := f.Close(); e != nil {
		b.Fatal(e)
	}
	return dir
}

func BenchmarkRead(b *testing.B) {
	for _, perFrame := range []int{1, 100} {
		dir := bigLog(b, perFrame)
		queries := map[string]Query{
			"all": everything(), "tail=1000": {Tail: 1000, Stdout: true}, "tail=500000": {Tail: 500_000, Stdout: true},
			"since=half": {Tail: -1, Stdout: true, Since: time.Unix(500, 0)},
		}
		for name, q := range queries {
			b.Run(fmt.Sprintf("lines=%d/%s", perFrame, name), func(b *testing.B) {
				for b.Loop() {
					n := 0
					if e := Read(b.Context(), dir, q, nil, func(e Entry) error { n += len(e.Data); return nil }); e != nil || n == 0 {
						b.Fatal(n, e)
					}
				}
			})
		}
	}
}

// BenchmarkFollow measures what writing a frame costs with so many followers.
func BenchmarkFollow(b *testing.B) {
	for _, followers := range []int{0, 1, 10} {
		b.Run(fmt.Sprint(followers), func(b *testing.B) {
			w := newWriter(b, 0, 2)
			end := make(chan error)
			done := make(chan struct{})
			for range followers {
				q := everything()
				q.Follow = true
				go func() { end <- Read(b.Context(), w.dir, q, done, func(Entry) error { return nil }) }()
			}
			text := strings.Repeat("x", 99) + "\n"
			for b.Loop() {
				w.print(out, text)
			}
			close(done)
			for range followers {
				if e := <-end; e != nil {
					b.Error(e)
				}
			}
		})
	}
}
