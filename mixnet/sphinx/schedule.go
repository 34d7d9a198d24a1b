package sphinx

import "nym-socks5/internal/vec8"

// A schedule is what one hop's shared secret expands to (sphinx.md §3.5).
//
//	+--------+--------+------------------+---------------+-----------------+
//	| ρ (16) | μ (16) | payload key (192)| blinding (32) | replay tag (32) |
//	+--------+--------+------------------+---------------+-----------------+
//	                   seed (16) = its first bytes
type schedule [scheduleSize]byte

const scheduleSize = 288

func (s *schedule) rho() *[16]byte        { return (*[16]byte)(s[:16]) }
func (s *schedule) mu() *[16]byte         { return (*[16]byte)(s[16:32]) }
func (s *schedule) full() *[192]byte      { return (*[192]byte)(s[32:224]) }
func (s *schedule) seed() *[SeedSize]byte { return (*[SeedSize]byte)(s[32:48]) }
func (s *schedule) blinding() *[32]byte   { return (*[32]byte)(s[224:256]) }
func (s *schedule) tag() *[TagSize]byte   { return (*[TagSize]byte)(s[256:288]) }

// payloadKey is what the key of a hop's Lioness layer is made of: itself, or its seed.
func (s *schedule) payloadKey(v Version) []byte {
	if v.fullKeys() {
		return s.full()[:]
	}
	return s.seed()[:]
}

const (
	scheduleInfo = "Dwste mou enan moxlo arketa makru kai ena upomoxlio gia na ton topothetisw kai tha kinisw thn gh."
	seedSalt     = "sphinx-payload-key-V01-CS01-HKDF:SHA256-SALT"
	seedInfo     = "sphinx-payload-key-V01-CS01-HKDF:SHA256-INFO"
)

var (
	scheduleKDF = vec8.NewHKDF("", scheduleInfo, scheduleSize)
	seedKDF     = vec8.NewHKDF(seedSalt, seedInfo, FullKeySize) // sphinx.md §3.6
)

// lanes are what a call of the kernels reads and writes, a packet a lane, and
// the kernels. The phases of [Workspace] and [Builder] gather their packets
// here; which packet is in which lane may change from phase to phase.
type lanes struct {
	unit vec8.Unit

	n  int            // lanes in use
	at [BatchSize]int // the place in the batch of the packet in each lane

	members [BatchSize]int // see bySize

	scalar, point, product [BatchSize][32]byte
	tables                 [BatchSize]*vec8.Table // of the points, for multiplyKnown
	key                    [BatchSize][16]byte
	stream                 [BatchSize][vec8.StreamSize]byte
	sum                    [BatchSize][32]byte
	in, out                [BatchSize][]byte
	payload                [BatchSize][FullKeySize]byte
	wide                   lioness
}

// start begins a group.
func (l *lanes) start() { l.n = 0 }

// add puts packet i of the batch into the next lane.
func (l *lanes) add(i int) (lane int) {
	lane = l.n
	l.at[lane] = i
	l.n++
	return lane
}

// multiply sets the products of scalars and points. Bit i of the result is
// clear if product i is zero: then the point has low order.
func (l *lanes) multiply() (ok uint8) {
	ok = l.unit.X25519(l.n, &l.product, &l.scalar, &l.point)
	clear(l.scalar[:])
	return ok
}

// multiplyKnown is multiply for points that have tables.
func (l *lanes) multiplyKnown() (ok uint8) {
	ok = l.unit.X25519Table(l.n, &l.product, &l.scalar, &l.tables)
	clear(l.scalar[:])
	clear(l.tables[:])
	return ok
}

// schedules expands the products, lane i to where out[i] is.
func (l *lanes) schedules() {
	for i := range l.n {
		l.in[i] = l.product[i][:]
	}
	l.unit.HKDF(scheduleKDF, l.n, &l.out, &l.in)
	clear(l.product[:])
	l.forget()
}

// headerMACs sets sum to the MACs of what is in, under key.
func (l *lanes) headerMACs() {
	l.unit.HMAC(l.n, &l.sum, &l.key, &l.in)
	l.forget()
}

// headerStreams sets stream to what key makes.
func (l *lanes) headerStreams() { l.unit.AESStream(l.n, &l.stream, &l.key) }

// payloadKeys sets payload to the keys of Lioness layers: what is in, or its
// expansion where that is a seed.
func (l *lanes) payloadKeys() {
	seeds := 0
	var lane [BatchSize]int
	for i := range l.n {
		if k := l.in[i]; len(k) == FullKeySize {
			copy(l.payload[i][:], k)
		} else {
			l.in[seeds], lane[seeds] = k, i // seeds is not above i
			seeds++
		}
	}
	if seeds > 0 {
		for i := range seeds {
			l.out[i] = l.payload[lane[i]][:]
		}
		l.unit.HKDF(seedKDF, seeds, &l.out, &l.in)
	}
	l.forget()
}

// forget drops the references to what was in and out.
func (l *lanes) forget() {
	l.in, l.out = [BatchSize][]byte{}, [BatchSize][]byte{}
}

// bySize calls group for groups of the packets 0 to n-1 that have payloads of
// the same length, from the shortest to the longest. Length is below zero for
// packets without one.
func (l *lanes) bySize(n int, length func(i int) int, group func(members []int)) {
	for last := -1; ; {
		next := -1
		for i := range n {
			if s := length(i); s > last && (next < 0 || s < next) {
				next = s
			}
		}
		if next < 0 {
			return
		}
		k := 0
		for i := range n {
			if length(i) == next {
				l.members[k] = i
				k++
			}
		}
		group(l.members[:k])
		last = next
	}
}
