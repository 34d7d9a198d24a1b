//go:build !linux && !freebsd

package fleet

import "os/exec"

// A spawner starts processes. Here nothing ends them if we are killed.
type spawner struct{}

func newSpawner() *spawner { return new(spawner) }

func (*spawner) start(cmd *exec.Cmd) error { return cmd.Start() }

func (*spawner) close() {}
