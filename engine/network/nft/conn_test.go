package nft

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

// inNamespace moves the test to a network namespace of its own, on a thread that
// dies with it.
func inNamespace(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("REQUIRE_ROOT") == "1" {
			tb.Fatal("needs root")
		}
		tb.Skip("needs root")
	}
	runtime.LockOSThread() // and never unlocked
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		tb.Fatal(err)
	}
}

func dial(tb testing.TB) *Conn {
	tb.Helper()
	c, err := Dial()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

func apply(tb testing.TB, c *Conn, fill func(*Batch)) {
	tb.Helper()
	var b Batch
	fill(&b)
	if err := c.Apply(&b); err != nil {
		tb.Fatal(err)
	}
}

// list asks the nft program what is there: another reader of what was written.
func list(tb testing.TB) string {
	tb.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		if os.Getenv("REQUIRE_ROOT") == "1" {
			tb.Fatal("needs the nft program")
		}
		tb.Skip("needs the nft program")
	}
	out, err := exec.CommandContext(tb.Context(), "nft", "list", "ruleset").CombinedOutput()
	if err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// sample has every kind of thing that a table of ours can have.
func sample() *Table {
	web := netip.MustParseAddr("10.0.0.2")
	return &Table{
		Family: Inet, Name: "sample",
		Sets: []Set{
			{Name: "bridges", Key: []Type{TypeIfname}, Elements: []Element{{Key: []Value{Ifname("tf-1")}}}},
			{Name: "same", Key: []Type{TypeIfname, TypeIfname}, Elements: []Element{
				{Key: []Value{Ifname("tf-1"), Ifname("tf-1")}},
			}},
			{
				Name: "ports4", Key: []Type{TypeIPv4, TypeProto, TypePort}, Data: []Type{TypeIPv4, TypePort},
				Elements: []Element{{
					Key:  []Value{Addr(netip.MustParseAddr("192.0.2.1")), TCP, Port(8080)},
					Data: []Value{Addr(web), Port(80)},
				}},
			},
			{
				Name: "ports6", Key: []Type{TypeProto, TypePort}, Data: []Type{TypeIPv6, TypePort},
				Elements: []Element{{
					Key:  []Value{UDP, Port(53)},
					Data: []Value{Addr(netip.MustParseAddr("fd00::2")), Port(5353)},
				}},
			},
		},
		Chains: []Chain{
			{
				Name: "forward", Hook: &Hook{Type: "filter", At: Forward},
				Rules: []Rule{
					{Any{CtState, []Flag{Established, Related}}, Accept},
					{In{[]Field{InputName}, "bridges"}, Spoofed{}, Drop},
					{NotFromHost{}, Is{L4Proto, UDP}, Drop},
					{In{[]Field{InputName, OutputName}, "same"}, Accept},
					{Any{CtStatus, []Flag{DNATed}}, In{[]Field{OutputName}, "bridges"}, Return},
					{Not{InputName, Ifname("lo")}, Within{Dest4, netip.MustParsePrefix("127.0.0.0/8")}, Drop},
					{Is{Source6, Addr(netip.MustParseAddr("fd00::1"))}, Is{L4Proto, TCP}, Drop},
				},
			},
			{
				Name: "prerouting", Hook: &Hook{Type: "nat", At: Prerouting, Priority: -100},
				Rules: []Rule{
					{ToHost{}, DNAT{IPv4, []Field{Dest4, L4Proto, DestPort}, "ports4"}},
					{Outside{Dest6, netip.MustParsePrefix("fd00::/64")}, DNAT{IPv6, []Field{L4Proto, DestPort}, "ports6"}},
				},
			},
			{
				Name: "postrouting", Hook: &Hook{Type: "nat", At: Postrouting, Priority: 100},
				Rules: []Rule{{
					In{[]Field{InputName}, "bridges"}, NotIn{[]Field{OutputName}, "bridges"}, Masquerade{},
				}},
			},
		},
	}
}

func TestATableIsWhatNftListsAfterwards(t *testing.T) {
	inNamespace(t)
	c := dial(t)
	want := sample()
	apply(t, c, func(b *Batch) { b.AddTable(want, Shared) })
	if diff := cmp.Diff(want.String(), list(t)); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func TestATableIsReplacedAndRemovedInOneBatch(t *testing.T) {
	inNamespace(t)
	c := dial(t)
	apply(t, c, func(b *Batch) { b.AddTable(sample(), Shared) })
	apply(t, c, func(b *Batch) {
		b.RemoveTable(sample())
		b.AddTable(sample(), Shared)
	})
	if there, err := c.Has(sample()); !there || err != nil {
		t.Errorf("got %v, %v; want it to be there", there, err)
	}
	apply(t, c, func(b *Batch) { b.RemoveTable(sample()) })
	if there, err := c.Has(sample()); there || err != nil {
		t.Errorf("got %v, %v; want it to be gone", there, err)
	}
	if got := list(t); got != "" {
		t.Errorf("left: %s", got)
	}
}

func TestElementsComeAndGo(t *testing.T) {
	inNamespace(t)
	c := dial(t)
	apply(t, c, func(b *Batch) { b.AddTable(sample(), Shared) })
	var many []Element
	for i := range 2000 { // more than one attribute holds
		many = append(many, Element{
			Key:  []Value{UDP, Port(uint16(1000 + i))},
			Data: []Value{Addr(netip.MustParseAddr("fd00::3")), Port(uint16(i + 1))},
		})
	}
	apply(t, c, func(b *Batch) { b.AddElements(sample(), "ports6", many) })
	if got := list(t); !strings.Contains(got, "udp . 2999 : fd00::3 . 2000") {
		t.Errorf("the last element is missing in\n%s", got)
	}
	apply(t, c, func(b *Batch) { b.RemoveElements(sample(), "ports6", many) })
	if diff := cmp.Diff(sample().String(), list(t)); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func TestBaseChainsAreThoseOfEverybody(t *testing.T) {
	inNamespace(t)
	c := dial(t)
	apply(t, c, func(b *Batch) { b.AddTable(sample(), Shared) })
	foreign := "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }; add chain ip filter user"
	if out, err := exec.CommandContext(t.Context(), "nft", foreign).CombinedOutput(); err != nil {
		t.Skipf("needs the nft program: %v: %s", err, out)
	}
	chains, err := c.BaseChains()
	if err != nil {
		t.Fatal(err)
	}
	want := []BaseChain{
		{Inet, "sample", "forward", Forward, Accept},
		{Inet, "sample", "prerouting", Prerouting, Accept},
		{Inet, "sample", "postrouting", Postrouting, Accept},
		{IPv4, "filter", "FORWARD", Forward, Drop},
	}
	byFamily := cmpopts.SortSlices(func(a, b BaseChain) bool { return a.Table+a.Name < b.Table+b.Name })
	if diff := cmp.Diff(want, chains, byFamily); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func FuzzParseChain(f *testing.F) {
	f.Add([]byte{2, 0, 0, 0, 8, 0, 1, 0, 'x', 0, 0, 0, 12, 0, 4, 0x80, 8, 0, 1, 0, 0, 0, 0, 2})
	f.Fuzz(func(_ *testing.T, b []byte) { parseChain(b) })
}

func TestARefusedBatchChangesNothingAndSaysWhy(t *testing.T) {
	inNamespace(t)
	c := dial(t)
	apply(t, c, func(b *Batch) { b.AddTable(sample(), Shared) })
	var b Batch
	b.AddElements(sample(), "bridges", []Element{{Key: []Value{Ifname("tf-2")}}})
	b.RemoveElements(sample(), "bridges", []Element{{Key: []Value{Ifname("absent")}}})
	if err := c.Apply(&b); !errors.Is(err, unix.ENOENT) {
		t.Errorf("got %v, want ENOENT", err)
	}
	if diff := cmp.Diff(sample().String(), list(t)); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func TestAnOwnedTableWithstandsAFlushAndIsAdopted(t *testing.T) {
	inNamespace(t)
	owner, err := Dial()
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	b.AddTable(sample(), Owned)
	if err := owner.Apply(&b); errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("a table that outlives its owner needs Linux 6.9")
	} else if err != nil {
		t.Fatal(err)
	}
	other := dial(t)
	b = Batch{}
	b.RemoveTable(sample())
	if err := other.Apply(&b); !errors.Is(err, unix.EPERM) {
		t.Errorf("another's socket: got %v, want EPERM", err)
	}
	if err := owner.Close(); err != nil {
		t.Fatal(err)
	}
	if got := list(t); !strings.Contains(got, "chain forward") {
		t.Errorf("the table went with its owner: %q", got)
	}
	apply(t, other, func(b *Batch) {
		b.RemoveTable(sample())
		b.AddTable(sample(), Owned)
	})
}

func BenchmarkAddAndRemoveAnElement(b *testing.B) {
	inNamespace(b)
	c := dial(b)
	apply(b, c, func(t *Batch) { t.AddTable(sample(), Owned) })
	one := []Element{{Key: []Value{Ifname("tf-9")}}}
	for b.Loop() {
		apply(b, c, func(t *Batch) { t.AddElements(sample(), "bridges", one) })
		apply(b, c, func(t *Batch) { t.RemoveElements(sample(), "bridges", one) })
	}
}

func BenchmarkReplaceATable(b *testing.B) {
	inNamespace(b)
	c := dial(b)
	apply(b, c, func(t *Batch) { t.AddTable(sample(), Owned) })
	for b.Loop() {
		apply(b, c, func(t *Batch) {
			t.RemoveTable(sample())
			t.AddTable(sample(), Owned)
		})
	}
}
