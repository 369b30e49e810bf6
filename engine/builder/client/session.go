package client

import (
	"context"
	"io"

	"github.com/docker/cli/cli/config/types"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/upload/uploadprovider"

	"tiffin/engine"
)

const (
	// hubHost is Docker Hub's address, hubName its name in images.
	hubHost = "registry-1.docker.io"
	hubName = "docker.io"
)

// services are what a build may ask its caller for, beside files.
func (o *Options) services(j *job, s *source) ([]session.Attachable, error) {
	list := []session.Attachable{newLogins(o.Auth)}
	b := j.build()
	store, err := newSecrets(b.Secrets, o.lookup)
	if err != nil {
		return nil, err
	}
	list = append(list, store)
	keys, err := newSSH(b.SSH, o.SSH, o.lookup)
	if err != nil {
		return nil, err
	}
	if keys != nil {
		list = append(list, keys)
	}
	if s.upload != nil {
		up := uploadprovider.New()
		s.attrs[contextName] = up.Add(io.NopCloser(s.upload))
		list = append(list, up)
	}
	return list, nil
}

// newLogins answers with the caller's logins. Tokens are fetched here, so that no password leaves.
func newLogins(find func(context.Context, string) (engine.RegistryAuth, error)) session.Attachable {
	return authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{AuthConfigProvider: loginsOf(find)})
}

func loginsOf(find func(context.Context, string) (engine.RegistryAuth, error)) authprovider.AuthConfigProvider {
	return func(ctx context.Context, host string, _ []string, _ authprovider.ExpireCachedAuthCheck) (types.AuthConfig, error) {
		if find == nil {
			return types.AuthConfig{}, nil
		}
		if host == hubHost {
			host = hubName
		}
		login, err := find(ctx, host)
		if err != nil {
			return types.AuthConfig{}, err
		}
		return types.AuthConfig{
			Username: login.Username, Password: login.Password,
			IdentityToken: login.IdentityToken, RegistryToken: login.RegistryToken,
		}, nil
	}
}
