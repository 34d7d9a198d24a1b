package socksclient

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/simnet"
)

// A turn of a scripted proxy: what it waits for, then what it says.
type turn struct{ want, say string }

// serve plays the script to the one client that comes, then echoes.
func serve(t *testing.T, ln net.Listener, script []turn) {
	c, err := ln.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	for _, s := range script {
		got := make([]byte, len(s.want))
		if _, err := io.ReadFull(c, got); err != nil {
			t.Errorf("proxy: %v before %x", err, s.want)
			return
		}
		if string(got) != s.want {
			t.Errorf("proxy: got %x, want %x", got, s.want)
			return
		}
		io.WriteString(c, s.say)
	}
	io.Copy(c, c)
}

func TestDial(t *testing.T) {
	const ok5 = "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	for _, tt := range []struct {
		name   string
		d      Dialer
		target string
		script []turn
		code   byte   // of a ReplyError
		fails  string // in another error
	}{
		{"name", Dialer{}, "example.org:80", []turn{
			{"\x05\x01\x00", "\x05\x00"},
			{"\x05\x01\x00\x03\x0bexample.org\x00\x50", ok5},
		}, 0, ""},
		{"IPv4", Dialer{}, "192.0.2.1:443", []turn{
			{"\x05\x01\x00", "\x05\x00"},
			{"\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb", "\x05\x00\x00\x03\x01x\x00\x00"},
		}, 0, ""},
		{"IPv6", Dialer{}, "[2001:db8::1]:443", []turn{
			{"\x05\x01\x00", "\x05\x00"},
			{"\x05\x01\x00\x04\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01\x01\xbb", "\x05\x00\x00\x04" + strings.Repeat("\x00", 18)},
		}, 0, ""},
		{"user and password", Dialer{User: "u", Password: "pw"}, "a.b:1", []turn{
			{"\x05\x02\x00\x02", "\x05\x02"},
			{"\x01\x01u\x02pw", "\x01\x00"},
			{"\x05\x01\x00\x03\x03a.b\x00\x01", ok5},
		}, 0, ""},
		{"password refused", Dialer{User: "u"}, "a.b:1", []turn{
			{"\x05\x02\x00\x02", "\x05\x02"},
			{"\x01\x01u\x00", "\x01\x01"},
		}, 0, "authentication refused"},
		{"no method", Dialer{}, "a.b:1", []turn{{"\x05\x01\x00", "\x05\xff"}}, 0, "authentication refused"},
		{"refused", Dialer{}, "a.b:1", []turn{
			{"\x05\x01\x00", "\x05\x00"},
			{"\x05\x01\x00\x03\x03a.b\x00\x01", "\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"},
		}, 5, ""},
		{"short reply", Dialer{}, "a.b:1", []turn{
			{"\x05\x01\x00", "\x05\x00"},
			{"\x05\x01\x00\x03\x03a.b\x00\x01", "\x05\x05"},
		}, 0, "deadline"},
		{"SOCKS4", Dialer{Version: V4, User: "me"}, "192.0.2.1:80", []turn{
			{"\x04\x01\x00\x50\xc0\x00\x02\x01me\x00", "\x00\x5a\x00\x00\x00\x00\x00\x00"},
		}, 0, ""},
		{"SOCKS4 name", Dialer{Version: V4}, "a.b:80", nil, 0, "IPv4 addresses only"},
		{"SOCKS4a", Dialer{Version: V4a}, "a.b:80", []turn{
			{"\x04\x01\x00\x50\x00\x00\x00\x01\x00a.b\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00"},
		}, 0x5B, ""},
		{"long name", Dialer{}, strings.Repeat("a", 256) + ":80", nil, 0, "at most 255"},
		{"no port", Dialer{}, "a.b", nil, 0, "missing port"},
		{"odd port", Dialer{}, "a.b:http", nil, 0, "port"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := simnet.New()
				ln, err := network.Listen("127.0.0.1:1080")
				if err != nil {
					t.Fatal(err)
				}
				done := make(chan struct{})
				go func() { defer close(done); serve(t, ln, tt.script) }()
				defer func() { ln.Close(); <-done }()

				tt.d.Proxy, tt.d.Dial = "127.0.0.1:1080", network.DialContext
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				c, err := tt.d.DialContext(ctx, "tcp", tt.target)
				var reply *ReplyError
				switch {
				case tt.code != 0:
					if !errors.As(err, &reply) || reply.Code != tt.code {
						t.Errorf("got %v, want reply %#x", err, tt.code)
					}
				case tt.fails != "":
					if err == nil || !strings.Contains(err.Error(), tt.fails) {
						t.Errorf("got %v, want %q in an error", err, tt.fails)
					}
				case err != nil:
					t.Error(err)
				default:
					echo(t, c)
				}
			})
		})
	}
}

// echo proves that the connection is at its first byte, and half-closes.
func echo(t *testing.T, c net.Conn) {
	defer c.Close()
	io.WriteString(c, "hello")
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Error(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "hello" {
		t.Errorf("echo: got %q, %v", got, err)
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := simnet.New()
		ln, err := network.Listen("127.0.0.1:1080")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close() // never accepts
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		d := Dialer{Proxy: "127.0.0.1:1080", Dial: network.DialContext}
		if _, err := d.DialContext(ctx, "tcp", "a.b:1"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
}
