// Package shape says what the values of a Compose file may be.
//
// Document is the Compose specification's schema in a form that a file's nodes are
// compared with one by one, while their places are known; checks say of scalars what
// the schema does not: that a text is a port, a size or a duration.
//
// Reading order: kind.go, shape.go (from the schema), value.go (checks).
//
// Not here: places, variables and the words of most errors. The project's checker has them.
package shape
