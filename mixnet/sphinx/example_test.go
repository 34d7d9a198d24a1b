package sphinx_test

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
)

// A packet is built for a route of three hops, and each hop takes its layer off.
func Example() {
	nodes := make(map[mixnet.NodeAddr]*keys.SphinxKey)
	job := sphinx.Job{
		Message: []byte("hello"),
		Packet:  make([]byte, mixnet.Regular.Total()),
	}
	rand.Read(job.Secret[:])
	rand.Read(job.Padding[:])
	for i := range 3 {
		addr := mixnet.NodeAddrFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 1789))
		nodes[addr] = keys.NewSphinxKey()
		job.Route = append(job.Route, sphinx.Hop{Addr: addr, Key: nodes[addr].Public(), Delay: 50 * time.Millisecond})
	}
	var b sphinx.Builder
	if err := b.Build([]sphinx.Job{job}); err != nil {
		fmt.Println(err)
		return
	}

	at := job.Route[0].Addr
	var w sphinx.Workspace
	for {
		batch := []sphinx.Packet{{Data: job.Packet, Keys: [2]*keys.SphinxKey{nodes[at]}}}
		w.Open(batch) // up to the replay tag, which a node looks up between the two
		w.Strip(batch)
		p := batch[0]
		if p.Err != nil {
			fmt.Println(p.Err)
			return
		}
		if p.Final {
			fmt.Printf("%v reads %q\n", at, p.Message)
			return
		}
		fmt.Printf("%v passes it on to %v after %v\n", at, p.Next, p.Delay)
		at = p.Next
	}
	// Output:
	// 192.0.2.1:1789 passes it on to 192.0.2.2:1789 after 50ms
	// 192.0.2.2:1789 passes it on to 192.0.2.3:1789 after 50ms
	// 192.0.2.3:1789 reads "hello"
}
