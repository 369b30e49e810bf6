package clients

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// imageOf is an image of one static program, as docker save writes them.
func imageOf(name, program string, labels map[string]string) (io.Reader, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	base := filepath.Base(program)
	layer, err := tarred(member{base, content})
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/" + base}, "Labels": labels},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
	})
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal([]any{map[string]any{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return nil, err
	}
	archive, err := tarred(member{"config.json", config}, member{"layer.tar", layer}, member{"manifest.json", manifest})
	return bytes.NewReader(archive), err
}

// member is a file of an archive.
type member struct {
	name    string
	content []byte
}

func tarred(members ...member) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		err := w.WriteHeader(&tar.Header{Name: m.name, Mode: 0o755, Size: int64(len(m.content))})
		if err == nil {
			_, err = w.Write(m.content)
		}
		if err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}
