package sphinx

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"nym-socks5/internal/vec8"
	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// The files in testdata were made with the reference implementation of 2026.9
// (sphinx-packet 0.6.0; sphinx-260.json with 0.8.0). Each names its origin.

type vectorNode struct {
	ID      int         `json:"id"`
	Address vectest.Hex `json:"address_bytes"`
	Private vectest.Hex `json:"sphinx_private"`
	Public  vectest.Hex `json:"sphinx_public"`
}

type vectorHop struct {
	Node   int         `json:"node"`
	Shared vectest.Hex `json:"shared_secret"`
	Keys   struct {
		Stream     vectest.Hex `json:"stream_key"`
		MAC        vectest.Hex `json:"mac_key"`
		Full       vectest.Hex `json:"full_payload_key"`
		Seed       vectest.Hex `json:"payload_key_seed"`
		Blinding   vectest.Hex `json:"blinding_factor"`
		Tag        vectest.Hex `json:"replay_tag"`
		PayloadKey vectest.Hex `json:"payload_key"`
	} `json:"keys"`
	Version   Version     `json:"version"`
	Flag      int         `json:"flag"`
	Next      vectest.Hex `json:"next_address"`
	Delay     uint64      `json:"delay_ns"`
	OutSHA256 vectest.Hex `json:"packet_out_sha256"`
}

type vectorPacket struct {
	Name       string      `json:"name"`
	Version    Version     `json:"version"`
	Route      []int       `json:"route"`
	Secret     vectest.Hex `json:"initial_secret"`
	Delays     []uint64    `json:"delays_ns"`
	Dest       vectest.Hex `json:"destination"`
	ID         vectest.Hex `json:"identifier"`
	Message    vectest.Hex `json:"message"`
	Size       int         `json:"payload_size"`
	Padding    vectest.Hex `json:"final_padding"`
	Packet     vectest.Hex `json:"packet"`
	PacketHash vectest.Hex `json:"packet_sha256"`
	Hops       []vectorHop `json:"hops"`
	Final      struct {
		Dest           vectest.Hex `json:"destination"`
		ID             vectest.Hex `json:"identifier"`
		Payload        vectest.Hex `json:"payload"`
		PlaintextHash  vectest.Hex `json:"plaintext_sha256"`
		PlaintextError bool        `json:"plaintext_error"`
	} `json:"final"`

	// of a SURB
	SURB  vectest.Hex `json:"surb"`
	First vectest.Hex `json:"surb_first_hop"`

	// of packets_256
	Nodes []vectorNode `json:"nodes"`
}

type vectorFile struct {
	Nodes       []vectorNode `json:"nodes"`
	SingleLayer []struct {
		Key       vectest.Hex `json:"key"`
		Message   vectest.Hex `json:"message"`
		Size      int         `json:"payload_size"`
		Encrypted vectest.Hex `json:"encrypted"`
	} `json:"single_layer_payload"`
	Packets    []vectorPacket `json:"packets"`
	Packets256 []vectorPacket `json:"packets_256"`
	SURBs      []vectorPacket `json:"surbs"`
	Malformed  []struct {
		Name   string      `json:"name"`
		Node   int         `json:"node"`
		Packet vectest.Hex `json:"packet"`
		Expect struct {
			Accept  bool        `json:"accept"`
			Stage   string      `json:"stage"`
			Version Version     `json:"version"`
			Flag    int         `json:"flag"`
			Next    vectest.Hex `json:"next_address"`
			Delay   uint64      `json:"delay_ns"`
			Hash    vectest.Hex `json:"packet_out_sha256"`
			Dest    vectest.Hex `json:"destination"`
		} `json:"expect"`
	} `json:"malformed"`
	Recovering []struct {
		Name      string      `json:"name"`
		Payload   vectest.Hex `json:"payload"`
		Accept    bool        `json:"accept"`
		Plaintext vectest.Hex `json:"plaintext"`
	} `json:"recovering"`
}

func loadVectors(t testing.TB, name string) (v vectorFile) {
	t.Helper()
	vectest.Read(t, name, &v)
	return v
}

func nodeByID(t *testing.T, nodes []vectorNode, id int) vectorNode {
	t.Helper()
	for _, n := range nodes {
		if n.ID == id {
			return n
		}
	}
	t.Fatalf("no node %d", id)
	return vectorNode{}
}

func (n vectorNode) key() *keys.SphinxKey { return keys.SphinxKeyFromBytes([32]byte(n.Private)) }

