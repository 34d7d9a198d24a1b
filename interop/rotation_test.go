package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

// Nym's client and ours go on while all nodes change their Sphinx keys, again
// and again (sphinx.md §7, nodes.md §3.7): no message is lost, and one can answer
// with the SURBs of the rotation before.
func TestWasmKeyRotation(t *testing.T) {
	w := runPrograms(t, rotating)
	// Its own interval is five minutes, an epoch of the public network an hour.
	changeKeys(t, w, w.foreign(t, `{"clientId":"interop","clientOverride":{"topology":{"topologyRefreshRateMs":1000}}}`))
}

// rotating is a network whose nodes change their keys every twenty seconds.
var rotating = network{epoch: 10 * time.Second}

// changeKeys has Nym's client and ours talk until the nodes have changed their
// keys twice.
func changeKeys(t *testing.T, w *world, nym *foreign) {
	const changes = 2
	our := w.ours(t, w.network.Gateways()[0].Identity, client.Traffic{})

	exchange := func(what string) (stranger mixnet.SenderTag) {
		t.Helper()
		nym.send(t, our.Address(), []byte("to ours "+what))
		want(t, "message to ours", our.receive(t, "a message").Body, []byte("to ours "+what))
		if err := our.Send(context.Background(), nym.address, []byte("to Nym's "+what), mixnet.SendOptions{SURBs: -1}); err != nil {
			t.Fatal(err)
		}
		nym.wantBodies(t, "to Nym's "+what)
		nym.ask(t, our.Address(), []byte("question "+what), 30)
		m := our.receive(t, "an anonymous message")
		want(t, "question", m.Body, []byte("question "+what))
		return m.From
	}
	answer := func(stranger mixnet.SenderTag, what string) {
		t.Helper()
		if err := our.Reply(context.Background(), stranger, []byte("answer "+what), mixnet.SendOptions{}); err != nil {
			t.Fatal(err)
		}
		nym.wantBodies(t, "answer "+what)
	}

	pause := time.NewTicker(300 * time.Millisecond) // a second of it all is a second of work
	defer pause.Stop()
	began := w.rotation(t)
	now := began
	for n, before := 0, 0; now < began+changes; n++ {
		what := fmt.Sprintf("%d in rotation %d", n, now)
		stranger := exchange(what)
		if later := w.rotation(t); later != now { // answered with SURBs of before
			t.Logf("rotation %d after %d exchanges in %d", later, n-before, now)
			now, before = later, n
		}
		answer(stranger, what)
		<-pause.C
	}
	answer(exchange("last"), "last")
}

// rotation asks the directory for the number of the key rotation.
func (w *world) rotation(t *testing.T) int {
	t.Helper()
	r, err := http.Get(w.api + "v1/epoch/key-rotation-info")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var info struct {
		Progress struct {
			Current int `json:"current_key_rotation_id"`
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&info); err != nil {
		t.Fatal(err)
	}
	return info.Progress.Current
}
