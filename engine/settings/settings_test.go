package settings

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tiffin/engine"
)

func TestRead(t *testing.T) {
	t.Parallel()
	none := []string{}
	for name, c := range map[string]struct {
		text    string
		want    Settings
		granted []string
		fails   bool
	}{
		"an empty one": {text: "{}", granted: []string{"network.host"}},
		"everything": {
			text: `{"registry-mirrors": {"docker.io": ["http://127.0.0.1:5000"]}, "insecure-registries": ["10.0.0.0/8"],
				"build": {"entitlements": [], "cache-size": 1000, "linger": "1s"},
				"other-firewalls": "leave", "cdi-spec-dirs": ["/opt/cdi"], "socket-group": "docker",
				"host-names": {"listen": "[::1]:5353", "domain": ".Dev.Example."}}`,
			want: Settings{
				Mirrors: map[string][]string{"docker.io": {"http://127.0.0.1:5000"}}, Insecure: []string{"10.0.0.0/8"},
				Build:          Build{Entitlements: &none, CacheSize: 1000, Linger: engine.Duration(time.Second)},
				OtherFirewalls: Leave, CDISpecDirs: []string{"/opt/cdi"}, SocketGroup: "docker",
				HostNames: HostNames{Listen: netip.MustParseAddrPort("[::1]:5353"), Domain: "dev.example"},
			},
			granted: none,
		},
		"names on the host": {
			text: `{"host-names": true}`, granted: []string{"network.host"},
			want: Settings{HostNames: HostNames{Listen: netip.MustParseAddrPort("127.0.0.111:53"), Domain: "tiffin.internal"}},
		},
		"names on the host, elsewhere": {
			text: `{"host-names": {"listen": "127.0.0.9"}}`, granted: []string{"network.host"},
			want: Settings{HostNames: HostNames{Listen: netip.MustParseAddrPort("127.0.0.9:53"), Domain: "tiffin.internal"}},
		},
		"no names on the host":                        {text: `{"host-names": false}`, granted: []string{"network.host"}},
		"names for the whole network":                 {text: `{"host-names": {"listen": "0.0.0.0:53"}}`, fails: true},
		"names at no port":                            {text: `{"host-names": {"listen": "127.0.0.9:0"}}`, fails: true},
		"names at no address":                         {text: `{"host-names": {"listen": "localhost"}}`, fails: true},
		"names below localhost, which is always here": {text: `{"host-names": {"domain": "x.localhost"}}`, fails: true},
		"names below nothing":                         {text: `{"host-names": {"domain": "a..b"}}`, fails: true},
		"names with a key that is misspelt":           {text: `{"host-names": {"address": "127.0.0.9"}}`, fails: true},
		"a word of no meaning":                        {text: `{"other-firewalls": "shut"}`, fails: true},
		"no JSON":                                     {text: "registry-mirrors:", fails: true},
		"a key that is misspelt":                      {text: `{"registry-mirror": {}}`, fails: true},
		"more than one document":                      {text: "{} {}", fails: true},
		"a number for a duration":                     {text: `{"build": {"linger": 3}}`, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "engine.json")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Read(path)
			if errors.Is(err, engine.ErrInvalid) != c.fails {
				t.Fatalf("got %v", err)
			}
			if c.fails {
				return
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(c.granted, got.Build.Granted()); diff != "" {
				t.Errorf("granted: -want +got:\n%s", diff)
			}
		})
	}
}

func TestNoFileIsNoError(t *testing.T) {
	t.Parallel()
	got, err := Read(filepath.Join(t.TempDir(), "engine.json"))
	if diff := cmp.Diff(Settings{}, got, cmpopts.EquateComparable(netip.AddrPort{})); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
}
