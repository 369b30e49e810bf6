// Package arch holds the shape of the house as a test: who may import whom.
//
// A habit that is a test lasts. The map in house_test.go is the whole of it: every package of the product, and
// the packages of ours that it may import; the budgets stand beside it. A new arrow or a new room is one line
// there, in the same commit as its reason in docs/architecture.md. A budget is never raised to what exists.
//
// Reading order: house_test.go (the map, the budgets), rules_test.go (each rule: a source file in, complaints
// out), walk_test.go (the files of the product).
package arch
