package project

import (
	"os"
	"strconv"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/project/consistent"
	"tiffin/project/envfile"
	"tiffin/project/fault"
)

// resolveFiles puts what env_file and label_file hold in the services' environment and
// labels. environment and labels win over files.
func (p *Project) resolveFiles() error {
	envfile.Register()
	for _, name := range p.model.ServiceNames() {
		s := p.model.Services[name]
		if err := p.filesThere(&s); err != nil {
			return err
		}
		for i := range s.PreStart {
			hook := consistent.HookService(&s, i)
			if err := p.filesThere(&hook); err != nil {
				return consistent.InHook(err, i)
			}
		}
	}
	model, err := p.model.WithServicesEnvironmentResolved(true)
	if err != nil {
		return dotenvError(err)
	}
	if p.model, err = model.WithServicesLabelsResolved(true); err != nil {
		return dotenvError(err)
	}
	return nil
}

// filesThere looks for the files before compose-go does, while their place can be told.
func (p *Project) filesThere(s *types.ServiceConfig) error {
	for i, f := range s.EnvFiles {
		if !bool(f.Required) && !exists(f.Path) {
			continue
		}
		if reason := unreadable(f.Path, maxFileSize); reason != "" {
			return fault.At(fault.In(s, "env_file", strconv.Itoa(i)), "service %q: env file %s: %s", s.Name, p.texts.show(f.Path), reason).
				Hint("Create it, or say that it may be absent: \"required: false\" beside its path.")
		}
		if f.Format != "" && f.Format != "raw" && f.Format != dotenv.DotEnv {
			return fault.At(fault.In(s, "env_file", strconv.Itoa(i), "format"), "service %q: there is no env_file format %q", s.Name, f.Format).
				Hint("Leave the format out, or say raw.")
		}
	}
	for i, f := range s.LabelFiles {
		if reason := unreadable(f, maxFileSize); reason != "" {
			return fault.At(fault.In(s, "label_file", strconv.Itoa(i)), "service %q: label file %s: %s", s.Name, p.texts.show(f), reason)
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
