package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"directory": main,
		"get":       func() { os.Exit(ask(http.MethodGet, os.Args[1], nil)) },
		"announce":  func() { os.Exit(announce(os.Args[1], os.Args[2])) },
		"identity":  func() { fmt.Println(somebody(os.Args[1]).Public()) },
	})
}

// somebody is the same requester for the same name.
func somebody(name string) *keys.IdentityKey {
	var seed [keys.Size]byte
	copy(seed[:], name)
	return keys.IdentityKeyFromSeed(seed)
}

// ask makes a request until the directory answers something else than that it
// is not ready, and prints its answer.
func ask(method, url string, body []byte) int {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		req, err := http.NewRequest(method, url, bytes.NewReader(body))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode == http.StatusServiceUnavailable {
			<-tick.C
			continue
		}
		fmt.Println(resp.StatusCode, resp.Header.Get(directory.SealHeader))
		_, err = io.Copy(os.Stdout, resp.Body)
		resp.Body.Close()
		fmt.Println()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	fmt.Fprintln(os.Stderr, "nobody answers")
	return 1
}

// announce announces a requester and prints the answer.
func announce(url, name string) int {
	key := somebody(name)
	at := mixnet.Recipient{Identity: key.Public(), Encryption: keys.NewEncryptionKey().Public(), Gateway: somebody("gateway").Public()}
	said := directory.Announcement{
		Network: "testnet", Identity: key.Public(), Role: directory.RoleRequester, Sequence: uint64(time.Now().UnixNano()),
		Issued: time.Now().UTC(), Addresses: []mixnet.Recipient{at}, Build: "test",
	}
	b, err := said.Sign(key)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return ask(http.MethodPost, url, b)
}

// The scripts have, beside the usual commands,
//
//	exits CODE PROGRAM ARGS...   wants that exit code
//	address VAR                  an address that is free
//	listening VAR                an address where somebody listens
//	let VAR                      what was printed last
//	eventually TEXT PROGRAM ...  runs a program until it prints the text
//	hup                          sends HUP to all programs in the background
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":      exits,
			"address":    findAddress,
			"listening":  listening,
			"let":        let,
			"eventually": eventually,
			"hup":        hup,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", "atexit_sleep_ms=0")                      // else each program built with -race sleeps for a second
			e.Setenv("CONFIGURATION_DIRECTORY", e.Getenv("WORK")+"/etc") // whoever runs the tests
			e.Setenv("STATE_DIRECTORY", e.Getenv("WORK")+"/var")
			return nil
		},
	})
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit := new(exec.ExitError)
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func hup(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGHUP))
	}
}

// loopback is an address of this machine that nobody else uses, where there are many.
var loopback = func() string {
	if runtime.GOOS == "linux" {
		return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	}
	return "127.0.0.1"
}()

// freeAddr gives an address of this machine that is free.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

func findAddress(ts *testscript.TestScript, _ bool, args []string) {
	at, err := freeAddr()
	ts.Check(err)
	ts.Setenv(args[0], at)
}

func listening(ts *testscript.TestScript, _ bool, args []string) {
	ln, err := net.Listen("tcp", loopback+":0")
	ts.Check(err)
	ts.Defer(func() { ln.Close() })
	ts.Setenv(args[0], ln.Addr().String())
}

func let(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

func eventually(ts *testscript.TestScript, _ bool, args []string) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 200 {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		<-tick.C
	}
	ts.Fatalf("%v never prints %q", args[1:], args[0])
}
