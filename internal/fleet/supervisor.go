package fleet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// A State is how a part stands.
type State uint8

// The states of a part.
//
//	Stopped ──start──▶ Starting ──says that it is ready▶ Running
//	   ▲                  │   ▲                            │
//	   │              died│   │pause is over               │died
//	   │                  ▼   │                            │
//	   │                 Waiting ◀─────────────────────────┘
//	   │
//	   └── stop and kill, from everywhere; Stopping until the process has ended
const (
	Stopped State = iota
	Starting
	Running
	Waiting // it died, and is started again after a pause
	Stopping
)

func (s State) String() string {
	return [...]string{"stopped", "starting", "running", "waiting", "stopping"}[s]
}

// MarshalText implements [encoding.TextMarshaler].
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *State) UnmarshalText(b []byte) error {
	for *s = Stopped; *s <= Stopping; *s++ {
		if s.String() == string(b) {
			return nil
		}
	}
	return fmt.Errorf("fleet: no state %q", b)
}

// pauseAfter gives the pause after a process that lived so long, given the one
// before it.
func pauseAfter(before, lived time.Duration) time.Duration {
	if before == 0 || lived >= steadyTime {
		return firstPause
	}
	return min(2*before, longPause)
}

// A verb is what a supervisor can be told to do.
type verb uint8

const (
	doStart verb = iota // answered when the part is up, or has died
	doStop              // answered when the process has ended
	doKill              // likewise
	doQuit              // likewise; then the supervisor ends
)

type order struct {
	verb   verb
	answer chan error // has room
}

// A supervisor keeps one part running, or stopped, as it is told. Its loop owns all
// that has no mutex.
type supervisor struct {
	net    *Network
	part   Part
	spawn  *spawner
	log    zerolog.Logger
	orders chan order    // unbuffered: who orders waits for the loop
	hurry  chan struct{} // closed: kill instead of waiting
	ended  chan struct{} // closed when the loop has ended

	proc    *process // nil: there is none
	began   time.Time
	pause   time.Duration // the last one
	wanted  bool          // it shall run
	quit    bool          // the loop ends when proc has
	up      []chan error  // wait until the part is up
	down    []chan error  // wait until proc has ended
	restart *time.Timer   // nil: it is not waiting
	late    *time.Timer   // nil: it was not asked to stop

	mu   sync.Mutex
	info Info
}

// An Info describes a part for people.
type Info struct {
	Name    string    `json:"name"`
	Program string    `json:"program"`
	State   State     `json:"state"`
	Status  string    `json:"status,omitempty"` // that it said last
	PID     int       `json:"pid,omitempty"`
	Since   time.Time `json:"since,omitzero"` // of the process
	Deaths  int       `json:"deaths"`         // how often it died without having been told to
}

func (s *supervisor) describe() Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info
}

func (s *supervisor) change(f func(*Info)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.info)
}

// loop keeps the part until told to quit.
func (s *supervisor) loop() {
	defer close(s.ended)
	hurry := s.hurry
	for !s.quit || s.proc != nil {
		var said <-chan notice
		var ended <-chan struct{}
		if s.proc != nil {
			said, ended = s.proc.said, s.proc.ended
		}
		select {
		case o := <-s.orders:
			s.obey(o)
		case n := <-said:
			s.hear(n)
		case <-ended:
			for len(said) > 0 { // what it said last was before its end
				s.hear(<-said)
			}
			s.reap()
		case <-expiry(s.restart):
			s.restart = nil
			s.begin()
		case <-expiry(s.late):
			s.proc.kill()
		case <-hurry:
			hurry = nil
			if s.proc != nil {
				s.proc.kill()
			}
		}
	}
}

// expiry is when a timer, which may be nil, expires.
func expiry(t *time.Timer) <-chan time.Time {
	if t == nil {
		return nil
	}
	return t.C
}

