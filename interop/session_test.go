package interop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nym-socks5/localnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

// Nym's client comes back with the keys it had: its gateway knows it, its
// address is the same, and what was sent to it meanwhile is there, once.
func TestWasmReturns(t *testing.T) {
	w := newWorld(t, localnet.Spec{Traffic: client.Fast()})
	// Version 1.4.1 chooses a gateway anew at each start unless it is told one.
	options := fmt.Sprintf(`{"clientId":"interop","preferredGateway":%q}`, w.network.Gateways()[1].Identity)
	file := filepath.Join(t.TempDir(), "storage")
	comesBack(t, w, func() *foreign { return startForeign(t, w.api, options, file) })
}

// comesBack has Nym's client leave and return, twice. start starts the one that
// there was before.
func comesBack(t *testing.T, w *world, start func() *foreign) {
	our := w.ours(t, w.network.Gateways()[0].Identity, client.Traffic{})
	echo := func(f *foreign, body string) {
		t.Helper()
		f.send(t, f.address, []byte(body))
		f.wantBodies(t, body)
	}

	first := start()
	echo(first, "here I am")
	first.quit(t)

	// Mail for one who is away: its gateway keeps it and acknowledges it.
	mail := []string{"first", "second", string(noise(big))}
	for _, m := range mail {
		done := make(chan error, 1)
		err := our.Send(context.Background(), first.address, []byte(m), mixnet.SendOptions{SURBs: -1, Done: func(err error) { done <- err }})
		if err != nil {
			t.Fatal(err)
		}
		our.wantDone(t, "mail", done)
	}

	second := start()
	if second.address != first.address {
		t.Errorf("its address was %v and is %v", first.address, second.address)
	}
	second.wantBodies(t, mail...)
	echo(second, "got it all") // and nothing twice, or it would stand before this
	t.Run("speaks as before", func(t *testing.T) {
		second.ask(t, our.Address(), []byte("who am I"), 30)
		m := our.receive(t, "an anonymous message")
		done := make(chan error, 1)
		if err := our.Reply(context.Background(), m.From, []byte("as before"), mixnet.SendOptions{Done: func(err error) { done <- err }}); err != nil {
			t.Fatal(err)
		}
		second.wantBodies(t, "as before")
		our.wantDone(t, "reply", done) // or it might be sent once more, to the third
	})
	second.quit(t)

	// What it has it does not get again.
	third := start()
	echo(third, "once more")
	err := our.Send(context.Background(), third.address, []byte("welcome"), mixnet.SendOptions{SURBs: -1})
	if err != nil {
		t.Fatal(err)
	}
	third.wantBodies(t, "welcome")
}

// Two of Nym's clients with one key (nodes.md §1.9): the one that came last has the
// session, and keeps it, whatever the other one does to come back. Once that is
// gone too, the first can start again.
func TestWasmTwoWithOneKey(t *testing.T) {
	w := newWorld(t, localnet.Spec{Traffic: client.Fast()})
	options := fmt.Sprintf(`{"clientId":"interop","preferredGateway":%q}`, w.network.Gateways()[1].Identity)
	folder := t.TempDir()
	start := func(file string) *foreign { return startForeign(t, w.api, options, filepath.Join(folder, file)) }
	echo := func(f *foreign, body string) {
		t.Helper()
		f.send(t, f.address, []byte(body))
		f.wantBodies(t, body)
	}
	made := start("one")
	echo(made, "made")
	made.quit(t)
	keys, err := os.ReadFile(filepath.Join(folder, "one"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "two"), keys, 0o600); err != nil {
		t.Fatal(err)
	}

	one := start("one")
	echo(one, "one is here")
	nextSecond()
	two := start("two") // which fails if the gateway waits for the other to go
	if two.address != one.address {
		t.Fatalf("two addresses: %v and %v", one.address, two.address)
	}
	for i := range 12 { // as long as Nym's clients try to come back
		echo(two, fmt.Sprint("two is here ", i))
		time.Sleep(5 * time.Second)
	}
	two.quit(t)
	nextSecond()
	again := start("two")
	echo(again, "and back")
}
