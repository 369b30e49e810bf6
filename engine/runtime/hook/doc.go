// Package hook runs OCI hooks: programs of the host at a container's turns.
//
// A hook gets the state of the container as JSON on its standard input, and finds its spec as config.json in the bundle.
// Those of the runtime's namespaces run beside the engine, those of the container's in its namespaces, of which it may be
// that all but the files are ready. It is not in the PID namespace: there it would count as one of the container's.
package hook
