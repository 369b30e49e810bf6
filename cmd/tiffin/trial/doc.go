// Package trial runs a command against a copy of a project of its own. The
// copy is leased from the engine, so that it goes away however the command line ends.
package trial
