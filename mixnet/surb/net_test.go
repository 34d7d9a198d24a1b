package surb

import (
	"net/netip"
	"testing"

	"nym-socks5/internal/routetest"
	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

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

func readVectors(t *testing.T) (v vectors, nodes []routetest.Node) {
	t.Helper()
	vectest.Read(t, "surb-ack.json", &v)
	for i, n := range v.Nodes {
		if n.ID != i+1 {
			t.Fatalf("node %d has id %d", i, n.ID)
		}
		nodes = append(nodes, routetest.Node{
			Addr: mixnet.NodeAddrFrom(netip.MustParseAddrPort(n.Address)),
			Key:  keys.SphinxKeyFromBytes([32]byte(vectest.Unhex(t, n.Private))),
		})
	}
	return v, nodes
}
