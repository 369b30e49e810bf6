// Package e2e takes whole projects up and down with the real binary.
//
// Every sample is one test: up, looked at from outside, down; and then nothing of it is left on the machine.
//
// Reading order: samples_test.go, project_test.go (what the tests have in common), ports_test.go with the program echo.
package e2e
