package client

import (
	"cmp"
	"context"
	"io"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth"
	"github.com/moby/buildkit/session/upload/uploadprovider"
	"google.golang.org/grpc"

	"tiffin/engine/call"
)

const (
	// hubHost is Docker Hub's address, hubName its name in images.
	hubHost = "registry-1.docker.io"
	hubName = "docker.io"
)

// services are what a build may ask its caller for, beside files.
func (o *Options) services(j *job, s *source) ([]session.Attachable, error) {
	list := []session.Attachable{&logins{find: o.Auth}}
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

// logins answers with the caller's logins, by the registry's name in images. The tokens
// that they are good for are fetched by the engine, whose client knows which servers a
// registry may send it to.
type logins struct {
	auth.UnimplementedAuthServer
	find func(ctx context.Context, registry string) (call.RegistryAuth, error)
}

// Register implements session.Attachable.
func (l *logins) Register(server *grpc.Server) { auth.RegisterAuthServer(server, l) }

// Credentials implements auth.AuthServer. Without a login there is nothing in the answer.
func (l *logins) Credentials(ctx context.Context, req *auth.CredentialsRequest) (*auth.CredentialsResponse, error) {
	if l.find == nil {
		return &auth.CredentialsResponse{}, nil
	}
	registry := req.GetHost()
	if registry == hubHost {
		registry = hubName
	}
	login, err := l.find(ctx, registry)
	if err != nil {
		return nil, err
	}
	// As docker's clients have it: a secret without a user is a token.
	if secret := cmp.Or(login.IdentityToken, login.RegistryToken); secret != "" {
		return &auth.CredentialsResponse{Secret: secret}, nil
	}
	return &auth.CredentialsResponse{Username: login.Username, Secret: login.Password}, nil
}
