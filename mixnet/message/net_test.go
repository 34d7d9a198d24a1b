package message

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"nym-socks5/internal/routetest"
	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/surb"
)

// party is a client of a test.
type party struct {
	addr mixnet.Recipient
	enc  *keys.EncryptionKey
	ack  *keys.Ack
}

func newParty() party {
	p := party{enc: keys.NewEncryptionKey(), ack: keys.NewAck()}
	p.addr = mixnet.Recipient{
		Identity:   keys.NewIdentityKey().Public(),
		Encryption: p.enc.Public(),
		Gateway:    keys.NewIdentityKey().Public(),
	}
	return p
}

func (p party) sealer() *Sealer { return NewSealer(p.addr, p.ack, sphinx.Version259, nil) }

// none is a look-up that finds no reply key.
func none(surb.Digest) (keys.Reply, mixnet.SenderTag, bool) {
	return keys.Reply{}, mixnet.SenderTag{}, false
}

// only is a look-up that finds the keys of the replies, minted for tag.
func only(tag mixnet.SenderTag, replies ...surb.Reply) func(surb.Digest) (keys.Reply, mixnet.SenderTag, bool) {
	return func(d surb.Digest) (keys.Reply, mixnet.SenderTag, bool) {
		for _, r := range replies {
			if surb.DigestOf(r.Key) == d {
				return r.Key, tag, true
			}
		}
		return keys.Reply{}, mixnet.SenderTag{}, false
	}
}

// Vectors of the reference implementation: testdata/messages.json and
// testdata/messages-more.json, which is of the same form.

type vectorParty struct {
	Private string `json:"encryption_private"`
	AckKey  string `json:"ack_key"`
	Address string
	Bytes   string `json:"address_bytes"`
}

func (v vectorParty) party(t *testing.T) party {
	t.Helper()
	addr, err := mixnet.ParseRecipientText(v.Address)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := addr.AppendBinary(nil); hex.EncodeToString(b) != v.Bytes {
		t.Fatalf("%s encodes as %x, want %s", v.Address, b, v.Bytes)
	}
	return party{
		addr: addr,
		enc:  keys.EncryptionKeyFromBytes([32]byte(vectest.Unhex(t, v.Private))),
		ack:  keys.AckFromBytes([16]byte(vectest.Unhex(t, v.AckKey))),
	}
}

// vectorJob is the building of one packet or SURB.
type vectorJob struct {
	Version int
	Route   []int
	Secret  string  `json:"initial_secret"`
	Delays  []int64 `json:"delays_ns"`
	Padding string  `json:"final_padding"`
}

func (v vectorJob) route(nodes []routetest.Node) (route []sphinx.Hop) {
	for i, n := range v.Route {
		route = append(route, nodes[n-1].Hop(time.Duration(v.Delays[i])))
	}
	return route
}

type vectorSURB struct {
	vectorJob
	Key      string `json:"reply_key"`
	Digest   string `json:"reply_key_digest"`
	FirstHop string `json:"first_hop"`
	SURB     string
	Entry    string
	EntrySum string `json:"entry_b58_sha256"`
}

type vectorExpect struct {
	Accept    bool
	Kind      string
	Content   string
	Data      *string
	SenderTag string `json:"sender_tag"`
	TagText   string `json:"sender_tag_b58"`
	Recipient string
	Amount    uint32
	SURBs     []struct {
		Entry    string
		Key      string
		Digest   string
		Rotation mixnet.Rotation
	}
}

type vectorPacket struct {
	vectorJob
	Name      string
	Fragment  string
	AckID     string `json:"ack_identifier"`
	Ack       string `json:"surb_ack"`
	Ephemeral string `json:"ephemeral_private"`
	Public    string `json:"ephemeral_public"`
	Plaintext string `json:"sphinx_plaintext"`
	Packet    string
	Sum       string `json:"packet_sha256"`
	FirstHop  string `json:"first_hop"`
	Dest      string `json:"final_destination"`
	Pushed    string `json:"pushed_to_client"`
}

type vectors struct {
	Nodes []struct {
		ID      int
		Address string
		Private string `json:"sphinx_private"`
	}
	Sender, Recipient vectorParty
	Messages          []struct {
		Name    string
		Bytes   string
		Length  int
		Expect  vectorExpect
		SURBs   []vectorSURB
		Packets []vectorPacket
	}
	Replies []struct {
		vectorPacket
		SURB    vectorSURB
		Digest  string `json:"key_digest"`
		Message string `json:"nym_message"`
	}
	Cover []struct {
		Packet   string
		FirstHop string `json:"first_hop"`
		Dest     string `json:"final_destination"`
		Pushed   string `json:"pushed_to_client"`
		Ack      struct {
			Bytes   string
			Content string
		} `json:"surb_ack"`
	}
	Parsing []struct {
		Name   string
		Bytes  string
		Expect vectorExpect
	}
	Unpadding []struct {
		Padded string
		Expect vectorExpect
	}
}

func readVectors(t *testing.T, name string) (v vectors, nodes []routetest.Node) {
	t.Helper()
	vectest.Read(t, name, &v)
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

// eachFile runs f over both files of vectors.
func eachFile(t *testing.T, f func(t *testing.T, v vectors, nodes []routetest.Node)) {
	for _, name := range []string{"messages.json", "messages-more.json"} {
		t.Run(name, func(t *testing.T) {
			v, nodes := readVectors(t, name)
			f(t, v, nodes)
		})
	}
}
