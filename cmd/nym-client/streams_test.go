package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"nym-socks5/internal/clitest"
)

// flags are those by which a command finds a client and its profile.
func (b *testbed) flags(c *nymClient) []string {
	name := strings.Fields(c.Name())[0]
	return []string{"--listen", c.port, "--config", filepath.Join(b.dir, name+".toml"), "--state-dir", filepath.Join(b.dir, name)}
}

// forward runs a listener that passes streams on, and waits until it listens.
func (b *testbed) forward(t *testing.T, c *nymClient, port int, to string) *clitest.Running {
	t.Helper()
	r := clitest.Start(t, "listen", patience, b.bin, append([]string{"listen", strconv.Itoa(port), "--to", to}, b.flags(c)...)...)
	if got, want := r.Line(t), c.address+" "+strconv.Itoa(port); got != want {
		t.Errorf("listen prints %q, want %q", got, want)
	}
	return r
}

// dials runs a dial to its end.
func (b *testbed) dials(t *testing.T, c *nymClient, in string, args ...string) (out string, code int, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.bin, append(append([]string{"dial"}, args...), b.flags(c)...)...)
	cmd.Stdin = strings.NewReader(in)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return o.String(), cmd.ProcessState.ExitCode(), e.String()
}

// A pipe is a command's standard input and output as a connection.
type pipe struct {
	io.Reader
	io.WriteCloser
}

func (pipe) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (pipe) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (pipe) SetDeadline(time.Time) error      { return nil }
func (pipe) SetReadDeadline(time.Time) error  { return nil }
func (pipe) SetWriteDeadline(time.Time) error { return nil }

// serveSSH answers commands: "cat" gives back what it gets, until that ends.
func serveSSH(t *testing.T) (addr string, key ssh.PublicKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &ssh.ServerConfig{NoClientAuth: true}
	cfg.AddHostKey(signer)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	serve := func(c net.Conn) {
		defer c.Close()
		conn, channels, requests, err := ssh.NewServerConn(c, cfg)
		if err != nil {
			return
		}
		defer conn.Close()
		go ssh.DiscardRequests(requests)
		for wanted := range channels {
			channel, requests, err := wanted.Accept()
			if err != nil {
				return
			}
			go func() {
				for r := range requests {
					r.Reply(r.Type == "exec", nil)
					if r.Type != "exec" {
						continue
					}
					go func() {
						io.Copy(channel, channel)
						channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
						channel.Close()
					}()
				}
			}()
		}
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return ln.Addr().String(), signer.PublicKey()
}

// SSH goes from client to client, by a name, and a megabyte comes back whole; the
// connection ends when SSH does.
func TestSSHOverAddresses(t *testing.T) {
	b := newTestbed(t)
	alice, bob := b.start(t, "alice"), b.start(t, "bob")
	b.command(t, alice, "", "alias", "add", "bob", bob.address)
	addr, key := serveSSH(t)

	if out, code, said := b.dials(t, alice, "", "bob", "22"); code != 75 || out != "" || !strings.Contains(said, "port 22 is refused") {
		t.Errorf("where nobody listens: %q, exit code %d, %q", out, code, said)
	}
	listener := b.forward(t, bob, 22, addr)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const sessions = 3
	ended := make(chan error, sessions)
	for range sessions {
		cmd := exec.CommandContext(ctx, b.bin, append([]string{"dial", "bob", "22"}, b.flags(alice)...)...)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { ended <- errors.Join(catOverSSH(pipe{out, in}, key), cmd.Wait()) }()
	}
	for range sessions {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}

	// One who has said all still hears the answer.
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(c)
			c.Write(append([]byte("heard "), b...))
			c.Close()
		}
	}()
	again := b.forward(t, bob, 7, echo.Addr().String())
	if out, code, said := b.dials(t, alice, "hello", bob.address, "7"); code != 0 || out != "heard hello" || said != "" {
		t.Errorf("got %q, exit code %d, %q", out, code, said)
	}
	echo.Close()
	if _, code, said := b.dials(t, alice, "hello", "bob", "7"); code != 75 || !strings.Contains(said, "refused") {
		t.Errorf("where the target is gone: exit code %d, %q", code, said)
	}
	again.Says(t, "takes no connections", 1)
	for _, row := range []struct{ to, port, want string }{
		{"nosuch", "22", `"nosuch" is neither an address`}, {"0" + bob.address[1:], "22", "no address"}, {"bob", "ssh", "no port"},
	} {
		if _, code, said := b.dials(t, alice, "", row.to, row.port); code != 2 || !strings.Contains(said, row.want) {
			t.Errorf("dial %s %s: exit code %d, %q", row.to, row.port, code, said)
		}
	}
	if out, err := exec.Command(b.bin, append([]string{"listen", "22", "--to", addr}, b.flags(bob)...)...).CombinedOutput(); err == nil || !strings.Contains(string(out), "port 22 is in use") {
		t.Errorf("two at one port: %s, %v", out, err)
	}
	listener.End(t)
	again.End(t)
	alice.End(t)
	bob.End(t)
}

// catOverSSH sends a megabyte through SSH and wants it back.
func catOverSSH(c net.Conn, key ssh.PublicKey) error {
	conn, channels, requests, err := ssh.NewClientConn(c, "bob", &ssh.ClientConfig{User: "alice", HostKeyCallback: ssh.FixedHostKey(key)})
	if err != nil {
		return err
	}
	client := ssh.NewClient(conn, channels, requests)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	sent := make([]byte, 1<<20)
	rand.Read(sent)
	session.Stdin = bytes.NewReader(sent)
	got, err := session.Output("cat")
	if err == nil && !bytes.Equal(got, sent) {
		err = errors.New("what came back is not what was sent")
	}
	return err
}
