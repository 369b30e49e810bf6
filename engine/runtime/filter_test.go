package runtime

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine/runtime/seccomp"
)

func TestFiltersAreRememberedByContent(t *testing.T) {
	var f filters
	profile := func() *specs.LinuxSeccomp {
		p, err := seccomp.Default(dockerCapabilities())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, err := f.compile(profile())
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.compile(profile())
	if err != nil || again != first {
		t.Errorf("compiled again, %v", err)
	}
	other := profile()
	other.Syscalls[0].Names = other.Syscalls[0].Names[1:]
	if changed, err := f.compile(other); err != nil || changed == first {
		t.Errorf("a change went unseen, %v", err)
	}
	if none, err := f.compile(nil); none != nil || err != nil {
		t.Errorf("without a profile: %v, %v", none, err)
	}
}

func BenchmarkFilters(b *testing.B) {
	p, err := seccomp.Default(dockerCapabilities())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("compiled", func(b *testing.B) {
		for b.Loop() {
			var f filters
			if _, err := f.compile(p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("remembered", func(b *testing.B) {
		var f filters
		for b.Loop() {
			if _, err := f.compile(p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("default profile", func(b *testing.B) {
		for b.Loop() {
			if _, err := seccomp.Default(dockerCapabilities()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
