package gateway

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"lukechampine.com/blake3"

	"nym-socks5/internal/base58"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/sessionserver"
	"nym-socks5/mixnet/wire"
)

func newBLAKE3() hash.Hash { return blake3.New(32, nil) }

// An oldVisitor is a client of before 2025, written from nodes.md §1.4.2, §1.5 and
// §1.7 alone: it shares no code with the gateway.
type oldVisitor struct {
	s    *site
	id   *keys.IdentityKey
	okm  []byte // Kenc, Kmac
	conn session.MessageConn
	done chan struct{}

	mu    sync.Mutex // guards the following
	got   [][]byte   // pushed messages
	texts []string   // types of the texts received
}

func (s *site) oldVisitor() *oldVisitor { return &oldVisitor{s: s, id: keys.NewIdentityKey()} }

func (v *oldVisitor) dial() {
	v.s.t.Helper()
	conn, err := session.Dial(v.s.ctx, "ws://"+gatewayWS, v.s.net.Host("198.51.100.9").DialContext)
	if err != nil {
		v.s.t.Fatal(err)
	}
	v.conn = conn
}

// say sends a text.
func (v *oldVisitor) say(members map[string]any) {
	v.s.t.Helper()
	b, err := json.Marshal(members)
	if err != nil {
		v.s.t.Fatal(err)
	}
	if err := v.conn.Write(v.s.ctx, true, b); err != nil {
		v.s.t.Fatal(err)
	}
}

// hear waits for a text.
func (v *oldVisitor) hear() (m struct {
	Type    string
	Version int `json:"protocol_version"`
	Data    []int
	Status  bool
	Message string
}) {
	v.s.t.Helper()
	isText, b, err := v.conn.Read(v.s.ctx)
	if err != nil || !isText {
		v.s.t.Fatalf("text %v, %v; want a text", isText, err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		v.s.t.Fatalf("%s: %v", b, err)
	}
	return m
}

func numbers(b []byte) []int {
	n := make([]int, len(b))
	for i, x := range b {
		n[i] = int(x)
	}
	return n
}

func octetsOf(n []int) []byte {
	b := make([]byte, len(n))
	for i, x := range n {
		b[i] = byte(x)
	}
	return b
}

// crypt is AES-128-CTR under Kenc.
func (v *oldVisitor) crypt(b, iv []byte) []byte {
	block, err := aes.NewCipher(v.okm[:16])
	if err != nil {
		v.s.t.Fatal(err)
	}
	out := make([]byte, len(b))
	cipher.NewCTR(block, iv).XORKeyStream(out, b)
	return out
}

var zeroIV = make([]byte, 16)

func (v *oldVisitor) mac(b []byte) []byte {
	h := hmac.New(newBLAKE3, v.okm[16:])
	h.Write(b)
	return h.Sum(nil)
}

// register goes through the 64-byte registration; "" is success.
func (v *oldVisitor) register() (refused string) {
	v.s.t.Helper()
	v.dial()
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		v.s.t.Fatal(err)
	}
	id, x := v.id.Public(), ephemeral.PublicKey().Bytes()
	opening := append(id[:], x...)
	v.say(map[string]any{"type": "handshakePayload", "protocol_version": 1, "data": numbers(opening)})
	m := v.hear()
	if m.Type == "handshakeError" {
		return m.Message
	}
	answer := octetsOf(m.Data)
	if m.Type != "handshakePayload" || m.Version != 1 || len(answer) != 96 {
		v.s.t.Fatalf("message 2 is %q, version %d, %d bytes", m.Type, m.Version, len(answer))
	}
	y, err := ecdh.X25519().NewPublicKey(answer[:32])
	if err != nil {
		v.s.t.Fatal(err)
	}
	dh, err := ephemeral.ECDH(y)
	if err != nil {
		v.s.t.Fatal(err)
	}
	if v.okm, err = hkdf.Key(newBLAKE3, dh, nil, "", 32); err != nil {
		v.s.t.Fatal(err)
	}
	if !v.s.identity.Public().Verify(slices.Concat(answer[:32], x), v.crypt(answer[32:], zeroIV)) {
		v.s.t.Fatal("message 2 is not the gateway's")
	}
	sig := v.id.Sign(slices.Concat(x, answer[:32]))
	v.say(map[string]any{"type": "handshakePayload", "protocol_version": 1, "data": numbers(v.crypt(sig[:], zeroIV))})
	if m := v.hear(); m.Type == "handshakeError" {
		return m.Message
	} else if m.Type != "handshakePayload" || len(m.Data) != 1 || m.Data[0] != 1 {
		v.s.t.Fatalf("message 4 is %+v", m)
	}
	if m := v.hear(); m.Type != "register" || m.Version != 1 || !m.Status {
		v.s.t.Fatalf("message 5 is %+v", m)
	}
	v.run()
	return ""
}

