package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nym-socks5/internal/cli"
	"nym-socks5/internal/clitest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

func TestMain(m *testing.M) {
	clitest.Main(m, map[string]func() int{
		"directory": func() int { return cli.Main(program()) },
		"get":       func() int { return ask(http.MethodGet, os.Args[1], nil) },
		"announce":  func() int { return announce(os.Args[1], os.Args[2], os.Args[3:]) },
		"identity":  func() int { fmt.Println(somebody(os.Args[1]).Public()); return 0 },
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

// announce announces a requester, with the link of an invitation if there is one, and
// prints the answer.
func announce(url, name string, links []string) int {
	var invite *keys.IdentityKey
	for _, link := range links {
		_, text, _ := strings.Cut(link, ",invite=")
		secret, err := directory.ParseInvite(text)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		invite = secret.Key()
	}
	key := somebody(name)
	at := mixnet.Recipient{Identity: key.Public(), Encryption: keys.NewEncryptionKey().Public(), Gateway: somebody("gateway").Public()}
	said := directory.Announcement{
		Network: "testnet", Identity: key.Public(), Role: directory.RoleRequester, Sequence: uint64(time.Now().UnixNano()),
		Issued: time.Now().UTC(), Addresses: []mixnet.Recipient{at}, Build: "test",
	}
	b, err := said.SignInvited(key, invite)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return ask(http.MethodPost, url, b)
}

// The scripts have, beside those of clitest,
//
//	let VAR [NAME]               what was printed last, or the fact of that name in it
//	eventually TEXT PROGRAM ...  runs a program until it prints the text
//	hup                          sends HUP to all programs in the background
func TestScripts(t *testing.T) {
	clitest.Scripts(t, clitest.Commands{
		"let":        let,
		"eventually": eventually,
		"hup":        hup,
	})
}

func hup(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGHUP))
	}
}

func let(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.TrimSpace(ts.ReadFile("stdout"))
	if len(args) == 1 {
		ts.Setenv(args[0], text)
		return
	}
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) == 2 && words[0] == args[1] {
			ts.Setenv(args[0], words[1])
			return
		}
	}
	ts.Fatalf("no %s was printed", args[1])
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