func (s *supervisor) obey(o order) {
	s.quit = s.quit || o.verb == doQuit
	s.wanted = o.verb == doStart && !s.quit
	if s.restart != nil {
		s.restart.Stop()
		s.restart = nil
	}
	switch {
	case o.verb == doStart && s.quit:
		o.answer <- errors.New("fleet: the network ends")
	case o.verb == doStart && s.late != nil:
		s.wanted = false
		o.answer <- fmt.Errorf("fleet: %s is still stopping", s.part.Name)
	case o.verb == doStart && s.describe().State == Running:
		o.answer <- fmt.Errorf("fleet: %s runs already", s.part.Name)
	case o.verb == doStart:
		s.up = append(s.up, o.answer)
		if s.proc == nil {
			s.begin()
		}
	case s.proc == nil:
		was := s.describe().State
		s.change(func(i *Info) { i.State, i.Status = Stopped, "" })
		if o.verb != doQuit && was == Stopped {
			o.answer <- fmt.Errorf("fleet: %s does not run", s.part.Name)
			return
		}
		o.answer <- nil
	default:
		s.down = append(s.down, o.answer)
		s.change(func(i *Info) { i.State = Stopping })
		if s.late == nil {
			s.late = time.NewTimer(s.net.limits.stop)
		}
		if o.verb == doKill {
			s.proc.kill()
		} else {
			s.proc.terminate()
		}
	}
}

// begin starts the process.
func (s *supervisor) begin() {
	s.began = time.Now()
	proc, err := s.net.start(s.spawn, s.part)
	if err != nil {
		s.died(err.Error())
		return
	}
	s.proc = proc
	s.change(func(i *Info) { i.State, i.Status, i.PID, i.Since = Starting, "", proc.pid(), s.began })
}

// hear takes what the process says of itself.
func (s *supervisor) hear(n notice) {
	if n.status != "" && s.net.heard != nil {
		s.net.heard(s.part.Name, n.status)
	}
	up := n.ready && s.describe().State == Starting
	s.change(func(i *Info) {
		if n.status != "" {
			i.Status = n.status
		}
		if up {
			i.State = Running
		}
	})
	if up {
		s.log.Info().Str("part", s.part.Name).Int64("took_ms", time.Since(s.began).Milliseconds()).Msg("up")
		s.tell(&s.up, nil)
	}
}

// reap is called when the process has ended.
func (s *supervisor) reap() {
	why := s.lastWords()
	s.proc = nil
	if s.late != nil {
		s.late.Stop()
		s.late = nil
	}
	if !s.wanted {
		s.change(func(i *Info) { i.State, i.Status, i.PID = Stopped, "", 0 })
		s.tell(&s.up, fmt.Errorf("fleet: %s was stopped", s.part.Name))
		s.tell(&s.down, nil)
		return
	}
	s.died(why)
}

// died has a part that ended by itself start again later.
func (s *supervisor) died(why string) {
	s.pause = pauseAfter(s.pause, time.Since(s.began))
	s.restart = time.NewTimer(s.pause)
	s.change(func(i *Info) { i.State, i.Status, i.PID, i.Deaths = Waiting, "", 0, i.Deaths+1 })
	s.log.Warn().Str("part", s.part.Name).Str("reason", why).Int64("retry_ms", s.pause.Milliseconds()).Msg("died")
	s.tell(&s.up, fmt.Errorf("fleet: %s ended before it was up: %s; its log is %s", s.part.Name, why, s.net.folder.log(s.part.Name)))
}

// tell answers all who wait.
func (s *supervisor) tell(who *[]chan error, what error) {
	for _, answer := range *who {
		answer <- what
	}
	*who = nil
}

// lastWords tells why the process ended: by the last line of its log, unless it
// was a signal that ended it.
func (s *supervisor) lastWords() string {
	state := s.proc.cmd.ProcessState
	if state.ExitCode() < 0 {
		return state.String()
	}
	f, err := os.Open(s.net.folder.log(s.part.Name))
	if err != nil {
		return state.String()
	}
	defer f.Close()
	const tail = 4096
	if info, err := f.Stat(); err == nil && info.Size() > tail {
		f.Seek(-tail, io.SeekEnd)
	}
	b, err := io.ReadAll(io.LimitReader(f, tail))
	if line := lastLine(b); err == nil && line != "" {
		return line
	}
	return state.String()
}
