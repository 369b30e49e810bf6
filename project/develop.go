package project

import (
	"tiffin/project/develop"
	"tiffin/project/fault"
)

// Watches are the rules of develop.watch of all enabled services.
func (p *Project) Watches() ([]develop.Rule, error) {
	var out []develop.Rule
	for _, name := range p.model.ServiceNames() {
		s := p.model.Services[name]
		rules, f := develop.Rules(&s)
		if f != nil {
			path := fault.In(&s, f.Path...)
			return nil, p.texts.locate(fault.At(path, "%s: %s", fault.Dotted(path), f.Text).Hint("%s", f.Tip))
		}
		out = append(out, rules...)
	}
	return out, nil
}
