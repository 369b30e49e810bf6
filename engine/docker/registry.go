package docker

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/common"
	"github.com/moby/moby/api/types/registry"

	"tiffin/engine"
	"tiffin/engine/call"
)

const (
	dockerHub = "docker.io"
	// hubServer is what clients call it.
	hubServer = "index.docker.io"
)

// logins are the credentials that come with a request, for one registry. A header that cannot be read is none: as with
// Docker, what needs no login can be had all the same.
func logins(r *http.Request, domain string) map[string]call.RegistryAuth {
	text := strings.TrimRight(r.Header.Get(registry.AuthHeader), "=")
	if text == "" {
		return nil
	}
	// Some clients use the other alphabet.
	plain, err := base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(text))
	var given registry.AuthConfig
	if err != nil || json.Unmarshal(plain, &given) != nil {
		return nil
	}
	return map[string]call.RegistryAuth{domain: credentials(&given)}
}

func credentials(given *registry.AuthConfig) call.RegistryAuth {
	out := call.RegistryAuth{
		Username: given.Username, Password: given.Password, IdentityToken: given.IdentityToken, RegistryToken: given.RegistryToken,
	}
	if out.Username == "" && given.Auth != "" {
		if pair, err := base64.StdEncoding.DecodeString(given.Auth); err == nil {
			out.Username, out.Password, _ = strings.Cut(strings.TrimRight(string(pair), "\x00"), ":")
		}
	}
	return out
}

// registryOf is the name, in images, of a registry that a client names by an address.
func registryOf(server string) string {
	if _, rest, found := strings.Cut(server, "://"); found {
		server = rest
	}
	host, _, _ := strings.Cut(server, "/")
	if host == "" || host == hubServer {
		return dockerHub
	}
	return host
}

// auth tries a login.
func (s *Server) auth(r *http.Request) (any, error) {
	given := &registry.AuthConfig{}
	if err := decode(r, given); err != nil {
		return nil, err
	}
	identity, err := s.b.Login(r.Context(), registryOf(given.ServerAddress), credentials(given))
	switch {
	case errors.Is(err, engine.ErrDenied):
		return status{http.StatusUnauthorized, common.ErrorResponse{Message: err.Error()}}, nil
	case err != nil:
		return nil, err
	}
	return registry.AuthResponse{Status: "Login Succeeded", IdentityToken: identity}, nil
}

// distribution asks the registry what an image is there.
func (s *Server) distribution(r *http.Request) (any, error) {
	name, verb := nameAndVerb(r.PathValue("rest"))
	if verb != "json" || name == "" {
		return nil, errNoPage
	}
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, engine.Problem(engine.ErrInvalid, errors.Join(errReference, err))
	}
	found, err := s.b.RemoteImage(r.Context(), reference.FamiliarString(ref), logins(r, reference.Domain(ref)))
	if err != nil {
		return nil, advised(err)
	}
	return registry.DistributionInspect{Descriptor: found.Descriptor, Platforms: found.Platforms}, nil
}
