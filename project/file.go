package project

import (
	"os"
	"path"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/project/fault"
)

// maxSecretSize bounds the content of one config or secret: it travels in the Stack
// and lies in memory.
const maxSecretSize = 8 << 20

const defaultFileMode = 0o444

// files translates configs and secrets, and reads what they hold.
func (p *Project) files(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	add := func(kind engine.FileKind, i int, ref types.FileReferenceConfig, from types.FileObjectConfig) error {
		f, err := fileMount(fault.In(s, string(kind)+"s", strconv.Itoa(i)), kind, ref)
		if err != nil {
			return err
		}
		if from.External && kind == engine.FileSecret {
			f.External = from.Name
		} else {
			f.Content, err = p.content(kind, ref.Source, from)
		}
		out.Files = append(out.Files, f)
		return err
	}
	for i, c := range s.Configs {
		from := types.FileObjectConfig(p.model.Configs[c.Source])
		if err := add(engine.FileConfig, i, types.FileReferenceConfig(c), from); err != nil {
			return err
		}
	}
	for i, c := range s.Secrets {
		from := types.FileObjectConfig(p.model.Secrets[c.Source])
		if err := add(engine.FileSecret, i, types.FileReferenceConfig(c), from); err != nil {
			return err
		}
	}
	return nil
}

// fileMount says where the file goes and whose it is.
func fileMount(where []string, kind engine.FileKind, ref types.FileReferenceConfig) (engine.FileMount, error) {
	out := engine.FileMount{Kind: kind, Name: ref.Source, Target: ref.Target, Mode: defaultFileMode}
	if out.Target == "" {
		out.Target = ref.Source
	}
	if !path.IsAbs(out.Target) {
		base := "/"
		if kind == engine.FileSecret {
			base = "/run/secrets"
		}
		out.Target = path.Join(base, out.Target)
	}
	if ref.Mode != nil {
		out.Mode = uint32(*ref.Mode)
	}
	if out.Mode > 0o7777 {
		return out, fault.At(append(where, "mode"), "%s: %o are no permission bits", fault.Dotted(where), out.Mode).
			Hint("Write the mode in octal: 0440.")
	}
	for name, id := range map[string]struct {
		text string
		to   *uint32
	}{"uid": {ref.UID, &out.UID}, "gid": {ref.GID, &out.GID}} {
		if id.text == "" {
			continue
		}
		n, err := strconv.ParseUint(id.text, 10, 31)
		if err != nil {
			return out, fault.At(append(where, name), "%s: %q is not a number", fault.Dotted(append(where, name)), id.text)
		}
		*id.to = uint32(n)
	}
	return out, nil
}

// content is what a config or secret holds.
func (p *Project) content(kind engine.FileKind, name string, f types.FileObjectConfig) ([]byte, error) {
	where := []string{string(kind) + "s", name}
	switch {
	case f.Environment != "":
		if f.Content != "" {
			return []byte(f.Content), nil
		}
		value, ok := p.site.env[f.Environment]
		if !ok {
			return nil, fault.At(append(where, "environment"),
				"environment variable %q required by %s %q is not set", f.Environment, kind, name).
				Hint("Export it, or write it into .env.")
		}
		return []byte(value), nil
	case f.File != "":
		return p.readContent(append(where, "file"), kind, name, f.File)
	default:
		return []byte(f.Content), nil
	}
}

func (p *Project) readContent(where []string, kind engine.FileKind, name, file string) ([]byte, error) {
	reason := unreadable(file, maxSecretSize)
	if reason == "" {
		content, err := os.ReadFile(file)
		if err == nil {
			return content, nil
		}
		reason = plain(err).Error()
	}
	f := fault.At(where, "%s %q: %s: %s", kind, name, p.texts.show(file), reason)
	if exists(file) {
		return nil, f.Hint("What is large, or a directory, goes under volumes: \"- %s:/target:ro\".", file)
	}
	return nil, f
}
