package client

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func attrText(attrs map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		fmt.Fprintf(&b, "%s=%s\n", key, attrs[key])
	}
	return b.String()
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		build engine.Build
		o     Options
		want  string
	}{
		"nothing is said of what nobody asked for": {},
		"arguments: those of the command line win, one without a value is not given": {
			build: engine.Build{Args: []string{"A=1", "B=x=y", "C"}}, o: Options{Args: []string{"A=2", "D="}},
			want: "build-arg:A=2\nbuild-arg:B=x=y\nbuild-arg:D=\n",
		},
		"target, labels, platforms": {
			build: engine.Build{Target: "dev", Labels: map[string]string{"a.b": "c"}, Platforms: []string{"linux/amd64", "linux/arm64"}},
			want:  "label:a.b=c\nplatform=linux/amd64,linux/arm64\ntarget=dev\n",
		},
		"no cache for all stages": {
			build: engine.Build{NoCacheFilter: []string{"a"}}, o: Options{NoCache: true}, want: "no-cache=\n",
		},
		"no cache for some stages": {
			build: engine.Build{NoCacheFilter: []string{"a", "b"}}, want: "no-cache=a,b\n",
		},
		"new bases": {o: Options{Pull: true}, want: "image-resolve-mode=pull\n"},
		"what RUN has": {
			build: engine.Build{
				Network: "none", ShmSize: 64 << 20, Ulimits: []engine.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}, {Name: "nproc", Soft: -1, Hard: -1}},
				ExtraHosts: []string{"db:10.0.0.1", "six=[::1]", "v6:fd00::1", "host:host-gateway"},
			},
			o: Options{Memory: 1 << 30},
			want: "add-hosts=db=10.0.0.1,six=::1,v6=fd00::1,host=192.0.0.8\nforce-network-mode=none\nmemory=1073741824\nshm-size=67108864\n" +
				"ulimit=nofile=1:2,nproc=-1:-1\n",
		},
		"the default network goes without saying": {build: engine.Build{Network: "default"}},
		"attestations as they are asked for": {
			build: engine.Build{Provenance: "true", SBOM: "true"},
			want:  "attest:provenance=mode=min\nattest:sbom=\n",
		},
		"attestations: the command line wins": {
			build: engine.Build{Provenance: "mode=max", SBOM: "generator=x"}, o: Options{SBOM: "false"},
			want: "attest:provenance=mode=max\n",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attrs, err := attributes(&c.build, &c.o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, attrText(attrs)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAttributesThatCannotBe(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		build engine.Build
		kind  error
		want  string
	}{
		"a network of the project": {
			engine.Build{Network: "front"}, engine.ErrUnsupported, `network "front": a build has the network default, none or host`,
		},
		"a host without an address":      {engine.Build{ExtraHosts: []string{"db"}}, engine.ErrInvalid, `extra host "db": it must be NAME:ADDRESS`},
		"a host by another's name":       {engine.Build{ExtraHosts: []string{"h:other"}}, engine.ErrInvalid, `extra host "h": "other" is neither an IP address nor host-gateway`},
		"an entitlement that is unknown": {engine.Build{Entitlements: []string{"all"}}, engine.ErrInvalid, `entitlement "all" is not known`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := attributes(&c.build, &Options{})
			if err == nil {
				_, err = entitled(&c.build)
			}
			if err == nil || err.Error() != c.want || !errors.Is(err, c.kind) {
				t.Errorf("got  %v\nwant %s, %v", err, c.want, c.kind)
			}
		})
	}
}

func TestTheNetworkOfTheHostIsGrantedToWhoAsksForIt(t *testing.T) {
	t.Parallel()
	got, err := entitled(&engine.Build{Network: "host", Entitlements: []string{"security.insecure"}})
	if want := []string{"security.insecure", "network.host"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}
