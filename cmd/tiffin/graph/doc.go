// Package graph draws a Stack: its services and what they depend on and share.
//
// The one idea: From makes of a Stack a Picture of nodes and edges, in an order that
// does not change; each renderer writes that as it is. All of it is pure.
//
// Reading order: picture.go (what is drawn), mermaid.go dot.go (languages that others
// lay out), layout.go svg.go (a drawing of our own).
package graph
