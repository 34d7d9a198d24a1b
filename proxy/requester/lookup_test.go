package requester

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A dnsServer answers over streams, and notes the names it is asked for.
type dnsServer struct {
	answers map[string][]netip.Addr                        // by absolute name
	old     func(*dnsmessage.Builder, dnsmessage.Question) // if set: it refuses extensions, and adds this to its refusal
	served  sync.WaitGroup

	mu    sync.Mutex
	names []string
	dials int
}

// dial is how a resolver reaches the server.
func (s *dnsServer) dial(context.Context, string, string) (net.Conn, error) {
	s.mu.Lock()
	s.dials++
	s.mu.Unlock()
	near, far := net.Pipe()
	s.served.Go(func() {
		defer far.Close()
		for s.answer(far) == nil {
		}
	})
	return near, nil
}

func (s *dnsServer) resolver() resolver { return resolver{servers: oneServer, dial: s.dial} }

func oneServer() []string { return []string{"192.0.2.53:53"} }

// answer answers one question, in the framing of DNS over TCP.
func (s *dnsServer) answer(c net.Conn) error {
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil {
		return err
	}
	q, err := p.Question()
	if err != nil {
		return err
	}
	if s.old != nil && p.SkipAllQuestions() == nil && p.SkipAllAnswers() == nil && p.SkipAllAuthorities() == nil {
		if extra, err := p.AllAdditionals(); err == nil && len(extra) > 0 {
			out := dnsmessage.NewBuilder(make([]byte, 2), dnsmessage.Header{ID: h.ID, Response: true, RCode: dnsmessage.RCodeFormatError})
			s.old(&out, q)
			return send(c, &out)
		}
	}
	s.mu.Lock()
	s.names = append(s.names, q.Name.String())
	found, known := s.answers[q.Name.String()]
	s.mu.Unlock()
	h = dnsmessage.Header{ID: h.ID, Response: true, RecursionAvailable: true}
	if !known {
		h.RCode = dnsmessage.RCodeNameError
	}
	out := dnsmessage.NewBuilder(make([]byte, 2), h)
	out.StartQuestions()
	out.Question(q)
	out.StartAnswers()
	rh := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 3600}
	for _, a := range found {
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			out.AResource(rh, dnsmessage.AResource{A: a.As4()})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			out.AAAAResource(rh, dnsmessage.AAAAResource{AAAA: a.As16()})
		}
	}
	return send(c, &out)
}

// send sends an answer, with its length in front.
func send(c net.Conn, out *dnsmessage.Builder) error {
	msg, err := out.Finish()
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint16(msg, uint16(len(msg)-2))
	_, err = c.Write(msg)
	return err
}

// asked gives the names asked for, each once.
func (s *dnsServer) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := slices.Clone(s.names)
	slices.Sort(names)
	return slices.Compact(names)
}

// RFC 6891 §7: who gets FORMERR "SHOULD" ask again without extensions. Such servers
// repeat the question, or send nothing but a header.
func TestLookupAtServersWithoutExtensions(t *testing.T) {
	want := []netip.Addr{netip.MustParseAddr("93.184.216.34")}
	for name, old := range map[string]func(*dnsmessage.Builder, dnsmessage.Question){
		"header only":   func(*dnsmessage.Builder, dnsmessage.Question) {},
		"with question": func(b *dnsmessage.Builder, q dnsmessage.Question) { b.StartQuestions(); b.Question(q) },
	} {
		s := &dnsServer{answers: map[string][]netip.Addr{"www.example.org.": want}, old: old}
		if got, err := s.resolver().lookup(t.Context(), "ip4", "www.example.org"); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
		s.served.Wait()
	}
}

