// Package credentials finds a user's logins for registries, as docker keeps them.
//
// It runs in the command line, with the user's own rights and environment: the engine is sent what is found and
// never looks itself. Docker's configuration is read by docker's own package; helpers (credHelpers, credsStore)
// are run by ours, which bounds their time.
//
// Not here: what the logins are used for (image/registry).
package credentials
