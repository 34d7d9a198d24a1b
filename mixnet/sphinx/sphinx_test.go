package sphinx

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/chacha20"

	"nym-socks5/internal/vec8"
	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// network is a route of fresh nodes with their keys.
type network struct {
	keys []*keys.SphinxKey
	hops []Hop
}

func newNetwork(n int) *network {
	nw := &network{}
	for i := range n {
		k := keys.NewSphinxKey()
		nw.keys = append(nw.keys, k)
		nw.hops = append(nw.hops, Hop{
			Addr:  mixnet.NodeAddrFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), uint16(1789+i))),
			Key:   k.Public(),
			Delay: time.Duration(i+1) * time.Millisecond,
		})
	}
	return nw
}

func (nw *network) job(v Version, size mixnet.PacketSize, message []byte) Job {
	j := Job{Version: v, Route: nw.hops, Message: message, Packet: make([]byte, size.Total())}
	rand.Read(j.Dest[:])
	rand.Read(j.Secret[:])
	rand.Read(j.Padding[:])
	return j
}

func build(t testing.TB, jobs ...Job) {
	t.Helper()
	if err := new(Builder).Build(jobs); err != nil {
		t.Fatal(err)
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// unwrap takes one layer off packet and returns what Strip left.
func unwrap(packet []byte, k *keys.SphinxKey) Packet {
	p := []Packet{{Data: packet, Keys: [2]*keys.SphinxKey{k}}}
	w := new(Workspace)
	w.Open(p)
	w.Strip(p)
	return p[0]
}

func TestRoundTrip(t *testing.T) {
	for _, v := range []Version{Version258, Version259} {
		for _, size := range []mixnet.PacketSize{mixnet.Regular, mixnet.AckSize, mixnet.Extended8, mixnet.Extended16, mixnet.Extended32} {
			for n := 1; n <= MaxHops; n++ {
				t.Run(fmt.Sprintf("%v/%v/%d", v, size, n), func(t *testing.T) {
					nw := newNetwork(n)
					message := randomBytes(size.Plaintext())
					j := nw.job(v, size, message)
					build(t, j)
					for i, k := range nw.keys {
						before := bytes.Clone(j.Packet[:HeaderSize])
						p := unwrap(j.Packet, k)
						if p.Err != nil || p.Version != v {
							t.Fatalf("hop %d: version %v, %v", i, p.Version, p.Err)
						}
						if i == n-1 {
							if !p.Final || p.Dest != j.Dest || !bytes.Equal(p.Message, message) {
								t.Fatal("wrong destination or message")
							}
							break
						}
						if p.Final || p.Next != nw.hops[i+1].Addr || p.Delay != nw.hops[i].Delay {
							t.Fatalf("hop %d: next %v after %v", i, p.Next, p.Delay)
						}
						// sphinx.md §11: after each hop no 16-byte window of the new header occurs in the old one
						for o := 0; o+16 <= HeaderSize; o++ {
							if bytes.Contains(before, j.Packet[o:o+16]) {
								t.Fatalf("hop %d: 16 header bytes at %d stayed", i, o)
							}
						}
					}
				})
			}
		}
	}
}

// sphinx.md §10 C, the packet printed in the specification.
func TestSpecificationPacket(t *testing.T) {
	var j Job
	j.Packet = make([]byte, mixnet.Regular.Total())
	j.Message = []byte("hello mixnet")
	for i := range 4 {
		k := keys.SphinxKeyFromBytes([32]byte(bytes.Repeat([]byte{byte(0x11 * (i + 1))}, 32)))
		j.Route = append(j.Route, Hop{
			Addr:  mixnet.NodeAddrFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), uint16(0x6fa+i))),
			Key:   k.Public(),
			Delay: time.Duration(i+1) * time.Millisecond,
		})
	}
	copy(j.Dest[:], bytes.Repeat([]byte{0xd5}, 32))
	copy(j.Secret[:], bytes.Repeat([]byte{0x77}, 32))
	copy(j.Padding[:], bytes.Repeat([]byte{0xee}, MaxPadding))
	for v, want := range map[Version]string{
		Version259: "2ae772f55e238ec2c8be447f8f97379046fad7061be73550fe7027be6ab18f46",
		Version258: "336633cf10f0ee190e4fd9b1b43f5e6e7da79d670ef64f1fdce13460ee46e41e",
	} {
		j.Version = v
		build(t, j)
		checkHash(t, v.String(), j.Packet, vectest.Unhex(t, want))
	}
	for v, want := range map[Version]string{
		Version259: "b960a1eb6e2ee399e9ff82d90da3c39013dc12f0496c02d22c95234f4507a860",
		Version258: "5fdfe4aec98b2a51c30cc2e1b4a6b65c24ed6197294e114a6d1a30a0c24d76fb",
	} {
		s := j
		s.Version, s.Packet, s.SURB = v, nil, make([]byte, SURBSize(v, 4))
		build(t, s)
		checkHash(t, "SURB "+v.String(), s.SURB, vectest.Unhex(t, want))
	}
	j.Version, j.Route, j.Packet = Version259, j.Route[:1], make([]byte, mixnet.AckSize.Total())
	j.Message = []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}
	build(t, j)
	checkHash(t, "ack", j.Packet, vectest.Unhex(t, "f92e50ccb0fcadef53deace65ff85971ce94f7527ee5e851e040ffb8be3d4f81"))
}