// hardening.md H31: "Names are absolute: no search domain".
func TestH31LookupIsAbsolute(t *testing.T) {
	want := []netip.Addr{netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("2606:2800::1")}
	s := &dnsServer{answers: map[string][]netip.Addr{"www.example.org.": want}}
	lookup := s.resolver().lookup
	for _, host := range []string{"www.example.org", "www.example.org."} {
		for i, network := range []string{"ip4", "ip6"} {
			got, err := lookup(t.Context(), network, host)
			if err != nil || len(got) != 1 || got[0] != want[i] {
				t.Errorf("%s, %s: got %v, %v, want %v", host, network, got, err, want[i])
			}
		}
	}
	if _, err := lookup(t.Context(), "ip4", "unknown"); !errors.Is(err, errNoName) {
		t.Errorf("an unknown name gives %v", err)
	}
	if got, want := s.asked(), []string{"unknown.", "www.example.org."}; !slices.Equal(got, want) {
		t.Errorf("asked for %q, want %q and nothing else", got, want)
	}
	s.served.Wait()
}

// hardening.md H31: "No DNS cache is shared between tags."
func TestH31EveryLookupAsksAnew(t *testing.T) {
	s := &dnsServer{answers: map[string][]netip.Addr{"www.example.org.": {netip.MustParseAddr("93.184.216.34")}}}
	lookup := s.resolver().lookup
	var before int
	for range 3 {
		if _, err := lookup(t.Context(), "ip4", "www.example.org"); err != nil {
			t.Fatal(err)
		}
		if s.dials <= before {
			t.Errorf("after %d questions nothing was asked", before)
		}
		before = s.dials
	}
	s.served.Wait()
}

// hardening.md H31: "no hosts file", whatever nsswitch.conf says: nothing but the
// server is asked, and it says no. The name stands in the hosts file of most systems.
func TestH31LookupIgnoresTheHostsFile(t *testing.T) {
	s := &dnsServer{}
	got, err := s.resolver().lookup(t.Context(), "ip4", "localhost")
	if err == nil {
		t.Errorf("localhost has addresses %v", got)
	}
	s.served.Wait()
}

func TestLookupEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := resolver{servers: oneServer, dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	if _, err := r.lookup(ctx, "ip4", "www.example.org"); !errors.Is(err, context.Canceled) && err == nil {
		t.Errorf("got %v, want an error", err)
	}
}

func TestLookupServer(t *testing.T) {
	// Nobody listens there, so the error tells which server was asked.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	_, err = Lookup(ln.Addr().String())(t.Context(), "ip4", "www.example.org")
	if err == nil {
		t.Error("a server that does not exist answered")
	}
}

// A server that answers over datagrams: what it says to others is passed over, and
// what does not fit is asked for over TCP.
func TestLookupOverDatagrams(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", udp.LocalAddr().String())
	if err != nil {
		t.Skip("the port is taken")
	}
	want := netip.MustParseAddr("93.184.216.34")
	s := &dnsServer{answers: map[string][]netip.Addr{"big.example.org.": {want}}}
	var served sync.WaitGroup
	served.Go(func() {
		b := make([]byte, 1500)
		for {
			n, from, err := udp.ReadFrom(b)
			if err != nil {
				return
			}
			q := append([]byte(nil), b[:n]...)
			forged := append([]byte(nil), q...)
			forged[0]++ // another question's
			forged[2] |= 0x80
			udp.WriteTo(forged, from)
			udp.WriteTo([]byte("nonsense"), from)
			q[2] |= 0x82 // an answer, cut off
			q[11] = 0    // without the additional record
			udp.WriteTo(q[:n-11], from)
		}
	})
	served.Go(func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			s.answer(c)
			c.Close()
		}
	})
	got, err := Lookup(udp.LocalAddr().String())(t.Context(), "ip4", "big.example.org")
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	udp.Close()
	tcp.Close()
	served.Wait()
}

