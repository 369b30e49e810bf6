// Package variables replaces the variables in the values of a Compose file.
//
// It does what docker compose does with $X, ${X:-default} and their kin, and tells what
// is wrong with what makes no sense, so that its place in the file can be said.
//
// Not here: where values come from (.env, the environment), and which texts have
// variables (package project).
package variables
