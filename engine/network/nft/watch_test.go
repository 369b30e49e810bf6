package nft

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// nftRun changes something as somebody else does, with the nft program.
func nftRun(tb testing.TB, command string) {
	tb.Helper()
	list(tb) // skips without the program
	if out, err := exec.CommandContext(tb.Context(), "nft", command).CombinedOutput(); err != nil {
		tb.Fatalf("nft %s: %v: %s", command, err, out)
	}
}

func watch(tb testing.TB, c *Conn) (*Watch, <-chan Changes) {
	tb.Helper()
	w, err := NewWatch(c)
	if err != nil {
		tb.Fatal(err)
	}
	heard := make(chan Changes)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := w.Next()
			if err != nil {
				if !errors.Is(err, os.ErrClosed) {
					tb.Error(err)
				}
				return
			}
			heard <- c
		}
	}()
	tb.Cleanup(func() {
		if err := w.Close(); err != nil {
			tb.Error(err)
		}
		for {
			select {
			case <-heard:
			case <-done:
				return
			}
		}
	})
	return w, heard
}

func next(tb testing.TB, heard <-chan Changes) Changes {
	tb.Helper()
	select {
	case c := <-heard:
		return c
	case <-time.After(10 * time.Second):
		tb.Fatal("nothing was told")
		return Changes{}
	}
}

func TestAWatchTellsWhatOthersChangeAndOnlyThat(t *testing.T) {
	inNamespace(t)
	c := dial(t)
	_, heard := watch(t, c)
	apply(t, c, func(b *Batch) { b.AddTable(sample(), Shared) })
	nftRun(t, "add table ip theirs")
	want := Changes{Tables: map[TableName]bool{{IPv4, "theirs"}: true}}
	if diff := cmp.Diff(want, next(t, heard)); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	nftRun(t, `delete element inet sample bridges { "tf-1" }`)
	want = Changes{Tables: map[TableName]bool{{Inet, "sample"}: true}}
	if diff := cmp.Diff(want, next(t, heard)); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

// The kernel drops what nobody reads, and says so once.
func TestAWatchThatIsTooSlowHearsThatItMissedSomething(t *testing.T) {
	inNamespace(t)
	c := dial(t)
	w, err := NewWatch(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	// As small as the kernel lets it be.
	if err := w.raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1) }); err != nil {
		t.Fatal(err)
	}
	var commands []string
	for range 200 {
		commands = append(commands, "add table ip theirs; delete table ip theirs")
	}
	nftRun(t, strings.Join(commands, "; "))
	got, err := w.Next()
	if err != nil || !got.Missed {
		t.Errorf("got %+v, %v; want it to have missed something", got, err)
	}
}

func TestRulesAreFoundByTheirCommentAndRemoved(t *testing.T) {
	inNamespace(t)
	c := dial(t)
	nftRun(t, "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }; "+
		`add rule ip filter FORWARD tcp dport 80 accept comment "theirs"`)
	before := list(t)
	forward := ChainName{IPv4, "filter", "FORWARD"}
	apply(t, c, func(b *Batch) {
		b.AddRule(forward, Rule{Begins{InputName, "tf-"}, Counter{}, Accept}, "ours")
	})
	want := "\t\t" + `iifname "tf-*" counter packets 0 bytes 0 accept comment "ours"` + "\n"
	if got := list(t); !strings.Contains(got, want) {
		t.Errorf("want %q in\n%s", want, got)
	}
	rules, err := c.Rules(forward)
	if err != nil {
		t.Fatal(err)
	}
	var comments []string
	for _, r := range rules {
		comments = append(comments, r.Comment)
	}
	if diff := cmp.Diff([]string{"theirs", "ours"}, comments); diff != "" {
		t.Fatalf("want -, got +\n%s", diff)
	}
	apply(t, c, func(b *Batch) { b.RemoveRule(forward, rules[1].Handle) })
	if diff := cmp.Diff(before, list(t)); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func FuzzParseRule(f *testing.F) {
	f.Add(append([]byte{
		2, 0, 0, 0, 12, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 7, // a handle
		12, 0, 7, 0,
	}, append(commentData("ours"), 0, 0)...))
	f.Add([]byte{2, 0, 0, 0, 7, 0, 7, 0, 0, 200, 'x', 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := parseRule(b); ok && r.Handle == 0 {
			t.Error("a rule without a handle")
		}
	})
}

// A comment that was written is read again, whatever it is: up to a zero byte, and to its bound.
func FuzzComment(f *testing.F) {
	f.Add("tiffin: from tf-*")
	f.Add(strings.Repeat("x", 300))
	f.Fuzz(func(t *testing.T, text string) {
		want, _, _ := strings.Cut(text[:min(len(text), 127)], "\x00")
		if got := parseComment(commentData(text)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func FuzzChanges(f *testing.F) {
	f.Add([]byte{
		32, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, // NFT_MSG_NEWTABLE, of socket 9
		2, 0, 0, 0, 11, 0, 1, 0, 't', 'h', 'e', 'i', 'r', 's', 0, 0,
	}, uint32(7))
	f.Fuzz(func(t *testing.T, b []byte, own uint32) {
		c := Changes{Tables: map[TableName]bool{}}
		c.read(b, own)
		if c.Tables[TableName{}] {
			t.Error("a table without a name")
		}
	})
}

// FuzzRefusal reads answers of the kernel: no packet may be read past its end.
func FuzzRefusal(f *testing.F) {
	f.Add([]byte{
		36, 0, 0, 0, 2, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, // NLMSG_ERROR with attributes
		0xfe, 0xff, 0xff, 0xff, 20, 0, 0, 0, 0, 10, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0,
	})
	f.Fuzz(func(_ *testing.T, b []byte) {
		messages, err := syscall.ParseNetlinkMessage(b)
		if err != nil {
			return
		}
		for _, m := range messages {
			_ = refusal(m)
		}
	})
}
