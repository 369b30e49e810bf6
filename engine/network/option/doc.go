// Package option reads the options of network drivers.
//
// They are what a Compose file says under driver_opts, by Docker's names. It is pure. Whatever is not carried out is an error that
// names the option and says what to do instead; nothing is left out in silence.
//
// Reading order: network.go (of a network), driver.go (those of macvlan and ipvlan),
// endpoint.go (of a container on a network).
package option
