package runtime

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestParseMountOptions(t *testing.T) {
	cases := map[string]struct {
		options string
		want    mountOptions
	}{
		"nothing": {"", mountOptions{}},
		"flags of the mount and parameters of the file system": {
			"nosuid,noexec,nodev,mode=1777,size=64m",
			mountOptions{
				attrs:  attrs{set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NODEV},
				params: []string{"mode=1777", "size=64m"},
			},
		},
		"the last of two opposites wins": {
			"ro,rw,suid,nosuid",
			mountOptions{attrs: attrs{set: unix.MOUNT_ATTR_NOSUID, clear: unix.MOUNT_ATTR_RDONLY}},
		},
		"an access time mode clears the field": {
			"noatime",
			mountOptions{attrs: attrs{set: unix.MOUNT_ATTR_NOATIME, clear: unix.MOUNT_ATTR__ATIME}},
		},
		"the last access time mode wins": {
			"strictatime,noatime,relatime",
			mountOptions{attrs: attrs{clear: unix.MOUNT_ATTR__ATIME}},
		},
		"a deep flag": {
			"rbind,rro,rprivate",
			mountOptions{bind: true, deep: attrs{set: unix.MOUNT_ATTR_RDONLY}, propagation: unix.MS_PRIVATE},
		},
		"a bind of one mount alone": {
			"bind,slave",
			mountOptions{bind: true, shallow: true, propagation: unix.MS_SLAVE, alone: true},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parseMountOptions(strings.Split(c.options, ","))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(mountOptions{}, attrs{})); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestParseMountOptionsRefusesByName(t *testing.T) {
	_, err := parseMountOptions([]string{"ro", "idmap"})
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "idmap") {
		t.Errorf("got %v", err)
	}
}
