package cli

import (
	"context"
	"net"
	"os"
	"strconv"
	"time"
)

// A supervisor is who started us, if it is systemd (sd_notify(3)). The zero
// supervisor is nobody.
type supervisor struct {
	socket   string
	watchdog time.Duration // how often it wants to hear of us; zero: never
}

// supervisorOf reads what systemd puts into the environment.
func supervisorOf(env func(string) string) supervisor {
	s := supervisor{socket: env("NOTIFY_SOCKET")}
	if pid := env("WATCHDOG_PID"); s.socket != "" && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		if us, err := strconv.ParseInt(env("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 {
			s.watchdog = time.Duration(us) * time.Microsecond
		}
	}
	return s
}

// tell sends an assignment such as "READY=1". That nobody listens is no reason to stop.
func (s supervisor) tell(what string) {
	if s.socket == "" {
		return
	}
	// A name that begins with @ is an abstract one; package net knows.
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer c.Close()
	c.Write([]byte(what))
}

// watch tells that we live, until ctx ends.
func (s supervisor) watch(ctx context.Context) {
	if s.watchdog == 0 {
		return
	}
	t := time.NewTicker(s.watchdog / 2)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			s.tell("WATCHDOG=1")
		case <-ctx.Done():
			return
		}
	}
}
