package shape

import (
	"encoding/json"
	"testing"
	"time"

	"tiffin/engine"
)

func TestVolume(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for want, v := range map[string]engine.Volume{
		`{"CreatedAt":"2026-11-26T12:00:00Z","Driver":"local","Labels":{"a":"b"},"Mountpoint":"/m","Name":"v","Options":{"type":"tmpfs"},"Scope":"local"}`: {
			Name: "v", Created: at, Mountpoint: "/m", Spec: engine.VolumeSpec{Labels: map[string]string{"a": "b"}, DriverOpts: map[string]string{"type": "tmpfs"}},
		},
		`{"CreatedAt":"2026-11-26T12:00:00Z","Driver":"local","Labels":{"com.docker.volume.anonymous":""},"Mountpoint":"","Name":"00ff","Options":{},"Scope":"local"}`: {
			Name: "00ff", Created: at, Anonymous: true,
		},
		`{"CreatedAt":"2026-11-26T12:00:00Z","Driver":"local","Labels":{"com.docker.compose.project":"p","com.docker.compose.version":"1.29.2","com.docker.compose.volume":"d"},` +
			`"Mountpoint":"","Name":"p_d","Options":{},"Scope":"local"}`: {
			Name: "p_d", Created: at, Project: "p", Spec: engine.VolumeSpec{Key: "d", Labels: map[string]string{engine.LabelVersion: "1.29.2"}},
		},
	} {
		got, err := json.Marshal(Volume(&v))
		if err != nil || string(got) != want {
			t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
		}
	}
}