// A packet, its SURB-ACK inside it, and SURBs, in one call of more than a batch.
func TestBuildTogether(t *testing.T) {
	nw := newNetwork(4)
	message := make([]byte, mixnet.Regular.Plaintext())
	rand.Read(message)
	ack := nw.job(Version259, mixnet.AckSize, randomBytes(mixnet.AckPlaintext))
	ack.Packet = message[19:405]
	jobs := []Job{ack, nw.job(Version259, mixnet.Regular, message)}
	for range 12 {
		s := nw.job(Version259, mixnet.Regular, nil)
		s.Packet, s.SURB = nil, make([]byte, SURBSize(Version259, 4))
		jobs = append(jobs, s)
	}
	build(t, jobs...)
	var p Packet
	for _, k := range nw.keys {
		p = unwrap(jobs[1].Packet, k)
	}
	if p.Err != nil {
		t.Fatal(p.Err)
	}
	inner := bytes.Clone(p.Message[19:405])
	for _, k := range nw.keys {
		p = unwrap(inner, k)
	}
	if p.Err != nil || !bytes.Equal(p.Message, ack.Message) {
		t.Fatalf("the ack inside does not open: %v", p.Err)
	}
	for _, j := range jobs[2:] {
		s, err := ParseSURB(j.SURB)
		if err != nil || s.Hops() != 4 || !s.Seeded() || s.First() != nw.hops[0].Addr {
			t.Fatalf("%v: %d hops, seeded %v, first %v", err, s.Hops(), s.Seeded(), s.First())
		}
		packet := make([]byte, mixnet.Extended8.Total())
		if err := new(Builder).Seal(&s, []byte("reply"), packet); err != nil {
			t.Fatal(err)
		}
		for _, k := range nw.keys {
			p = unwrap(packet, k)
		}
		if p.Err != nil || string(p.Message) != "reply" || p.Dest != j.Dest {
			t.Fatalf("reply %q to %x: %v", p.Message, p.Dest, p.Err)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	nw := newNetwork(6)
	good := func() Job {
		j := nw.job(Version259, mixnet.Regular, []byte("x"))
		j.Route = nw.hops[:4]
		return j
	}
	for name, spoil := range map[string]func(*Job){
		"no route":         func(j *Job) { j.Route = nil },
		"six hops":         func(j *Job) { j.Route = nw.hops },
		"version 260":      func(j *Job) { j.Version = 260 }, // sphinx.md §13.7: "Never send 260"
		"version 257":      func(j *Job) { j.Version = 257 },
		"nothing to make":  func(j *Job) { j.Packet = nil },
		"both":             func(j *Job) { j.SURB = make([]byte, SURBSize(Version259, 4)) },
		"short SURB":       func(j *Job) { j.Packet, j.SURB = nil, make([]byte, 443) },
		"message too long": func(j *Job) { j.Message = make([]byte, 2049) },
		"packet too short": func(j *Job) { j.Packet, j.Message = make([]byte, HeaderSize+32), nil },
		"low-order key":    func(j *Job) { j.Route = []Hop{{Addr: nw.hops[0].Addr}} },
		"no address":       func(j *Job) { j.Route = []Hop{nw.hops[0], {Key: nw.hops[1].Key}} },
	} {
		j := good()
		spoil(&j)
		if err := new(Builder).Build([]Job{j}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	build(t, good())
}

func TestParseSURBRefuses(t *testing.T) {
	nw := newNetwork(1)
	for _, tc := range []struct {
		name string
		keys int
		ok   bool
	}{
		{"no keys", 0, false},
		{"one seed", 16, true},
		{"five seeds", 80, true},
		{"six seeds", 96, false}, // sphinx.md §3.11: "Go code should additionally refuse more than 5 hops"
		{"eleven seeds", 176, false},
		{"a seed and a byte", 17, false},
		{"one full key", 192, true},
		{"five full keys", 960, true},
		{"six full keys", 1152, false},
		{"a full key and a seed", 208, false},
	} {
		b := make([]byte, surbKeys+tc.keys)
		nw.hops[0].Addr.PutPadded(b[surbFirst:surbKeys])
		if _, err := ParseSURB(b); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	b := make([]byte, SURBSize(Version259, 4))
	if _, err := ParseSURB(b); !errors.Is(err, ErrMalformed) {
		t.Errorf("SURB without a first hop: %v", err)
	}
}

// hardening.md H06: "shared secret → low-order/zero check → header MAC → replay → payload"
func TestH06OrderOfRefusals(t *testing.T) {
	nw := newNetwork(2)
	lowOrder := [][]byte{
		make([]byte, 32),
		append([]byte{1}, make([]byte, 31)...),
		vectest.Unhex(t, "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
		vectest.Unhex(t, "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
		vectest.Unhex(t, "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
		vectest.Unhex(t, "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
		vectest.Unhex(t, "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
		vectest.Unhex(t, "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
	}
	for _, a := range lowOrder {
		j := nw.job(Version259, mixnet.AckSize, nil)
		build(t, j)
		copy(j.Packet, a)
		before := bytes.Clone(j.Packet)
		if p := unwrap(j.Packet, nw.keys[0]); p.Err != ErrLowOrder {
			t.Errorf("alpha %x: got %v, want %v", a, p.Err, ErrLowOrder)
		}
		if !bytes.Equal(before, j.Packet) {
			t.Errorf("alpha %x: a refused packet was written to", a)
		}
	}
	// A header with a wrong MAC is not looked into.
	for bit := range 8 * macSize {
		j := nw.job(Version259, mixnet.AckSize, nil)
		build(t, j)
		j.Packet[alphaSize+bit/8] ^= 1 << (bit % 8)
		before := bytes.Clone(j.Packet)
		if p := unwrap(j.Packet, nw.keys[0]); p.Err != ErrMAC {
			t.Errorf("bit %d of the MAC: got %v, want %v", bit, p.Err, ErrMAC)
		}
		if !bytes.Equal(before, j.Packet) {
			t.Errorf("bit %d of the MAC: a refused packet was written to", bit)
		}
	}
	// A replay is refused by the filter between the phases: nothing may be touched then.
	j := nw.job(Version259, mixnet.AckSize, nil)
	build(t, j)
	before := bytes.Clone(j.Packet)
	p := []Packet{{Data: j.Packet, Keys: [2]*keys.SphinxKey{nw.keys[0]}}}
	w := new(Workspace)
	w.Open(p)
	replayed := errors.New("replayed")
	p[0].Err = replayed
	w.Strip(p)
	if p[0].Err != replayed || !bytes.Equal(before, p[0].Data) {
		t.Error("Strip touched a packet that was refused before it")
	}
}

// multiply is X25519 of the standard library.
func multiply(out, scalar, point *[32]byte) {
	k, err := ecdh.X25519().NewPrivateKey(scalar[:])
	if err != nil {
		panic(err)
	}
	p, err := ecdh.X25519().NewPublicKey(point[:])
	if err != nil {
		panic(err)
	}
	s, err := k.ECDH(p)
	if err != nil {
		panic(err)
	}
	copy(out[:], s)
}

// hardening.md H10: "zero mask per lane for the shared secret and the blinded α;
// seven honest lanes beside one zero, low-order, twist or non-canonical point, in
// every lane, equal the scalar results"
func TestH10OnePointInEveryLane(t *testing.T) {
	nw := newNetwork(2)
	honest := nw.job(Version259, mixnet.AckSize, []byte("honest"))
	build(t, honest)
	want := bytes.Clone(honest.Packet)
	if p := unwrap(want, nw.keys[0]); p.Err != nil {
		t.Fatal(p.Err)
	}
	for _, a := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", // order 8
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2 on the twist
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // zero, not canonical
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", // one, not canonical
		"0200000000000000000000000000000000000000000000000000000000000000", // twist
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 18, not canonical
	} {
		odd := bytes.Clone(honest.Packet)
		copy(odd, vectest.Unhex(t, a))
		alone := unwrap(bytes.Clone(odd), nw.keys[0])
		for lane := range BatchSize {
			batch := make([]Packet, BatchSize)
			for i := range batch {
				batch[i] = Packet{Data: bytes.Clone(honest.Packet), Keys: [2]*keys.SphinxKey{nw.keys[0]}}
			}
			copy(batch[lane].Data, odd)
			w := new(Workspace)
			w.Open(batch)
			w.Strip(batch)
			for i, p := range batch {
				switch {
				case i == lane && (p.Err != alone.Err || !bytes.Equal(p.Data, odd)):
					t.Errorf("alpha %s in lane %d: %v, alone %v", a, lane, p.Err, alone.Err)
				case i != lane && (p.Err != nil || !bytes.Equal(p.Data, want)):
					t.Errorf("alpha %s in lane %d: lane %d differs: %v", a, lane, i, p.Err)
				}
			}
		}
	}
}

// hardening.md H07: "Packets of versions 1, 256 and 257 are dropped after the MAC check unless allow_legacy_clients is on"
func TestH07LegacyVersions(t *testing.T) {
	more := loadVectors(t, "sphinx-more.json")
	var tried int
	for _, v := range append(more.Packets256, more.Packets...) {
		if !v.Version.legacy() {
			continue
		}
		tried++
		nodes := v.Nodes
		if nodes == nil {
			nodes = more.Nodes
		}
		p := unwrap(bytes.Clone(v.Packet), nodeByID(t, nodes, v.Hops[0].Node).key())
		if p.Err != ErrVersion {
			t.Errorf("%s: got %v, want %v", v.Name, p.Err, ErrVersion)
		}
		spoiled := bytes.Clone(v.Packet)
		spoiled[40] ^= 1
		if p := unwrap(spoiled, nodeByID(t, nodes, v.Hops[0].Node).key()); p.Err != ErrMAC {
			t.Errorf("%s with a wrong MAC: got %v, want %v", v.Name, p.Err, ErrMAC)
		}
	}
	if tried < 2 {
		t.Fatalf("only %d legacy packets among the vectors", tried)
	}
	// "then α outside the prime-order subgroup is dropped too": add the point of
	// order 2 to an honest alpha. u becomes 1/u.
	v := more.Packets256[0]
	alpha := [32]byte(v.Packet)
	var factor [32]byte
	rand.Read(factor[:])
	good := alpha
	if err := legacyBlind(&good, &factor); err != nil {
		t.Fatalf("honest alpha: %v", err)
	}
	bad := invert(t, alpha)
	if err := legacyBlind(&bad, &factor); err != ErrLowOrder {
		t.Errorf("alpha with torsion: got %v, want %v", err, ErrLowOrder)
	}
	for _, u := range [][32]byte{{2}, [32]byte(vectest.Unhex(t, "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"))} { // twist; u = -1
		if err := legacyBlind(&u, &factor); err != ErrLowOrder {
			t.Errorf("alpha %x: got %v, want %v", u, err, ErrLowOrder)
		}
	}
}

// hardening.md H08: "The replay tag derives from the shared secret, never from the bytes of α"
func TestH08TagIgnoresFormOfAlpha(t *testing.T) {
	nw := newNetwork(2)
	other := keys.NewSphinxKey()
	j := nw.job(Version259, mixnet.AckSize, []byte("once"))
	build(t, j)
	topBit, torsion, payload := bytes.Clone(j.Packet), bytes.Clone(j.Packet), bytes.Clone(j.Packet)
	topBit[31] |= 0x80
	a := invert(t, [32]byte(torsion)) // plus the point of order 2, which clamping removes
	copy(torsion, a[:])
	payload[400-30] ^= 1
	k := nw.keys[0]
	batch := []Packet{
		{Data: j.Packet, Keys: [2]*keys.SphinxKey{k}},
		{Data: bytes.Clone(j.Packet), Keys: [2]*keys.SphinxKey{k, other}},
		{Data: bytes.Clone(j.Packet), Keys: [2]*keys.SphinxKey{other, k}},
		{Data: bytes.Clone(j.Packet), Keys: [2]*keys.SphinxKey{nil, k}},
		{Data: topBit, Keys: [2]*keys.SphinxKey{k}},
		{Data: torsion, Keys: [2]*keys.SphinxKey{k}},
		{Data: payload, Keys: [2]*keys.SphinxKey{k}},
		{Data: bytes.Clone(j.Packet), Keys: [2]*keys.SphinxKey{k}},
	}
	w := new(Workspace)
	w.Open(batch)
	for i := range batch {
		if batch[i].Err != nil || batch[i].Tag != batch[0].Tag {
			t.Errorf("copy %d: tag %x (%v), want %x", i, batch[i].Tag, batch[i].Err, batch[0].Tag)
		}
	}
	if batch[2].Key != 1 || batch[3].Key != 1 || batch[0].Key != 0 {
		t.Errorf("keys %d %d %d, want 1 1 0", batch[2].Key, batch[3].Key, batch[0].Key)
	}
}

// invert gives 1/u: the u-coordinate of a point plus the point of order 2.
func invert(tb testing.TB, u [32]byte) [32]byte {
	tb.Helper()
	p, ok := keys.EdwardsPoint(&u)
	if !ok {
		panic("not on the curve")
	}
	// On the Edwards curve that point is (0, -1), and P + (0, -1) = (-x, -y).
	b := p.Bytes()
	var carry int16
	prime := vectest.Unhex(tb, "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")
	b[31] &= 0x7f
	for i := range b {
		d := int16(prime[i]) - int16(b[i]) + carry
		carry = d >> 8
		b[i] = byte(d)
	}
	q, err := p.SetBytes(b)
	if err != nil {
		panic(err)
	}
	return [32]byte(q.BytesMontgomery())
}

// hardening.md H09: "Padding of the innermost header block is random for every path length"
func TestH09PaddingIsRandom(t *testing.T) {
	for n := 1; n <= MaxHops; n++ {
		nw := newNetwork(n)
		want := betaSize - hopSize*(n-1) - finalMeta
		var counts [256]int
		total := 0
		for range 4096/want + 64 {
			j := nw.job(Version259, mixnet.AckSize, nil)
			build(t, j)
			w := new(Workspace)
			for _, k := range nw.keys {
				p := []Packet{{Data: j.Packet, Keys: [2]*keys.SphinxKey{k}}}
				w.Open(p)
				w.Strip(p)
			}
			for _, b := range w.block[0][finalMeta : finalMeta+want] { // the innermost block as the last hop sees it
				counts[b]++
				total++
			}
		}
		chi, expected := 0.0, float64(total)/256
		for _, c := range counts {
			chi += (float64(c) - expected) * (float64(c) - expected) / expected
		}
		if limit := 255 + 8*math.Sqrt(2*255); chi > limit { // beyond 8σ
			t.Errorf("%d hops: χ² = %.0f over %d bytes of padding, want under %.0f", n, chi, total, limit)
		}
	}
}

// hardening.md H09: "One flipped bit anywhere in α, β, γ is refused; in the payload it destroys all of it"
func TestH09EveryFlippedBit(t *testing.T) {
	nw := newNetwork(1)
	j := nw.job(Version259, mixnet.AckSize, randomBytes(mixnet.AckPlaintext))
	build(t, j)
	for bit := range 8 * HeaderSize {
		if bit == 255 {
			continue // covered by nothing, see TestH08
		}
		b := bytes.Clone(j.Packet)
		b[bit/8] ^= 1 << (bit % 8)
		if p := unwrap(b, nw.keys[0]); p.Err != ErrMAC && p.Err != ErrLowOrder {
			t.Fatalf("header bit %d: got %v", bit, p.Err)
		}
	}
	ref := bytes.Clone(j.Packet)
	unwrap(ref, nw.keys[0])
	flips, bits := 0, 0
	for bit := 8 * HeaderSize; bit < 8*len(j.Packet); bit++ {
		b := bytes.Clone(j.Packet)
		b[bit/8] ^= 1 << (bit % 8)
		p := unwrap(b, nw.keys[0])
		if p.Err != ErrPayload || p.Message != nil {
			t.Fatalf("payload bit %d: got %v and a message of %d bytes", bit, p.Err, len(p.Message))
		}
		for i := HeaderSize; i < len(b); i++ {
			for d := b[i] ^ ref[i]; d != 0; d &= d - 1 {
				flips++
			}
			bits += 8
		}
	}
	if share := float64(flips) / float64(bits); share < 0.48 || share > 0.52 { // 92 416 bits: beyond 12σ
		t.Errorf("one payload bit changes %.3f of all bits, want half", share)
	}
}

// The product of scalars, lifted to a clamped one, gives the same points as the
// chain of clamped multiplications that sphinx.md §3.4.1 defines.
func TestLiftEqualsChain(t *testing.T) {
	for range 50 {
		var secret, alpha, want, got [32]byte
		rand.Read(secret[:])
		point := [32]byte(keys.NewSphinxKey().Public())
		var factors [4][32]byte
		var b blinded
		b.start(&secret)
		var u vec8.Unit
		out := [BatchSize][32]byte{}
		u.X25519Base(1, &out, &[BatchSize][32]byte{secret})
		alpha = out[0]
		multiply(&want, &secret, &[32]byte{9})
		if alpha != want {
			t.Fatalf("first alpha %x, want %x", alpha, want)
		}
		for n := range factors {
			multiply(&want, &secret, &point)
			for i := range n {
				p := want
				multiply(&want, &factors[i], &p)
			}
			var s [32]byte
			b.lift(&s)
			if s[0]&7 != 0 || s[31]&0xc0 != 0x40 {
				t.Fatalf("lifted scalar %x is not of clamped form", s)
			}
			if multiply(&got, &s, &point); got != want {
				t.Fatalf("after %d factors: %x, want %x", n, got, want)
			}
			rand.Read(factors[n][:])
			b.by(&factors[n])
		}
	}
}

func TestKeysEqualStandardLibrary(t *testing.T) {
	var u vec8.Unit
	for range 3 {
		var s schedule
		secret, key := randomBytes(32), make([]byte, FullKeySize)
		u.HKDF(scheduleKDF, 1, &[BatchSize][]byte{s[:]}, &[BatchSize][]byte{secret})
		want, _ := hkdf.Key(sha256.New, secret, nil, scheduleInfo, len(s))
		if !bytes.Equal(s[:], want) {
			t.Fatal("schedule differs from crypto/hkdf")
		}
		u.HKDF(seedKDF, 1, &[BatchSize][]byte{key}, &[BatchSize][]byte{s.seed()[:]})
		want, _ = hkdf.Key(sha256.New, s.seed()[:], []byte(seedSalt), seedInfo, 192)
		if !bytes.Equal(key, want) {
			t.Fatal("payload key differs from crypto/hkdf")
		}
	}
}

// FuzzLioness holds the two halves of Lioness, in one lane and in eight, against
// the libraries' plain interfaces.
func FuzzLioness(f *testing.F) {
	f.Add(bytes.Repeat([]byte{7}, 192), bytes.Repeat([]byte{1}, 33))
	f.Add(bytes.Repeat([]byte{9}, 192), bytes.Repeat([]byte{2}, 2065))
	f.Fuzz(func(t *testing.T, key, block []byte) {
		if len(key) < 192 || len(block) < minPayload {
			return
		}
		var u vec8.Unit
		var l lioness
		var layers lionessKeys
		var blocks [BatchSize][]byte
		n := 1 + 7*(int(key[0])&1)
		for i := range n {
			copy(layers[i][:], key)
			blocks[i] = bytes.Clone(block)
		}
		l.blocks(n, func(i int) []byte { return blocks[i] })
		l.encrypt(&u, n, &layers)
		want := bytes.Clone(block)
		left, right := want[:32], want[32:]
		for half := range 2 {
			k := key[96*half:]
			var sk [32]byte
			for i := range sk {
				sk[i] = left[i] ^ k[i]
			}
			c, _ := chacha20.NewUnauthenticatedCipher(sk[:], make([]byte, 12))
			c.XORKeyStream(right, right)
			h, _ := blake2b.New256(k[32:96])
			h.Write(right)
			for i, b := range h.Sum(nil) {
				left[i] ^= b
			}
		}
		for i := range n {
			if !bytes.Equal(blocks[i], want) {
				t.Fatalf("key %x: %d bytes encrypt differently in lane %d", key, len(block), i)
			}
		}
		l.blocks(n, func(i int) []byte { return blocks[i] })
		l.decrypt(&u, n, &layers)
		for i := range n {
			if !bytes.Equal(blocks[i], block) {
				t.Fatalf("key %x: %d bytes do not decrypt in lane %d", key, len(block), i)
			}
		}
	})
}

func FuzzParseSURB(f *testing.F) {
	b := make([]byte, SURBSize(Version259, 4))
	b[surbFirst] = 4
	f.Add(b)
	f.Add(append(bytes.Clone(b), make([]byte, 4*192-64)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := ParseSURB(in)
		if err != nil {
			return
		}
		if out, _ := s.AppendBinary(nil); !bytes.Equal(in, out) {
			t.Fatalf("%x encodes as %x", in, out)
		}
		if s.Hops() < 1 || s.Hops() > MaxHops {
			t.Fatalf("%d hops", s.Hops())
		}
		packet := make([]byte, mixnet.AckSize.Total())
		if err := new(Builder).Seal(&s, in[:mixnet.AckPlaintext], packet); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzUnwrap(f *testing.F) {
	k := keys.SphinxKeyFromBytes([32]byte{1, 2, 3})
	nw := &network{hops: []Hop{{Addr: newNetwork(1).hops[0].Addr, Key: k.Public()}}}
	j := nw.job(Version259, mixnet.AckSize, []byte("seed"))
	build(f, j)
	f.Add(j.Packet)
	f.Add(j.Packet[:HeaderSize])
	f.Fuzz(func(t *testing.T, in []byte) {
		p := unwrap(bytes.Clone(in), k)
		if p.Err == nil && !p.Final && p.Next.IsZero() {
			t.Fatal("a forward packet without a next hop")
		}
	})
}

// Blocks that a hop decrypts correctly but that no honest sender makes.
func TestHostileBlocks(t *testing.T) {
	nw := newNetwork(2)
	for _, tc := range []struct {
		name  string
		spoil func(block []byte)
		want  error
	}{
		{"flag 0", func(b []byte) { b[0] = 0 }, ErrMalformed},
		{"flag 3", func(b []byte) { b[0] = 3 }, ErrMalformed},
		{"address of kind 5", func(b []byte) { b[4] = 5 }, ErrMalformed},
		{"first version byte set", func(b []byte) { b[1] = 9 }, nil}, // sphinx.md §3.3: "ignored on reading"
		{"version 0", func(b []byte) { b[2], b[3] = 0, 0 }, nil},     // sphinx.md §3.3: "No value is refused"
		{"version 65535", func(b []byte) { b[2], b[3] = 255, 255 }, nil},
		{"longest delay", func(b []byte) { copy(b[36:44], bytes.Repeat([]byte{255}, 8)) }, nil},
	} {
		j := nw.job(Version259, mixnet.AckSize, nil)
		build(t, j)
		// Rewrite the first hop's block as somebody who knows its secret could.
		p := []Packet{{Data: j.Packet, Keys: [2]*keys.SphinxKey{nw.keys[0]}}}
		w := new(Workspace)
		w.Open(p)
		k := &w.keys[0]
		c, err := aes.NewCipher(k.rho()[:])
		if err != nil {
			t.Fatal(err)
		}
		beta := j.Packet[betaOff:HeaderSize]
		cipher.NewCTR(c, make([]byte, 16)).XORKeyStream(beta, beta)
		tc.spoil(beta)
		cipher.NewCTR(c, make([]byte, 16)).XORKeyStream(beta, beta)
		mac := hmac.New(sha256.New, k.mu()[:])
		mac.Write(beta)
		copy(j.Packet[alphaSize:betaOff], mac.Sum(nil))
		got := unwrap(j.Packet, nw.keys[0])
		if got.Err != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, got.Err, tc.want)
		}
		if got.Delay < 0 {
			t.Errorf("%s: delay %v", tc.name, got.Delay)
		}
	}
}
