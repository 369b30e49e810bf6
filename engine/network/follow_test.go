package network

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/network/nft"
)

// nftProgram changes or lists what is on the host, as somebody else does.
func (h *testHost) nftProgram(args ...string) string {
	h.tb.Helper()
	requireTool(h.tb, "nft")
	var out []byte
	if err := h.inHost(func() (err error) {
		out, err = exec.CommandContext(h.tb.Context(), "nft", args...).CombinedOutput()
		return err
	}); err != nil {
		h.tb.Fatalf("nft %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// soon waits for what the Manager does by itself.
func soon(tb testing.TB, what string, f func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("not soon: %s", what)
		}
	}
}

func TestATableThatSomebodyChangesIsWholeAgain(t *testing.T) {
	for name, how := range map[string][]string{
		"all tables are flushed":           {"flush", "ruleset"},
		"the table is removed":             {"delete", "table", "inet", "tiffin"},
		"its rules are flushed":            {"flush", "table", "inet", "tiffin"},
		"an element is removed":            {"delete", "element", "inet", "tiffin", setBridges, "{", `"tf-12345678"`, "}"},
		"a rule of somebody else is added": {"add", "rule", "inet", "tiffin", "forward", "accept"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTestHost(t)
			outside := h.neighbour()
			h.fw.own = nft.Shared // as before Linux 6.9
			n, err := h.Create(t.Context(), engine.NetworkSpec{Name: "n"}, "12345678", "p")
			if err != nil {
				t.Fatal(err)
			}
			s := h.sandbox("web")
			h.attach(s, n)
			serve(t, s.File(), ":80", "web")
			h.publish(s, tcp(hostIP, 8080))
			before := words(h.nftProgram("list", "ruleset"))
			h.nftProgram(how...)
			soon(t, "the table is as before", func() bool {
				return cmp.Equal(before, words(h.nftProgram("list", "ruleset")))
			})
			if got := ask(outside, hostIP+":8080"); got != "web "+neighbourIP {
				t.Errorf("the published port: got %q", got)
			}
			if err := h.Remove(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Whoever has no table listens to nothing.
func TestOnlyATableIsWatched(t *testing.T) {
	h := newTestHost(t)
	if h.fw.watching != nil {
		t.Error("watched before the first network")
	}
	n := h.network(engine.NetworkSpec{Name: "n"})
	if h.fw.watching == nil {
		t.Error("not watched with a network")
	}
	if err := h.Remove(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if h.fw.watching != nil {
		t.Error("watched after the last network")
	}
}

// Until rules are there again that somebody has flushed, with those of others.
func BenchmarkMend(b *testing.B) {
	h := newTestHost(b)
	h.fw.own = nft.Shared
	h.network(engine.NetworkSpec{Name: "n"})
	var other *nft.Conn
	if err := h.inHost(func() (err error) {
		other, err = nft.Dial()
		return err
	}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var flush nft.Batch
		flush.RemoveTable(h.fw.head())
		if err := other.Apply(&flush); err != nil {
			b.Fatal(err)
		}
		for there := false; !there; {
			var err error
			if there, err = other.Has(h.fw.head()); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := other.Close(); err != nil {
		b.Fatal(err)
	}
}

// On every kernel, and without anybody's program: see tests/vm.
func TestATableThatIsRemovedIsBackAndServesPorts(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	h.fw.own = nft.Shared
	n := h.network(engine.NetworkSpec{Name: "n"})
	s := h.sandbox("web")
	h.attach(s, n)
	serve(t, s.File(), ":80", "web")
	h.publish(s, tcp(hostIP, 8080))
	var other *nft.Conn
	if err := h.inHost(func() (err error) {
		other, err = nft.Dial()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	for range 3 {
		var b nft.Batch
		b.RemoveTable(h.fw.head())
		if err := other.Apply(&b); err != nil {
			t.Fatal(err)
		}
		soon(t, "the table is there", func() bool {
			there, err := other.Has(h.fw.head())
			return there && err == nil
		})
		if got := ask(outside, hostIP+":8080"); got != "web "+neighbourIP {
			t.Errorf("the published port: got %q", got)
		}
	}
}
