package cli

import (
	"fmt"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// reportCoreDumps prints what is in force.
func reportCoreDumps() {
	var lim unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_CORE, &lim)
	dumpable, err2 := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	fmt.Println(lim.Cur, lim.Max, dumpable, err, err2)
}

// hardening.md H36: "Core dumps off."
func TestH36CoreDumpsAreOff(t *testing.T) {
	out, err := exec.Command("core-dumps").Output()
	if got, want := string(out), "0 0 0 <nil> <nil>\n"; got != want || err != nil {
		t.Errorf("limit, hard limit, dumpable: %q, %v; want %q", got, err, want)
	}
}