// request is an authenticate request with an IV.
func (v *oldVisitor) request(iv []byte) map[string]any {
	id := v.id.Public()
	return map[string]any{
		"type": "authenticate", "protocol_version": 1, "address": id.String(),
		"enc_address": base58.Encode(v.crypt(id[:], iv)), "iv": base58.Encode(iv),
	}
}

// login opens a session by a request; "" is success.
func (v *oldVisitor) login(request map[string]any) (refused string) {
	v.s.t.Helper()
	v.dial()
	v.say(request)
	switch m := v.hear(); {
	case m.Type == "error":
		v.conn.Close(1000, "")
		return m.Message
	case m.Type != "authenticate" || m.Version != 1 || !m.Status:
		v.s.t.Fatalf("answered with %+v", m)
	}
	v.run()
	return ""
}

func drawIV() []byte {
	iv := make([]byte, 16)
	rand.Read(iv)
	return iv
}

// run reads what comes.
func (v *oldVisitor) run() {
	conn, done := v.conn, make(chan struct{})
	v.done = done
	v.s.wg.Go(func() {
		defer close(done)
		for {
			isText, b, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			v.mu.Lock()
			if isText {
				var m struct{ Type string }
				json.Unmarshal(b, &m)
				v.texts = append(v.texts, m.Type)
			} else if len(b) > 32 && hmac.Equal(v.mac(b[32:]), b[:32]) {
				v.got = append(v.got, v.crypt(b[32:], zeroIV))
			}
			v.mu.Unlock()
		}
	})
	stop := context.AfterFunc(v.s.ctx, func() { conn.Close(1000, "") })
	v.s.wg.Go(func() { <-done; stop() })
	synctest.Wait()
}

func (v *oldVisitor) leave() {
	v.conn.Close(1000, "")
	<-v.done
	synctest.Wait()
}

// speak sends a packet to the first mix, in the frame that it gives.
func (v *oldVisitor) speak() []byte {
	v.s.t.Helper()
	p := wire.MixPacket{Next: v.s.nw.Layer(1)[0].Addr, Packet: make([]byte, mixnet.Regular.Total())}
	rand.Read(p.Packet)
	plaintext, err := p.Append(nil, false)
	if err != nil {
		v.s.t.Fatal(err)
	}
	ct := v.crypt(plaintext, zeroIV)
	frame := slices.Concat(v.mac(ct), ct)
	v.sendFrame(frame)
	return frame
}

func (v *oldVisitor) sendFrame(b []byte) {
	v.s.t.Helper()
	if err := v.conn.Write(v.s.ctx, false, b); err != nil {
		v.s.t.Fatal(err)
	}
	synctest.Wait()
}

// want compares what was pushed since it was last asked.
func (v *oldVisitor) want(bodies ...[]byte) {
	v.s.t.Helper()
	synctest.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	if !slices.EqualFunc(v.got, bodies, bytes.Equal) {
		v.s.t.Errorf("%d messages pushed, want %d, or others", len(v.got), len(bodies))
	}
	v.got = nil
}

// nodes.md appendix B, 16: "registers (64), claims, 2453-byte frames decrypt;
// same socket throughout". And it comes back by an undated authentication.
func TestLegacyClient(t *testing.T) {
	inSite(t, Config{AllowLegacy: true}, func(s *site) {
		v := s.oldVisitor()
		if why := v.register(); why != "" {
			t.Fatal(why)
		}
		s.inject(v.id.Public(), message(1)) // nodes.md §1.11: nothing before the first frame
		time.Sleep(time.Second)
		v.want()
		v.say(map[string]any{"type": "claimFreeTestnetBandwidth"})
		time.Sleep(time.Second)
		v.want(message(1))
		s.taken()
		if frame := v.speak(); len(frame) != 2453 {
			t.Errorf("frame of %d bytes, want 2453", len(frame))
		}
		if out := s.taken(); len(out) != 1 || out[0].Rotation != mixnet.RotationUnknown {
			t.Errorf("%d frames sent on, want 1 of no rotation", len(out))
		}
		s.inject(v.id.Public(), message(2))
		time.Sleep(time.Second)
		v.want(message(2))
		if got := fmt.Sprint(v.texts); got != "[bandwidth send]" {
			t.Errorf("texts %v, want bandwidth and one send", got)
		}
		v.leave()

		s.inject(v.id.Public(), message(3))
		time.Sleep(time.Second)
		if why := v.login(v.request(drawIV())); why != "" {
			t.Fatal(why)
		}
		time.Sleep(time.Second)
		v.want(message(3)) // 2 was proven by nothing, but it was never stored
		v.leave()
		if st := s.Stats().Session; st.Legacy != 2 || st.Registered != 1 || st.Authenticated != 1 {
			t.Errorf("%d legacy sessions, want 2: %+v", st.Legacy, st)
		}
	})
}

