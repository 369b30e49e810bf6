package bridge

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"tiffin/engine"
)

// enrich adds to a project what a platform without Compose needs: the image of each service, all ports that it exposes
// (by its image, its ports and itself), and what is in configs and secrets.
func enrich(canonical []byte, stack *engine.Stack, exposed map[string][]string) ([]byte, error) {
	var model map[string]any
	if err := yaml.Unmarshal(canonical, &model); err != nil {
		return nil, fmt.Errorf("read the project: %w", err)
	}
	services, _ := model["services"].(map[string]any)
	for i := range stack.Services {
		svc := &stack.Services[i]
		attributes, ok := services[svc.Name].(map[string]any)
		if !ok {
			continue
		}
		attributes["image"] = svc.Container.Image
		if list := ports(&svc.Container, exposed[svc.Name]); len(list) > 0 {
			attributes["expose"] = list
		}
		for _, f := range svc.Container.Files {
			kind, _ := model[string(f.Kind)+"s"].(map[string]any)
			if file, ok := kind[f.Name].(map[string]any); ok {
				file["content"] = string(f.Content)
			}
		}
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(model); err != nil {
		return nil, fmt.Errorf("write the project: %w", err)
	}
	return out.Bytes(), nil
}

// ports are those that a container listens on as far as anybody says so, without their protocols, each once.
func ports(c *engine.ContainerSpec, byImage []string) []string {
	var out []string
	for _, p := range slices.Concat(c.Expose, byImage) {
		number, _, _ := strings.Cut(p, "/")
		out = append(out, number)
	}
	for _, p := range c.Ports {
		out = append(out, strconv.Itoa(int(p.ContainerPort)))
	}
	slices.SortFunc(out, func(a, b string) int { // by number
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(out)
}
