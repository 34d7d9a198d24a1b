package requester

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// A dnsServer answers over streams, and notes the names it is asked for.
type dnsServer struct {
	answers map[string][]netip.Addr // by absolute name
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

// hardening.md H31: "Names are absolute: no search domain".
func TestH31LookupIsAbsolute(t *testing.T) {
	want := []netip.Addr{netip.MustParseAddr("93.184.216.34"), netip.MustParseAddr("2606:2800::1")}
	s := &dnsServer{answers: map[string][]netip.Addr{"www.example.org.": want}}
	lookup := lookupBy(s.dial)
	for _, host := range []string{"www.example.org", "www.example.org."} {
		got, err := lookup(t.Context(), host)
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		slices.SortFunc(got, netip.Addr.Compare)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", host, got, want)
		}
	}
	if _, err := lookup(t.Context(), "unknown"); err == nil {
		t.Error("an unknown name has addresses")
	}
	if got, want := s.asked(), []string{"unknown.", "www.example.org."}; !slices.Equal(got, want) {
		t.Errorf("asked for %q, want %q and nothing else", got, want)
	}
	s.served.Wait()
}

// hardening.md H31: "No DNS cache is shared between tags."
func TestH31EveryLookupAsksAnew(t *testing.T) {
	s := &dnsServer{answers: map[string][]netip.Addr{"www.example.org.": {netip.MustParseAddr("93.184.216.34")}}}
	lookup := lookupBy(s.dial)
	var before int
	for range 3 {
		if _, err := lookup(t.Context(), "www.example.org"); err != nil {
			t.Fatal(err)
		}
		if s.dials <= before {
			t.Errorf("after %d questions nothing was asked", before)
		}
		before = s.dials
	}
	s.served.Wait()
}

// hardening.md H31: "no hosts file". The name stands in the hosts file of most
// systems; where it does not, the server knows nothing of it.
func TestH31LookupIgnoresTheHostsFile(t *testing.T) {
	s := &dnsServer{}
	got, err := lookupBy(s.dial)(t.Context(), "localhost")
	if err == nil {
		t.Errorf("localhost has addresses %v", got)
	}
	s.served.Wait()
}

func TestLookupEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	lookup := lookupBy(func(ctx context.Context, _, _ string) (net.Conn, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if _, err := lookup(ctx, "www.example.org"); !errors.Is(err, context.Canceled) && err == nil {
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
	_, err = Lookup(ln.Addr().String())(t.Context(), "www.example.org")
	if err == nil {
		t.Error("a server that does not exist answered")
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
