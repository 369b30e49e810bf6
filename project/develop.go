package project

import (
	"tiffin/project/develop"
)

// Watches are the rules of develop.watch of all enabled services.
func (p *Project) Watches() ([]develop.Rule, error) {
	var out []develop.Rule
	for _, name := range p.model.ServiceNames() {
		s := p.model.Services[name]
		rules, f := develop.Rules(&s)
		if f != nil {
			path := in(&s, f.Path...)
			return nil, p.texts.locate(at(path, "%s: %s", dotted(path), f.Text).hint("%s", f.Tip))
		}
		out = append(out, rules...)
	}
	return out, nil
}