// A server that does not answer costs its time, not the name.
func TestLookupAsksTheNextServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &dnsServer{answers: map[string][]netip.Addr{"www.example.org.": {netip.MustParseAddr("93.184.216.34")}}}
		silent := func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == "192.0.2.1:53" {
				near, far := net.Pipe()
				go func() { io.Copy(io.Discard, far); far.Close() }()
				return near, nil
			}
			return s.dial(ctx, network, addr)
		}
		r := resolver{servers: func() []string { return []string{"192.0.2.1:53", "192.0.2.2:53"} }, dial: silent}
		start := time.Now()
		if got, err := r.lookup(t.Context(), "ip4", "www.example.org"); err != nil || len(got) != 1 {
			t.Errorf("got %v, %v", got, err)
		}
		if took := time.Since(start); took != dnsTimeout {
			t.Errorf("took %v, want %v", took, dnsTimeout)
		}
		s.served.Wait()
	})
}

func TestParseServers(t *testing.T) {
	conf := "# a comment\nsearch corp.example\nnameserver 192.0.2.1\n nameserver 2001:db8::1 \nnameserver fe80::1%eth0\nnameserver nonsense\nnameserver 192.0.2.3\n"
	got := parseServers(strings.NewReader(conf))
	if want := []string{"192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%eth0]:53"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzParseAnswer(f *testing.F) {
	name := dnsmessage.MustNewName("www.example.org.")
	q := dnsmessage.Question{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 7, Response: true})
	b.StartQuestions()
	b.Question(q)
	b.StartAnswers()
	rh := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET}
	b.CNAMEResource(rh, dnsmessage.CNAMEResource{CNAME: name})
	b.AResource(rh, dnsmessage.AResource{A: [4]byte{93, 184, 216, 34}})
	msg, err := b.Finish()
	if err != nil {
		f.Fatal(err)
	}
	if addrs, _, ours, err := parseAnswer(msg, 7, q); len(addrs) != 1 || !ours || err != nil {
		f.Fatalf("got %v, %v, %v", addrs, ours, err)
	}
	f.Add(msg)
	f.Fuzz(func(t *testing.T, b []byte) {
		addrs, _, ours, err := parseAnswer(b, 7, q)
		if len(addrs) > maxAddrs || len(addrs) > 0 && (!ours || err != nil) {
			t.Fatalf("%d addresses, ours %v, %v", len(addrs), ours, err)
		}
		for _, a := range addrs {
			if !a.Is4() {
				t.Fatalf("%v in an answer about IPv4", a)
			}
		}
	})
}

// hardening.md H30: "the host's own addresses, and those on its links"
func TestH30NeighboursOnTheLink(t *testing.T) {
	own := &ownAddresses{list: func() ([]net.Addr, error) {
		return []net.Addr{
			&net.IPNet{IP: net.ParseIP("2a01:4f8:1:2::10"), Mask: net.CIDRMask(64, 128)},
			&net.IPNet{IP: net.IPv4(198, 51, 101, 7), Mask: net.CIDRMask(24, 32)},
			&net.IPNet{IP: net.IPv4(9, 9, 9, 9), Mask: net.CIDRMask(1, 32)}, // a tunnel
		}, nil
	}}
	for text, want := range map[string]bool{
		"2a01:4f8:1:2::10": true, "2a01:4f8:1:2::1": true, "2a01:4f8:1:2:ffff::1": true, "2a01:4f8:1:3::1": false,
		"198.51.101.7": true, "198.51.101.1": true, "::ffff:198.51.101.1": true, "198.51.102.1": false,
		"9.9.9.9": true, "9.9.9.10": false,
	} {
		if got := own.has(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: guarded %v, want %v", text, got, want)
		}
	}
}

func TestOwnAddresses(t *testing.T) {
	own := OwnAddresses()
	for addr, want := range map[string]bool{"127.0.0.1": true, "::ffff:127.0.0.1": true, "93.184.216.34": false} {
		if got := own(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %v, want %v", addr, got, want)
		}
	}
	unknown := &ownAddresses{list: func() ([]net.Addr, error) { return nil, errors.New("not permitted") }}
	if !unknown.has(netip.MustParseAddr("93.184.216.34")) {
		t.Error("without a list of interfaces an address counts as a stranger's")
	}
}
