package runtime

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// requireRoot skips a test that needs root, unless the run insists on it.
func requireRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("REQUIRE_ROOT") == "1" {
		tb.Fatal("needs root")
	}
	tb.Skip("needs root")
}

// testTree is the host's cgroup tree.
func testTree(tb testing.TB) *CgroupTree {
	tb.Helper()
	requireRoot(tb)
	tree, err := FindCgroupTree()
	if err != nil {
		tb.Fatal(err)
	}
	return tree
}

// testCgroupPath is a path that only this test uses; its parent is removed with it.
func testCgroupPath(tb testing.TB, tree *CgroupTree) string {
	tb.Helper()
	parent := fmt.Sprintf("/tiffin-test-%d", os.Getpid())
	tb.Cleanup(func() {
		for _, dir := range tree.allDirs(parent) {
			_ = os.Remove(dir) // another test of this run may still be in it
		}
	})
	return fmt.Sprintf("%s/%x", parent, tb.Name())
}

func intoCgroup(dir *os.File) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
}
