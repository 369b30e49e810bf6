package router

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"tiffin/engine/network/nft"
)

func TestPassages(t *testing.T) {
	for name, c := range map[string]struct {
		bridges, others []string
		want            []string
	}{
		"no bridge": {others: []string{"docker0"}},
		"names of ours have one pair for all": {
			bridges: []string{"tf-2", "tf-1"},
			want: []string{
				"tiffin: from tf-*; -i tf-+ -j ACCEPT", "tiffin: to tf-*; -o tf-+ -j ACCEPT",
			},
		},
		"a name that somebody has chosen has its own": {
			bridges: []string{"tf-1", "shop0"},
			want: []string{
				"tiffin: from shop0; -i shop0 -j ACCEPT", "tiffin: to shop0; -o shop0 -j ACCEPT",
				"tiffin: from tf-*; -i tf-+ -j ACCEPT", "tiffin: to tf-*; -o tf-+ -j ACCEPT",
			},
		},
		"others' bridges are left to their owners, first": {
			bridges: []string{"tf-1"}, others: []string{"virbr0", "docker0"},
			want: []string{
				"tiffin: not from tf-* to docker0; -i tf-+ -o docker0 -j RETURN",
				"tiffin: not from tf-* to virbr0; -i tf-+ -o virbr0 -j RETURN",
				"tiffin: from tf-*; -i tf-+ -j ACCEPT", "tiffin: to tf-*; -o tf-+ -j ACCEPT",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range passages(c.bridges, c.others) {
				args := strings.Replace(strings.Join(p.iptables(), " "), "-m comment --comment "+p.comment()+" ", "", 1)
				got = append(got, p.comment()+"; "+args)
				if parsed := parsePassage(p.comment()); parsed != p {
					t.Errorf("the comment %q reads as %+v, want %+v", p.comment(), parsed, p)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
		})
	}
}

func TestCorrection(t *testing.T) {
	want := passages([]string{"tf-1"}, nil)
	from, to := want[0].comment(), want[1].comment()
	for name, c := range map[string]struct {
		there []string
		want  []passage
		does  string
	}{
		"nothing is there":                 {[]string{"", "theirs"}, want, "+from +to"},
		"all is there":                     {[]string{"theirs", from, to}, want, ""},
		"somebody has added a rule behind": {[]string{from, to, ""}, want, "-0 -1 +from +to"},
		"one is missing":                   {[]string{"", to}, want, "-1 +from +to"},
		"one is there twice":               {[]string{from, to, from, to}, want, "-0 -1 -2 -3 +from +to"},
		"in another order":                 {[]string{to, from}, want, "-0 -1 +from +to"},
		"none is wanted any more":          {[]string{from, "theirs", to}, nil, "-0 -2"},
		"none is wanted and none is there": {[]string{"theirs", ""}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var rules []nft.StoredRule
			for i, comment := range c.there {
				rules = append(rules, nft.StoredRule{Handle: uint64(i), Comment: comment})
			}
			remove, add := correction(rules, c.want)
			var got []string
			for _, handle := range remove {
				got = append(got, fmt.Sprintf("-%d", handle))
			}
			for _, p := range add {
				got = append(got, "+"+strings.Fields(p.comment())[1])
			}
			if diff := cmp.Diff(c.does, strings.Join(got, " ")); diff != "" {
				t.Errorf("want -, got +\n%s", diff)
			}
		})
	}
}

func bridge(index int, name, alias string) netlink.Link {
	return &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Index: index, Name: name, Alias: alias}}
}

func TestSortBridges(t *testing.T) {
	links := []netlink.Link{
		bridge(1, "tf-1", Alias+"front"), bridge(2, "shop0", InternalAlias+"back"), bridge(3, "shop+", Alias+"odd"),
		bridge(4, "docker0", ""), bridge(5, "br-lan", ""), bridge(6, "br-wan", ""), bridge(7, "virbr0", ""),
		&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: 8, Name: "eth0", MasterIndex: 5}},
		&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Index: 9, Name: "veth0", MasterIndex: 4}},
		&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Index: 10, Name: "vnet0", MasterIndex: 7}},
		&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: 11, Name: "dummy0"}},
	}
	routes := []netlink.Route{{LinkIndex: 6, Gw: []byte{192, 0, 2, 1}}, {LinkIndex: 4}}
	own, others := sortBridges(links, routes)
	if diff := cmp.Diff([][]string{{"tf-1", "shop0"}, {"docker0", "virbr0"}}, [][]string{own, others}); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func ofEngine(l netlink.Link) netlink.Link {
	l.Attrs().Group = 7
	return l
}

func TestNewcomer(t *testing.T) {
	rec := record{Links4: []string{"eth0", "br-lan"}}
	known := []netlink.Link{
		bridge(1, "br-lan", ""), ofEngine(bridge(2, "tf-1", Alias+"front")), ofEngine(bridge(4, "tf-2", "")), &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: "usb0"}},
	}
	if got := rec.newcomer(known); got != "" {
		t.Errorf("got %q, want none", got)
	}
	if got := rec.newcomer(append(known, bridge(3, "docker0", ""))); got != "docker0" {
		t.Errorf("got %q, want docker0", got)
	}
}

// FuzzParseLegacy reads rules as the kernel gives them: none may be read past its end.
func FuzzParseLegacy(f *testing.F) {
	for _, family := range legacyFamilies {
		info, blob := legacySample(family)
		if t, ok := parseLegacy(family, info, blob); !ok || !t.drops || !t.last || !slices.Equal(t.there, []string{own + "from tf-*"}) {
			f.Fatalf("the sample reads as %+v, %v", t, ok)
		}
		f.Add(info, blob)
	}
	f.Fuzz(func(_ *testing.T, info, blob []byte) {
		for _, family := range legacyFamilies {
			parseLegacy(family, info, blob)
		}
	})
}

// legacySample is a chain of one rule of ours and of its policy, which drops.
func legacySample(f legacyFamily) (info, blob []byte) {
	entry := func(matches []byte, verdict uint32) {
		start := len(blob)
		blob = append(blob, make([]byte, f.header)...)
		blob = append(blob, matches...)
		target := len(blob) - start
		blob = append(blob, make([]byte, sizeofTarget)...)
		blob = binary.NativeEndian.AppendUint32(blob, verdict)
		blob = append(blob, 0, 0, 0, 0)
		binary.NativeEndian.PutUint16(blob[start+f.offsets:], uint16(target))
		binary.NativeEndian.PutUint16(blob[start+f.offsets+2:], uint16(len(blob)-start))
	}
	match := make([]byte, 32+256)
	binary.NativeEndian.PutUint16(match, uint16(len(match)))
	copy(match[2:], "comment")
	copy(match[32:], own+"from tf-*")
	entry(match, 0xfffffffe)
	policy := len(blob)
	entry(nil, legacyDrop)
	info = make([]byte, sizeofGetInfo)
	binary.NativeEndian.PutUint32(info[offsetUnderflows+4*hookForward:], uint32(policy))
	return info, blob
}

func TestWhatFirewalldSays(t *testing.T) {
	if !says(errors.New("ZONE_ALREADY_SET: tf-+"), "ZONE_ALREADY_SET") || says(errors.New("x"), "ZONE_ALREADY_SET") {
		t.Error("an error is not told from another")
	}
	if diff := cmp.Diff([]string{"shop0", "tf-+"}, zones([]string{"tf-2", "shop0", "tf-1"})); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}
