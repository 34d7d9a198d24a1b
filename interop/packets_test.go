package interop

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"nym-socks5/localnet"
	"nym-socks5/localnet/trace"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
)

// samples is how many packets of each kind are compared.
const samples = 2000

// Packets of Nym's client and of ours, taken apart layer by layer, cannot be told
// apart by what the nodes on their way find in them, but for what this test
// states: version 1.4.1 tells its gateway no key rotation, its cover has another Sphinx
// version than its messages, and that of the loop stream its own delays.
func TestWasmPackets(t *testing.T) {
	var tp tape
	w := newWorld(t, localnet.Spec{Traffic: client.Fast(), Gateways: 7, Trace: tp.add}) // the network's own clients are silent
	gateways := w.network.Gateways()
	at := func(i int) keys.Identity { return gateways[i-1].Identity }
	foreign := func(t *testing.T, i int, name, settings string) *foreign {
		f := w.foreign(t, fmt.Sprintf(`{"clientId":%q,"preferredGateway":%q,"clientOverride":{%s}}`, name, at(i), settings))
		w.net.Name(f.address.Identity, name)
		return f
	}
	ours := func(t *testing.T, i int, name string, tr client.Traffic) *ours {
		o := w.ours(t, at(i), tr)
		w.net.Name(o.Address().Identity, name)
		return o
	}
	// Each client has a gateway to itself, so that the entry tells whose packets
	// they are. Nym's client cannot keep up with the interval that it is given:
	// it sends about as often as ours.
	const mainOnly = `"traffic":{"messageSendingAverageDelayMs":4},"coverTraffic":{"disableLoopCoverTrafficStream":true}`
	paced := client.Traffic{SendEvery: 14 * time.Millisecond, CoverEvery: client.Off}
	nym, our := foreign(t, 2, "nym", mainOnly), ours(t, 5, "ours", paced)

	// What differs is in this place, and nowhere else: version 1.4.1 speaks
	// protocol 4 with its gateway, which has no place for a rotation
	// (nodes.md §1.4 rule 5); ours speaks 6.
	rotation := func(of map[string]int, is string) map[string]int {
		t.Helper()
		return replaced(t, of, "key rotation: "+is+"\n", "")
	}
	loops := func(r *trace.Record) bool { return r.Loop() }
	to := func(name string) func(*trace.Record) bool {
		return func(r *trace.Record) bool { return r.Dest == name }
	}

	began := time.Now()
	t.Run("messages", func(t *testing.T) {
		exchangeMegabytes(t, nym, our)
		theirs, ours := tp.await(t, 3*megabyte/1611, began, "gateway-2", to("ours")), tp.await(t, 3*megabyte/1611, began, "gateway-5", to("nym"))
		sameStructures(t, "messages", rotation(structures(theirs, "nym"), "unknown"), rotation(structures(ours, "ours"), "odd"))
		compareDelays(t, "messages", theirs, ours)
		uniform(t, "Nym's messages", theirs)
		uniform(t, "our messages", ours)
	})
	// What comes by reply SURBs has the layers that the asking client made.
	t.Run("replies", func(t *testing.T) {
		const n, surbs = 300_000, 200
		began := time.Now()
		nym.ask(t, our.Address(), []byte("tell me all"), surbs)
		m := our.receive(t, "an anonymous message")
		if err := our.Reply(context.Background(), m.From, noise(n), mixnet.SendOptions{}); err != nil {
			t.Fatal(err)
		}
		want(t, "reply", nym.want(t, "message").Body, noise(n))
		// All that our client sends to Nym's meanwhile goes by SURBs of Nym's.
		theirs := tp.await(t, n/1611, began, "gateway-5", to("nym"))

		began = time.Now()
		tag := mixnet.NewSenderTag()
		if err := our.Send(context.Background(), nym.address, []byte("tell me all"), mixnet.SendOptions{As: tag, SURBs: surbs}); err != nil {
			t.Fatal(err)
		}
		want(t, "question", nym.want(t, "message").Body, []byte("tell me all"))
		nym.reply(t, tag, noise(n))
		want(t, "reply", our.receive(t, "a long reply").Body, noise(n))
		ours := tp.await(t, n/1611, began, "gateway-2", to("ours"))

		// The rotation is the one that the SURBs were made for, if the protocol
		// with the gateway has a place for it.
		sameStructures(t, "replies", rotation(structures(theirs, "ours"), "odd"), rotation(structures(ours, "nym"), "unknown"))
		compareDelays(t, "replies", theirs, ours)
	})
	t.Run("cover of the main stream", func(t *testing.T) {
		foreign(t, 3, "nym idle", mainOnly)
		paced := paced
		paced.Version = 258
		ours(t, 6, "ours 258", paced)
		collect := func(a, b string) []trace.Record {
			return append(tp.await(t, samples/2, began, a, loops), tp.await(t, samples/2, began, b, loops)...)
		}
		// Of the same version, nothing differs.
		nymCover := rotation(structures(tp.await(t, samples/2, began, "gateway-3", loops), "nym idle"), "unknown")
		ourCover := rotation(structures(tp.await(t, samples/2, began, "gateway-6", loops), "ours 258"), "odd")
		sameStructures(t, "cover", nymCover, ourCover)
		theirs, ours := collect("gateway-2", "gateway-3"), collect("gateway-5", "gateway-6")
		compareDelays(t, "cover", theirs, ours)
		uniform(t, "Nym's cover", theirs)
		uniform(t, "our cover", ours)
		// sphinx.md §8 trap 1: "data packets, their acks and reply SURBs are 259 /
		// v2 lists, while cover packets (loop stream and Poisson filler) and their
		// acks are 258". Ours has one version for all (H03).
		ours = tp.since(began, "gateway-5", loops)
		as259 := replaced(t, replaced(t, nymCover, "\nsphinx versions: 258, 258, 258, 258\n", "\nsphinx versions: 259, 259, 259, 259\n"),
			"\nack sphinx versions: 258, 258, 258, 258\n", "\nack sphinx versions: 259, 259, 259, 259\n")
		sameStructures(t, "cover but for its version", as259, rotation(structures(ours, "ours"), "odd"))
	})
	t.Run("cover of the loop stream", func(t *testing.T) {
		foreign(t, 4, "nym loop", `"traffic":{"averagePacketDelayMs":60,"disableMainPoissonPacketDistribution":true},"coverTraffic":{"loopCoverTrafficAverageDelayMs":20}`)
		theirs := tp.await(t, samples/4, began, "gateway-4", loops)
		sameStructures(t, "loop cover", rotation(structures(theirs, "nym loop"), "unknown"),
			rotation(structures(tp.since(began, "gateway-6", loops), "ours 258"), "odd"))
		// sphinx.md §6.4: "older clients (1.4.1 and 1.4.4 included) used the
		// stream's own average [...] as the hop-delay mean". Here it is 20 ms,
		// and that of other packets 60 ms.
		packets, acks := delays(theirs)
		exponential(t, "Nym's loop cover", packets, 20*time.Millisecond)
		exponential(t, "SURB-ACKs of Nym's loop cover", acks, 15*time.Millisecond)
	})
	// The setting for the old format has no effect on messages, sphinx.md §8 trap 1.
	t.Run("messages in large packets", func(t *testing.T) {
		big := client.Fast()
		big.Size = mixnet.Extended32
		nym := foreign(t, 7, "nym big", `"traffic":{"useExtendedPacketSize":true,"useLegacySphinxFormat":true}`)
		our := ours(t, 1, "ours big", big)
		large := func(to string) func(*trace.Record) bool {
			return func(r *trace.Record) bool { return r.Dest == to && r.Size == mixnet.Extended32 }
		}
		nym.send(t, our.Address(), noise(megabyte))
		want(t, "a megabyte to ours", our.receive(t, "a megabyte").Body, noise(megabyte))
		if err := our.Send(context.Background(), nym.address, noise(megabyte), mixnet.SendOptions{SURBs: -1}); err != nil {
			t.Fatal(err)
		}
		want(t, "a megabyte to Nym's", nym.want(t, "message").Body, noise(megabyte))
		theirs, ours := tp.await(t, megabyte/32331, began, "gateway-7", large("ours big")), tp.await(t, megabyte/32331, began, "gateway-1", large("nym big"))
		sameStructures(t, "large messages", rotation(structures(theirs, "nym big"), "unknown"), rotation(structures(ours, "ours big"), "odd"))
	})
}