// job makes the job that must give v's bytes.
func (v *vectorPacket) job(t *testing.T, nodes []vectorNode) Job {
	t.Helper()
	j := Job{Version: v.Version, Dest: keys.Identity(v.Dest), ID: [16]byte(v.ID), Secret: [32]byte(v.Secret), Message: v.Message}
	copy(j.Padding[:], v.Padding)
	for i, id := range v.Route {
		n := nodeByID(t, nodes, id)
		addr, _, err := mixnet.ParseNodeAddr(n.Address)
		if err != nil {
			t.Fatal(err)
		}
		j.Route = append(j.Route, Hop{Addr: addr, Key: keys.Sphinx(n.Public), Delay: time.Duration(v.Delays[i])})
	}
	return j
}

func checkHash(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if h := sha256.Sum256(got); !bytes.Equal(h[:], want) {
		t.Errorf("%s: sha256 %x, want %x", what, h, want)
	}
}

func TestBuildVectors(t *testing.T) {
	for _, file := range []string{"sphinx.json", "sphinx-more.json"} {
		f := loadVectors(t, file)
		var b Builder
		for _, v := range f.Packets {
			if v.Version != Version258 && v.Version != Version259 {
				continue // only unwrapped, below
			}
			t.Run(v.Name, func(t *testing.T) {
				for _, n := range []int{1, 3, BatchSize} { // alone, and in lanes
					jobs := make([]Job, n)
					for i := range jobs {
						jobs[i] = v.job(t, f.Nodes)
						jobs[i].Packet = make([]byte, HeaderSize+v.Size)
					}
					if err := b.Build(jobs); err != nil {
						t.Fatal(err)
					}
					for _, j := range jobs {
						checkHash(t, "packet", j.Packet, v.PacketHash)
						if len(v.Packet) > 0 && !bytes.Equal(j.Packet, v.Packet) {
							t.Errorf("packet differs")
						}
					}
				}
			})
		}
	}
}

// unwrapVector follows a packet of the reference through its hops: alone, and in
// each lane beside packets that are refused.
func unwrapVector(t *testing.T, v *vectorPacket, nodes []vectorNode, packet []byte) {
	w := &Workspace{AllowLegacy: true}
	for lane := range BatchSize {
		batch := make([]Packet, BatchSize)
		for i := range batch {
			batch[i].Data = bytes.Clone(packet)
			batch[i].Data[alphaSize] ^= byte(i ^ lane)
		}
		followVector(t, w, v, nodes, batch, lane)
	}
	followVector(t, w, v, nodes, []Packet{{Data: bytes.Clone(packet)}}, 0)
}

func followVector(t *testing.T, w *Workspace, v *vectorPacket, nodes []vectorNode, batch []Packet, lane int) {
	p := &batch[lane]
	for i, h := range v.Hops {
		key := nodeByID(t, nodes, h.Node).key()
		for i := range batch {
			batch[i].Keys[0] = key
		}
		alpha := [32]byte(p.Data)
		w.Open(batch)
		if p.Err != nil {
			t.Fatalf("hop %d: %v", i, p.Err)
		}
		if h.Keys.Tag != nil {
			k := &w.keys[lane]
			var shared [32]byte
			multiply(&shared, key.Bytes(), &alpha)
			full := make([]byte, FullKeySize)
			if copy(full, k.payloadKey(h.Version)) == SeedSize {
				w.lanes.unit.HKDF(seedKDF, 1, &[BatchSize][]byte{full}, &[BatchSize][]byte{k.seed()[:]})
			}
			for _, c := range []struct {
				what      string
				got, want []byte
			}{
				{"shared secret", shared[:], h.Shared},
				{"stream key", k.rho()[:], h.Keys.Stream},
				{"mac key", k.mu()[:], h.Keys.MAC},
				{"full key", k.full()[:], h.Keys.Full},
				{"seed", k.seed()[:], h.Keys.Seed},
				{"blinding", k.blinding()[:], h.Keys.Blinding},
				{"tag", p.Tag[:], h.Keys.Tag},
				{"payload key", full, h.Keys.PayloadKey},
			} {
				if !bytes.Equal(c.got, c.want) {
					t.Errorf("hop %d: %s %x, want %x", i, c.what, c.got, c.want)
				}
			}
		}
		w.Strip(batch)
		if p.Final != (h.Flag == flagFinal) {
			t.Fatalf("hop %d: final is %v", i, p.Final)
		}
		if !p.Final {
			if p.Err != nil {
				t.Fatalf("hop %d: %v", i, p.Err)
			}
			var next [32]byte
			if err := p.Next.PutPadded(next[:]); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(next[:], h.Next) || p.Delay != time.Duration(h.Delay) {
				t.Errorf("hop %d: next %x after %v, want %x after %d", i, next, p.Delay, h.Next, h.Delay)
			}
			checkHash(t, "packet after a hop", p.Data, h.OutSHA256)
		}
	}
	if !bytes.Equal(p.Dest[:], v.Final.Dest) || !bytes.Equal(p.ID[:], v.Final.ID) {
		t.Errorf("destination %x %x, want %x %x", p.Dest, p.ID, v.Final.Dest, v.Final.ID)
	}
	if v.Final.Payload != nil && !bytes.Equal(p.Data[HeaderSize:], v.Final.Payload) {
		t.Errorf("payload differs")
	}
	if v.Final.PlaintextError {
		// sphinx.md §13.4: "σ fails at recovery"
		if p.Err != ErrPayload {
			t.Errorf("got %v, want %v", p.Err, ErrPayload)
		}
		return
	}
	if p.Err != nil || !bytes.Equal(p.Message, v.Message) {
		t.Errorf("message %x (%v), want %x", p.Message, p.Err, v.Message)
	}
}

