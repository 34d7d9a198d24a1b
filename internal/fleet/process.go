package fleet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
)

// A process is one life of a part.
type process struct {
	cmd   *exec.Cmd
	said  chan notice   // full: the reader waits, and the system keeps the rest
	ended chan struct{} // closed when it has ended, and all it said is in said or was read; err is set before
	err   error         // nil: with exit code 0
}

// start starts a part's program. The caller waits until it has ended.
func (n *Network) start(s *spawner, p Part) (_ *process, err error) {
	board, err := newNoticeboard(n.folder.socket(p.Name))
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(n.folder.log(p.Name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, errors.Join(err, board.close())
	}
	defer log.Close()
	cmd := exec.Command(n.programs[p.Program], slices.Concat([]string{"run"}, n.folder.instance(p.Name), p.flags)...)
	cmd.Env = append(environment(os.Environ()), "NOTIFY_SOCKET="+board.path)
	cmd.Dir = n.Dir
	cmd.Stdout, cmd.Stderr = log, log
	if err := s.start(cmd); err != nil {
		return nil, errors.Join(fmt.Errorf("fleet: start %s: %w", p.Name, err), board.close())
	}
	proc := &process{cmd: cmd, said: make(chan notice, 16), ended: make(chan struct{})}
	var reader sync.WaitGroup
	reader.Go(func() { board.read(func(n notice) { proc.said <- n }) })
	go func() { // whoever waits for ended, and reads what is said until then, waits for both
		defer close(proc.ended)
		proc.err = cmd.Wait()
		board.end()
		reader.Wait()
		board.close()
	}()
	return proc, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// terminate asks the process to end, kill ends it. One that has ended is fine.
func (p *process) terminate() error { return p.signal(syscall.SIGTERM) }
func (p *process) kill() error      { return p.signal(os.Kill) }

func (p *process) signal(s os.Signal) error {
	if err := p.cmd.Process.Signal(s); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}