// hardening.md H20: "Mail is deleted only after a later valid sealed frame of
// that session, not seen before". A recorded frame is none.
func TestH20LegacyMailWaitsForProof(t *testing.T) {
	inSite(t, Config{AllowLegacy: true}, func(s *site) {
		v := s.oldVisitor()
		if why := v.register(); why != "" {
			t.Fatal(why)
		}
		recorded := v.speak()
		v.leave()
		s.inject(v.id.Public(), message(1))
		time.Sleep(time.Second)
		for range 3 {
			if why := v.login(v.request(drawIV())); why != "" {
				t.Fatal(why)
			}
			time.Sleep(time.Second)
			v.want(message(1))
			v.sendFrame(recorded)
			time.Sleep(time.Second)
			v.leave()
		}
		if n := s.Stats().Session.Replayed; n != 3 {
			t.Errorf("%d replays counted, want 3", n)
		}
		for round, want := range [][][]byte{{message(1)}, {}} {
			if why := v.login(v.request(drawIV())); why != "" {
				t.Fatal(why)
			}
			time.Sleep(time.Second)
			v.want(want...)
			if round == 0 {
				v.speak()
				time.Sleep(time.Second)
			}
			v.leave()
		}
	})
}

// H22: an undated request takes a session once, also after the gateway began anew.
func TestH22LegacyLoginIsAcceptedOnce(t *testing.T) {
	accounts := NewMemoryAccounts()
	var v *oldVisitor
	var request map[string]any
	inSite(t, Config{AllowLegacy: true, Accounts: accounts}, func(s *site) {
		v = s.oldVisitor()
		if why := v.register(); why != "" {
			t.Fatal(why)
		}
		v.leave()
		request = v.request(drawIV())
		if why := v.login(request); why != "" {
			t.Fatal(why)
		}
		v.leave()
		if why := v.login(request); why != string(sessionserver.ErrStale) {
			t.Errorf("replayed: %q", why)
		}
	})
	inSite(t, Config{AllowLegacy: true, Accounts: accounts}, func(s *site) {
		v.s = s
		if why := v.login(request); why != string(sessionserver.ErrStale) {
			t.Errorf("replayed to a new gateway: %q", why)
		}
		if why := v.login(v.request(drawIV())); why != "" {
			t.Errorf("a fresh one: %q", why)
		}
		v.leave()
	})
}

// H22: "An identity with a current key can never be registered anew by the legacy
// opening." Who registers by the 80-byte one leaves the legacy bucket.
func TestH22LegacyBucket(t *testing.T) {
	inSite(t, Config{AllowLegacy: true}, func(s *site) {
		old := s.oldVisitor()
		if why := old.register(); why != "" {
			t.Fatal(why)
		}
		old.leave()
		v := s.visitor()
		v.id = old.id
		v.register()
		v.leave()
		if why := old.login(old.request(drawIV())); why != "invalid authentication request" {
			t.Errorf("with the key of before: %q", why)
		}
		if why := old.register(); why != string(sessionserver.ErrCurrentKey) {
			t.Errorf("registered anew: %q", why)
		}
		old.conn.Close(1000, "")
		if err := v.login(); err != nil {
			t.Errorf("with the current key: %v", err)
		}
	})
}

// Without the switch a legacy client is nobody, also one of before: it gets no
// mail, and who writes to it no SURB-ACK.
func TestH22LegacyClientsAreNobodyWithoutTheSwitch(t *testing.T) {
	accounts := NewMemoryAccounts()
	var v *oldVisitor
	inSite(t, Config{AllowLegacy: true, Accounts: accounts}, func(s *site) {
		v = s.oldVisitor()
		if why := v.register(); why != "" {
			t.Fatal(why)
		}
		v.leave()
	})
	inSite(t, Config{Accounts: accounts}, func(s *site) {
		v.s = s
		if why := v.login(v.request(drawIV())); why != "legacy request is not supported" {
			t.Errorf("login: %q", why)
		}
		if why := v.register(); why != "legacy registration is not supported" {
			t.Errorf("registration: %q", why)
		}
		v.conn.Close(1000, "")
		s.inject(v.id.Public(), message(1))
		time.Sleep(time.Second)
		if out, st := s.taken(), s.Stats(); len(out) != 0 || st.Unknown != 1 || st.Stored != 0 {
			t.Errorf("%d SURB-ACKs, %d stored, %d unknown", len(out), st.Stored, st.Unknown)
		}
		again := s.visitor() // it may come back as a client of today
		again.id = v.id
		again.register()
	})
}

func TestLegacySwitchIsLogged(t *testing.T) {
	for _, on := range []bool{false, true} {
		var log bytes.Buffer
		inSite(t, Config{AllowLegacy: on, Log: zerolog.New(&log)}, func(*site) {})
		want := 0
		if on {
			want = 1
		}
		if got := strings.Count(log.String(), `"level":"warn"`); got != want {
			t.Errorf("switch %v: %d warnings, want %d: %s", on, got, want, log.String())
		}
	}
}
