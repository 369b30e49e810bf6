package main

import (
	"os"
	"testing"
)

func TestTheTableIsWhatTheGeneratorWrites(t *testing.T) {
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../syscalls.go")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("syscalls.go is out of date: run go generate in engine/runtime/seccomp")
	}
}
