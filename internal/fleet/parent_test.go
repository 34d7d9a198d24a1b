//go:build linux || freebsd

package fleet

import (
	"os"
	"os/exec"
	"testing"
)

// No process outlives the one that supervises it, even if that is killed.
func TestParentIsKilled(t *testing.T) {
	p := newPlay(t)
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = as("fleet", "DIR="+p.Dir)
	must(t, cmd.Start())
	for range 3 {
		p.born(t)
	}
	must(t, cmd.Process.Kill())
	cmd.Wait()
	for _, name := range []string{"a", "b", "c"} {
		p.dead(t, name)
	}
	// What is left of its sockets is in nobody's way.
	again := newPlay(t, "a")
	again.Dir, again.folder = p.Dir, p.folder
	end := again.run(t)
	again.born(t)
	again.ready(t)
	must(t, end())
}
