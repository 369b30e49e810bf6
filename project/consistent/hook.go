package consistent

import (
	"errors"
	"reflect"
	"slices"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/project/fault"
)

// HookService is a pre_start hook as a service that is made of the same container. What it
// says of the network itself takes the place of what its service says: compose-go has
// given it both.
func HookService(s *types.ServiceConfig, i int) types.ServiceConfig {
	hook := types.ServiceConfig{Name: s.Name, ContainerSpec: s.PreStart[i].ContainerSpec}
	switch {
	case hook.NetworkMode == "" || len(hook.Networks) == 0:
	case hook.NetworkMode == s.NetworkMode:
		hook.NetworkMode = ""
	case reflect.DeepEqual(hook.Networks, s.Networks):
		hook.Networks = nil
	}
	return hook
}

// InHook gives what was found in a HookService the path of the hook.
func InHook(err error, i int) error {
	var f *fault.Error
	if errors.As(err, &f) && len(f.Path) >= 2 {
		f.Path = slices.Insert(slices.Clone(f.Path), 2, "pre_start", strconv.Itoa(i))
	}
	return err
}

// hooks checks the containers of pre_start hooks as those of services.
func hooks(p *types.Project, s *types.ServiceConfig) error {
	for i := range s.PreStart {
		hook := HookService(s, i)
		for _, check := range []rule{knownNetworks, knownSources, knownServices, targets} {
			if err := check(p, &hook); err != nil {
				return InHook(err, i)
			}
		}
	}
	return nil
}