func TestUnwrapVectors(t *testing.T) {
	for _, file := range []string{"sphinx.json", "sphinx-more.json", "sphinx-260.json"} {
		f := loadVectors(t, file)
		for _, v := range f.Packets {
			t.Run(v.Name, func(t *testing.T) {
				packet := []byte(v.Packet)
				if packet == nil { // big packets have only a hash: build them
					j := v.job(t, f.Nodes)
					j.Packet = make([]byte, HeaderSize+v.Size)
					if err := new(Builder).Build([]Job{j}); err != nil {
						t.Fatal(err)
					}
					packet = j.Packet
				}
				unwrapVector(t, &v, f.Nodes, packet)
			})
		}
		for _, v := range f.Packets256 {
			t.Run(v.Name, func(t *testing.T) { unwrapVector(t, &v, v.Nodes, v.Packet) })
		}
	}
}

func TestSURBVectors(t *testing.T) {
	f := loadVectors(t, "sphinx-260.json")
	for _, v := range f.SURBs {
		t.Run(v.Name, func(t *testing.T) {
			s, err := ParseSURB(v.SURB)
			if err != nil {
				t.Fatal(err)
			}
			var first [32]byte
			if s.First().PutPadded(first[:]); !bytes.Equal(first[:], v.First) {
				t.Errorf("first hop %x, want %x", first, v.First)
			}
			packet := make([]byte, HeaderSize+v.Size)
			if err := new(Builder).Seal(&s, v.Message, packet); err != nil {
				t.Fatal(err)
			}
			checkHash(t, "packet", packet, v.PacketHash)
			unwrapVector(t, &v, f.Nodes, packet)
		})
	}
}

func TestMalformedVectors(t *testing.T) {
	f := loadVectors(t, "sphinx-more.json")
	w := new(Workspace)
	for _, v := range f.Malformed {
		t.Run(v.Name, func(t *testing.T) {
			p := []Packet{{Data: bytes.Clone(v.Packet)}}
			p[0].Keys[0] = nodeByID(t, f.Nodes, v.Node).key()
			w.Open(p)
			w.Strip(p)
			want := map[string]error{"parse": ErrMalformed, "process": ErrMAC, "recover": ErrPayload, "": nil}[v.Expect.Stage]
			if p[0].Err != want {
				t.Fatalf("got %v, want %v", p[0].Err, want)
			}
			if v.Expect.Accept && v.Expect.Flag == flagForward {
				checkHash(t, "packet out", p[0].Data, v.Expect.Hash)
			}
		})
	}
	for _, v := range f.Recovering {
		t.Run("recovering "+v.Name, func(t *testing.T) {
			got, err := recoverMessage(v.Payload)
			if (err == nil) != v.Accept || !bytes.Equal(got, v.Plaintext) {
				t.Errorf("got %x, %v; want %x, accept %v", got, err, v.Plaintext, v.Accept)
			}
		})
	}
}

func TestSingleLayerVectors(t *testing.T) {
	var u vec8.Unit
	var l lioness
	for _, v := range loadVectors(t, "sphinx.json").SingleLayer {
		for _, n := range []int{1, BatchSize} {
			var key lionessKeys
			var blocks [BatchSize][]byte
			for i := range n {
				copy(key[i][:], v.Key)
				blocks[i] = make([]byte, v.Size)
				encapsulate(blocks[i], v.Message)
			}
			plain := bytes.Clone(blocks[0])
			l.blocks(n, func(i int) []byte { return blocks[i] })
			l.encrypt(&u, n, &key)
			for i := range n {
				if !bytes.Equal(blocks[i], v.Encrypted) {
					t.Errorf("payload of %d bytes, lane %d of %d: encrypted differs", v.Size, i, n)
				}
			}
			l.blocks(n, func(i int) []byte { return blocks[i] })
			l.decrypt(&u, n, &key)
			for i := range n {
				if !bytes.Equal(blocks[i], plain) {
					t.Errorf("payload of %d bytes, lane %d of %d: decrypted differs", v.Size, i, n)
				}
			}
		}
	}
}
