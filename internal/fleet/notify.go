package fleet

import (
	"errors"
	"net"
	"os"
	"strings"
)

// A notice is what a process says of itself (sd_notify(3)).
type notice struct {
	ready  bool
	status string // empty: it said nothing of it
}

// parseNotice reads one datagram. What we do not ask for is left out.
func parseNotice(b []byte) (n notice) {
	for line := range strings.Lines(string(b)) {
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "="); name {
		case "READY":
			n.ready = value == "1"
		case "STATUS":
			n.status = value
		}
	}
	return n
}

// A noticeboard is the socket where one process tells how it stands.
type noticeboard struct {
	path string
	conn *net.UnixConn
}

func newNoticeboard(path string) (*noticeboard, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	return &noticeboard{path, conn}, nil
}

// lastNotice is what stands behind all that a process said.
const lastNotice = "FLEET_LAST=1\n"

// end lets read end when it has handed over what was said before.
func (b *noticeboard) end() {
	conn, err := net.Dial("unixgram", b.path)
	if err == nil {
		_, err = conn.Write([]byte(lastNotice))
		conn.Close()
	}
	if err != nil {
		b.conn.Close()
	}
}

// read hands over what is said until the end.
func (b *noticeboard) read(hand func(notice)) {
	buf := make([]byte, maxNotice)
	for {
		n, err := b.conn.Read(buf)
		if err != nil {
			return
		}
		if string(buf[:n]) == lastNotice {
			return
		}
		hand(parseNotice(buf[:n]))
	}
}

func (b *noticeboard) close() error {
	return errors.Join(b.conn.Close(), os.Remove(b.path))
}
