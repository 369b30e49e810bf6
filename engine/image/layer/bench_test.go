package layer

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkApply unpacks the file that LAYER names, or a small layer.
func BenchmarkApply(b *testing.B) {
	needRoot(b)
	blob := zip(b, pack(b, dir("d"), file("d/f", "x")))
	if name := os.Getenv("LAYER"); name != "" {
		var err error
		if blob, err = os.ReadFile(name); err != nil {
			b.Fatal(err)
		}
	}
	h := newHouse(b)
	for b.Loop() {
		r, err := Apply(b.Context(), Source{Blob: bytes.NewReader(blob), Size: int64(len(blob))}, h.target(), DefaultLimits())
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(r.Size)
		b.StopTimer()
		full := filepath.Join(h.base, "2/fs")
		if err := os.RemoveAll(full); err != nil {
			b.Fatal(err)
		}
		if err := os.Mkdir(full, 0o755); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