// exchangeMegabytes has both clients send three messages of about a megabyte.
func exchangeMegabytes(t *testing.T, nym *foreign, our *ours) {
	t.Helper()
	for i := range 3 { // each is a third of the packets
		body := noise(megabyte + i)
		done := make(chan error, 1)
		nym.send(t, our.Address(), body)
		err := our.Send(context.Background(), nym.address, body, mixnet.SendOptions{SURBs: -1, Done: func(err error) { done <- err }})
		if err != nil {
			t.Fatal(err)
		}
		want(t, "a megabyte to ours", our.receive(t, "a megabyte").Body, body)
		want(t, "a megabyte to Nym's", nym.want(t, "message").Body, body)
		our.wantDone(t, "a megabyte", done)
	}
}

// replaced replaces what must occur once in each structure.
func replaced(t *testing.T, of map[string]int, old, new string) map[string]int {
	t.Helper()
	out := make(map[string]int)
	for s, n := range of {
		if strings.Count(s, old) != 1 {
			t.Errorf("%d packets without %q:\n%s", n, old, s)
		}
		out[strings.Replace(s, old, new, 1)] += n
	}
	return out
}

func compareDelays(t *testing.T, what string, nym, ours []trace.Record) {
	t.Helper()
	nymPackets, nymAcks := delays(nym)
	ourPackets, ourAcks := delays(ours)
	sameDelays(t, what, nymPackets, ourPackets)
	sameDelays(t, "SURB-ACKs of "+what, nymAcks, ourAcks)
}

// exponential compares a sample with the distribution of that mean: the
// Kolmogorov-Smirnov test for one sample.
func exponential(t *testing.T, what string, sample []time.Duration, mean time.Duration) {
	t.Helper()
	d, limit := kolmogorovSmirnovExp(sample, mean, falseAlarm)
	t.Logf("%s: %d delays, mean %v, KS distance from an exponential of %v %.4f, limit %.4f", what, len(sample), meanOf(sample), mean, d, limit)
	if d > limit {
		t.Errorf("%s: delays of mean %v are not exponential of mean %v", what, meanOf(sample), mean)
	}
}

// uniform checks that routes, of packets and SURB-ACKs, go by both mixes of each
// layer equally often. Half of n is missed by 5.5 standard deviations less than
// once in ten million times.
func uniform(t *testing.T, what string, sent []trace.Record) {
	t.Helper()
	routes := make([]*trace.Packet, 0, 2*len(sent))
	for i := range sent {
		routes = append(routes, &sent[i].Packet, sent[i].Ack)
	}
	for layer := 1; layer <= 3; layer++ {
		firsts := 0
		for _, p := range routes {
			if p.Layers[layer-1].Node == fmt.Sprintf("mix-%d-1", layer) {
				firsts++
			}
		}
		n := float64(len(routes))
		if off := math.Abs(float64(firsts) - n/2); off > 5.5*math.Sqrt(n)/2 {
			t.Errorf("%s: %d of %d routes go by mix-%d-1, want half", what, firsts, len(routes), layer)
		}
	}
}
