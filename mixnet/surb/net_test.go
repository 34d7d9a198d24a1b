package surb

import (
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// node is a mix node or gateway of a test.
type node struct {
	addr mixnet.NodeAddr
	key  *keys.SphinxKey
}

func (n node) hop(delay time.Duration) sphinx.Hop {
	return sphinx.Hop{Addr: n.addr, Key: n.key.Public(), Delay: delay}
}

// newNodes makes three mix nodes and a gateway.
func newNodes() (nodes []node, route []sphinx.Hop) {
	for i := range 4 {
		ap := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 1789)
		n := node{mixnet.NodeAddrFrom(ap), keys.NewSphinxKey()}
		nodes = append(nodes, n)
		route = append(route, n.hop(time.Duration(i)*time.Millisecond))
	}
	return nodes, route
}

// walk sends a packet from node to node and gives what comes out at the end.
func walk(t *testing.T, nodes []node, first mixnet.NodeAddr, packet []byte) sphinx.Packet {
	t.Helper()
	var w sphinx.Workspace
	for range sphinx.MaxHops {
		var at node
		for _, n := range nodes {
			if n.addr == first {
				at = n
			}
		}
		batch := []sphinx.Packet{{Data: packet, Keys: [2]*keys.SphinxKey{at.key}}}
		if w.Open(batch); batch[0].Err == nil {
			w.Strip(batch)
		}
		p := batch[0]
		if p.Err != nil {
			t.Fatalf("at %v: %v", first, p.Err)
		}
		if p.Final {
			return p
		}
		first = p.Next
	}
	t.Fatal("the packet does not end")
	panic("unreachable")
}

// vectors is what the tests use of testdata/surb-ack.json.
type vectors struct {
	Nodes []struct {
		ID      int
		Address string
		Private string `json:"sphinx_private"`
	}
	Client struct {
		Identity string `json:"identity_public"`
		AckKey   string `json:"ack_key"`
	}
	Acks []struct {
		Bytes        string
		FirstHop     string `json:"first_hop"`
		Route        []int
		Padding      string `json:"final_padding"`
		Content      string
		IV           string
		Identifier   string
		Set          uint32  `json:"set_id"`
		Pos          uint8   `json:"position"`
		Secret       string  `json:"initial_secret"`
		DelaysNs     []int64 `json:"delays_ns"`
		Reproducible bool
	}
	Opening []struct {
		Content    string
		Identifier *string
	}
	Egress []struct {
		Name   string
		Bytes  string
		Expect struct {
			Accept   bool
			FirstHop string `json:"first_hop"`
			Length   int    `json:"packet_length"`
		}
	} `json:"recovering_at_egress"`
}

func readVectors(t *testing.T) (v vectors, nodes []node) {
	t.Helper()
	b, err := os.ReadFile("testdata/surb-ack.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	for i, n := range v.Nodes {
		if n.ID != i+1 {
			t.Fatalf("node %d has id %d", i, n.ID)
		}
		nodes = append(nodes, node{
			mixnet.NodeAddrFrom(netip.MustParseAddrPort(n.Address)),
			keys.SphinxKeyFromBytes([32]byte(unhex(t, n.Private))),
		})
	}
	return v, nodes
}
