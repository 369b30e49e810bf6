package daemon

import (
	"context"
	"slices"

	"tiffin/engine"
	"tiffin/engine/call"
)

// Secrets describes what is in the store.
func (d *Daemon) Secrets(context.Context) ([]engine.Secret, error) { return d.rooms.Secrets.List() }

// CreateSecret keeps a secret for external ones of Compose files.
func (d *Daemon) CreateSecret(_ context.Context, req *call.SecretRequest) (engine.Secret, error) {
	return d.rooms.Secrets.Create(req.Name, req.Labels, req.Content)
}

// RemoveSecret forgets a secret that no container has.
func (d *Daemon) RemoveSecret(_ context.Context, ref string) error {
	return d.rooms.Secrets.Remove(ref, func(name string) []string {
		has := func(c *engine.Container) bool {
			return slices.ContainsFunc(c.Spec.Files, func(f engine.FileMount) bool { return f.External == name })
		}
		var users []string
		for _, c := range d.all(has) {
			users = append(users, c.Name)
		}
		slices.Sort(users)
		return users
	})
}
