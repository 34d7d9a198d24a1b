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

// Pauses before a part is started again that died by itself.
const (
	firstPause = 250 * time.Millisecond
	longPause  = 10 * time.Second
	steadyTime = 30 * time.Second // a process that lived this long was a good one
)

// pauseAfter gives the pause after a process that lived so long, given the one
// before it.
func pauseAfter(before, lived time.Duration) time.Duration {
	if before == 0 || lived >= steadyTime {
		return firstPause
	}
	return min(2*before, longPause)
}

// A verb is what a keeper can be told to do.
type verb uint8

const (
	doStart verb = iota // answered when the part is up, or has died
	doStop              // answered when the process has ended
	doKill              // likewise
	doQuit              // likewise; then the keeper ends
)

type order struct {
	verb   verb
	answer chan error // has room
}

// A keeper keeps one part running, or stopped, as it is told. Its loop owns all
// that has no mutex.
type keeper struct {
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

func (k *keeper) describe() Info {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.info
}

func (k *keeper) change(f func(*Info)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(&k.info)
}

// loop keeps the part until told to quit.
func (k *keeper) loop() {
	defer close(k.ended)
	hurry := k.hurry
	for !k.quit || k.proc != nil {
		var said <-chan notice
		var ended <-chan struct{}
		if k.proc != nil {
			said, ended = k.proc.said, k.proc.ended
		}
		select {
		case o := <-k.orders:
			k.obey(o)
		case n := <-said:
			k.hear(n)
		case <-ended:
			for len(said) > 0 { // what it said last was before its end
				k.hear(<-said)
			}
			k.bury()
		case <-expiry(k.restart):
			k.restart = nil
			k.begin()
		case <-expiry(k.late):
			k.proc.kill()
		case <-hurry:
			hurry = nil
			if k.proc != nil {
				k.proc.kill()
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

func (k *keeper) obey(o order) {
	k.quit = k.quit || o.verb == doQuit
	k.wanted = o.verb == doStart && !k.quit
	if k.restart != nil {
		k.restart.Stop()
		k.restart = nil
	}
	switch {
	case o.verb == doStart && k.quit:
		o.answer <- errors.New("fleet: the network ends")
	case o.verb == doStart && k.late != nil:
		k.wanted = false
		o.answer <- fmt.Errorf("fleet: %s is still stopping", k.part.Name)
	case o.verb == doStart && k.describe().State == Running:
		o.answer <- fmt.Errorf("fleet: %s runs already", k.part.Name)
	case o.verb == doStart:
		k.up = append(k.up, o.answer)
		if k.proc == nil {
			k.begin()
		}
	case k.proc == nil:
		was := k.describe().State
		k.change(func(i *Info) { i.State, i.Status = Stopped, "" })
		if o.verb != doQuit && was == Stopped {
			o.answer <- fmt.Errorf("fleet: %s does not run", k.part.Name)
			return
		}
		o.answer <- nil
	default:
		k.down = append(k.down, o.answer)
		k.change(func(i *Info) { i.State = Stopping })
		if k.late == nil {
			k.late = time.NewTimer(k.net.limits.stop)
		}
		if o.verb == doKill {
			k.proc.kill()
		} else {
			k.proc.terminate()
		}
	}
}

// begin starts the process.
func (k *keeper) begin() {
	k.began = time.Now()
	proc, err := k.net.start(k.spawn, k.part)
	if err != nil {
		k.died(err.Error())
		return
	}
	k.proc = proc
	k.change(func(i *Info) { i.State, i.Status, i.PID, i.Since = Starting, "", proc.pid(), k.began })
}

// hear takes what the process says of itself.
func (k *keeper) hear(n notice) {
	up := n.ready && k.describe().State == Starting
	k.change(func(i *Info) {
		if n.status != "" {
			i.Status = n.status
		}
		if up {
			i.State = Running
		}
	})
	if up {
		k.log.Info().Str("part", k.part.Name).Dur("took", time.Since(k.began)).Msg("up")
		k.tell(&k.up, nil)
	}
}

// bury is called when the process has ended.
func (k *keeper) bury() {
	why := k.lastWords()
	k.proc = nil
	if k.late != nil {
		k.late.Stop()
		k.late = nil
	}
	if !k.wanted {
		k.change(func(i *Info) { i.State, i.Status, i.PID = Stopped, "", 0 })
		k.tell(&k.up, fmt.Errorf("fleet: %s was stopped", k.part.Name))
		k.tell(&k.down, nil)
		return
	}
	k.died(why)
}

// died has a part that ended by itself start again later.
func (k *keeper) died(why string) {
	k.pause = pauseAfter(k.pause, time.Since(k.began))
	k.restart = time.NewTimer(k.pause)
	k.change(func(i *Info) { i.State, i.Status, i.PID, i.Deaths = Waiting, "", 0, i.Deaths+1 })
	k.log.Warn().Str("part", k.part.Name).Str("reason", why).Dur("retry", k.pause).Msg("died")
	k.tell(&k.up, fmt.Errorf("fleet: %s ended before it was up: %s; its log is %s", k.part.Name, why, k.net.folder.log(k.part.Name)))
}

// tell answers all who wait.
func (k *keeper) tell(who *[]chan error, what error) {
	for _, answer := range *who {
		answer <- what
	}
	*who = nil
}

// lastWords tells why the process ended: by the last line of its log, unless it
// was a signal that ended it.
func (k *keeper) lastWords() string {
	state := k.proc.cmd.ProcessState
	if state.ExitCode() < 0 {
		return state.String()
	}
	f, err := os.Open(k.net.folder.log(k.part.Name))
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
