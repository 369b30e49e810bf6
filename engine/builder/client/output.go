package client

import (
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/term"

	"tiffin/engine"
)

// output is one value of --output.
type output struct {
	kind  string            // image, local, tar, oci, docker, cacheonly
	dest  string            // a path, or "-" for standard output; empty for image and cacheonly
	attrs map[string]string // what the exporter is told
}

// parseOutput reads what buildx's --output takes: DIR, - or type=…,dest=…
//
// Errors: engine.ErrInvalid, engine.ErrUnsupported.
func parseOutput(text string) (output, error) {
	switch {
	case text == standardIn:
		return output{kind: bk.ExporterTar, dest: "-", attrs: map[string]string{}}, nil
	case text == "":
		return output{}, invalid("an output is DIR, - or type=TYPE,dest=PATH")
	case !strings.Contains(text, "="):
		return output{kind: bk.ExporterLocal, dest: text, attrs: map[string]string{}}, nil
	}
	attrs, err := pairs(text)
	if err != nil {
		return output{}, invalid("output %q: %w", text, err)
	}
	out := output{kind: attrs["type"], dest: attrs["dest"], attrs: attrs}
	delete(attrs, "type")
	delete(attrs, "dest")
	switch out.kind {
	case bk.ExporterImage, bk.ExporterDocker, "cacheonly":
	case "registry":
		out.kind, attrs["push"] = bk.ExporterImage, "true"
	case bk.ExporterLocal:
		if out.dest == "" || out.dest == "-" {
			return output{}, invalid("output %q: a folder is written to dest=DIR", text)
		}
	case bk.ExporterTar, bk.ExporterOCI:
		if out.dest == "" {
			out.dest = "-"
		}
	case "":
		return output{}, invalid("output %q: it has no type=", text)
	default:
		return output{}, unsupported("output %q: of the types, image, registry, local, tar, oci, docker and cacheonly are there", text)
	}
	if out.kind == bk.ExporterDocker && out.dest == "" {
		out.kind = bk.ExporterImage // the store that docker would load it into is ours
	}
	return out, nil
}

// outputs reads all that is wanted; none is the image store.
//
// Errors: engine.ErrInvalid.
func (o *Options) parseOutputs(jobs []*job) ([]output, error) {
	if len(o.Outputs) == 0 {
		return []output{{kind: bk.ExporterImage, attrs: map[string]string{}}}, nil
	}
	var out []output
	toStdout := 0
	for _, text := range o.Outputs {
		parsed, err := parseOutput(text)
		if err != nil {
			return nil, err
		}
		if parsed.dest != "" && len(jobs) > 1 {
			return nil, engine.Hint(invalid("%d different images cannot all be written to %s", len(jobs), parsed.dest),
				"name one service")
		}
		if parsed.dest == "-" {
			toStdout++
		}
		out = append(out, parsed)
	}
	if toStdout > 1 {
		return nil, invalid("only one output can be standard output")
	}
	return out, nil
}

// exports are the outputs of one build as BuildKit wants them.
func (o *Options) exports(j *job, outputs []output) ([]bk.ExportEntry, error) {
	var out []bk.ExportEntry
	for _, w := range outputs {
		entry := bk.ExportEntry{Type: w.kind, Attrs: maps.Clone(w.attrs)}
		var err error
		switch w.kind {
		case "cacheonly":
			continue
		case bk.ExporterImage:
			nameImage(&entry, j, o.Push)
		case bk.ExporterLocal:
			entry.OutputDir = w.dest
		case bk.ExporterOCI, bk.ExporterDocker:
			nameImage(&entry, j, false)
			if entry.Attrs["tar"] == "false" {
				entry.OutputDir = w.dest
				break
			}
			entry.Output, err = o.writer(w.dest)
		default:
			entry.Output, err = o.writer(w.dest)
		}
		if err != nil {
			return nil, fmt.Errorf("output type=%s: %w", w.kind, err)
		}
		out = append(out, entry)
	}
	return out, nil
}

func nameImage(entry *bk.ExportEntry, j *job, push bool) { //nolint:revive // it is the flag's value
	if entry.Attrs["name"] == "" && len(j.names) > 0 {
		entry.Attrs["name"] = strings.Join(j.names, ",")
	}
	if push {
		entry.Attrs["push"] = "true"
	}
}

// writer opens a file, or standard output, once the build has something to write.
//
// Errors: engine.ErrInvalid for a terminal, which an archive would only confuse, and for a folder.
func (o *Options) writer(dest string) (func(map[string]string) (io.WriteCloser, error), error) {
	if dest == "-" {
		if f, ok := o.Stdout.(*os.File); ok && term.IsTerminal(f.Fd()) {
			return nil, engine.Hint(invalid("an archive is not written to a terminal"), "redirect standard output, or give dest=FILE")
		}
		return func(map[string]string) (io.WriteCloser, error) { return keptOpen{o.stdout()}, nil }, nil
	}
	if isFolder(dest) {
		return nil, invalid("dest=%s is a folder, and an archive is a file", dest)
	}
	return func(map[string]string) (io.WriteCloser, error) {
		return os.OpenFile(dest, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644) //nolint:gosec // an archive is for all who may read the folder
	}, nil
}

// keptOpen is a stream that others go on using.
type keptOpen struct{ io.Writer }

func (keptOpen) Close() error { return nil }
