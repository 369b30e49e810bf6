package project

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/project/fault"
)

// security translates privileges; a seccomp profile's text takes the place of its path.
func (p *Project) security(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	out.Privileged, out.ReadOnly = s.Privileged, s.ReadOnly
	out.CapAdd, out.CapDrop = s.CapAdd, s.CapDrop
	out.Sysctls = s.Sysctls
	for i, text := range s.SecurityOpt {
		opt, err := p.securityOpt(fault.In(s, "security_opt", strconv.Itoa(i)), text)
		if err != nil {
			return err
		}
		out.SecurityOpt = append(out.SecurityOpt, opt)
	}
	return nil
}

func (p *Project) securityOpt(where []string, text string) (string, error) {
	name, value, hasValue := strings.Cut(text, "=")
	if !hasValue {
		name, value, hasValue = strings.Cut(text, ":") // the old separator
	}
	switch name {
	case "seccomp":
		if value == "unconfined" || value == "builtin" {
			return name + "=" + value, nil
		}
		profile, err := p.seccomp(where, value)
		return name + "=" + profile, err
	case "no-new-privileges", "writable-cgroups":
		if !hasValue {
			return name, nil
		}
		if _, err := strconv.ParseBool(value); err != nil {
			return "", fault.At(where, "%s: %q is no truth value", fault.Dotted(where), value)
		}
		return name + "=" + value, nil
	case "apparmor", "label":
		if hasValue && value != "" {
			return name + "=" + value, nil
		}
	case "systempaths":
		if value == "unconfined" {
			return text, nil
		}
	}
	return "", fault.At(where, "%s: there is no security option %q", fault.Dotted(where), text).
		Hint("Say no-new-privileges, seccomp=<file>, apparmor=<profile>, label=<label> or systempaths=unconfined.")
}

// seccomp reads a profile.
func (p *Project) seccomp(where []string, file string) (string, error) {
	full := file
	if !filepath.IsAbs(full) {
		full = filepath.Join(p.site.dir, full)
	}
	if reason := unreadable(full, maxFileSize); reason != "" {
		return "", fault.At(where, "%s: seccomp profile %s: %s", fault.Dotted(where), file, reason)
	}
	text, err := os.ReadFile(full)
	if err != nil {
		return "", fault.At(where, "%s: seccomp profile %s: %s", fault.Dotted(where), file, plain(err))
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return "", fault.At(where, "%s: seccomp profile %s is not JSON: %s", fault.Dotted(where), file, err)
	}
	return compact.String(), nil
}
