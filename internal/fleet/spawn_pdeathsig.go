//go:build linux || freebsd

package fleet

import (
	"os/exec"
	"runtime"
	"syscall"
)

// A spawner starts processes that the system ends when we die. The system means
// by that the thread which started them, so one thread starts all, and lives
// until the spawner is closed.
type spawner struct {
	asked chan spawn
	done  chan struct{}
}

type spawn struct {
	cmd    *exec.Cmd
	answer chan error
}

func newSpawner() *spawner {
	s := &spawner{make(chan spawn), make(chan struct{})}
	go func() {
		defer close(s.done)
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		for a := range s.asked {
			a.cmd.SysProcAttr = &syscall.SysProcAttr{
				Pdeathsig: syscall.SIGKILL,
				Setpgid:   true, // what the terminal sends to us is for us alone
			}
			a.answer <- a.cmd.Start()
		}
	}()
	return s
}

// start starts a process.
func (s *spawner) start(cmd *exec.Cmd) error {
	answer := make(chan error, 1)
	s.asked <- spawn{cmd, answer}
	return <-answer
}

// close lets the thread end. All processes must have ended.
func (s *spawner) close() {
	close(s.asked)
	<-s.done
}
