package socks

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
)

var errTooLong = errors.New("socks: text too long")

// serve4 serves a SOCKS4 or 4a connection.
//
//	+---+----+------+---------+--------+---+------+---+
//	| 4 | CD | port | address | userid | 0 | name | 0 |   name: 4a, address 0.0.0.x
//	+---+----+------+---------+--------+---+------+---+
func (c *conn) serve4() {
	var head [8]byte
	if _, err := io.ReadFull(c.front.in, head[:]); err != nil {
		return
	}
	user, err := c.readZeroEnded(maxUserID)
	if err != nil {
		c.refuse4(err, codeFailure)
		return
	}
	host := netip.AddrFrom4([4]byte(head[4:8])).String()
	if head[4] == 0 && head[5] == 0 && head[6] == 0 && head[7] != 0 {
		if host, err = c.readZeroEnded(maxName4); err != nil {
			c.refuse4(err, codeUnreachable)
			return
		}
	}
	if head[1] != 1 {
		c.reply4(codeCommand)
		return
	}
	who := owner{}
	if user != "" {
		who = owner{kind: "socks4", user: user}
	}
	if c.reply4(c.open(host, binary.BigEndian.Uint16(head[2:4]), who)) {
		c.relay()
	}
}

// refuse4 answers a request that could not be read, unless the application is
// gone.
func (c *conn) refuse4(err error, why code) {
	if errors.Is(err, errTooLong) {
		c.reply4(why)
	}
}

// reply4 sends a reply and reports whether bytes may flow.
func (c *conn) reply4(what code) bool {
	flows := c.reply(what.v4(), what)
	if what != codeSucceeded {
		c.front.linger()
	}
	return flows
}

// readZeroEnded reads up to the next zero byte, at most max bytes before it.
func (c *conn) readZeroEnded(max int) (string, error) {
	var text []byte
	for {
		b, err := c.front.in.ReadByte()
		switch {
		case err != nil:
			return "", err
		case b == 0:
			return string(text), nil
		case len(text) == max:
			return "", errTooLong
		}
		text = append(text, b)
	}
}
