package link

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"github.com/flynn/noise"

	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet/keys"
)

type noiseVectors struct {
	Sessions []struct {
		Name      string `json:"name"`
		InitPriv  string `json:"initiator_static_private"`
		InitEph   string `json:"initiator_ephemeral_private"`
		RespPriv  string `json:"responder_static_private"`
		RespPub   string `json:"responder_static_public"`
		RespEph   string `json:"responder_ephemeral_private"`
		PSK       string `json:"psk"`
		Handshake string `json:"handshake_hash"`
		Messages  []struct {
			From      string `json:"from"`
			Frame     string `json:"frame"`
			Plaintext string `json:"plaintext"`
		} `json:"messages"`
		OneWrite []struct {
			Header string `json:"frame_header"`
			Length int    `json:"plaintext_length"`
		} `json:"one_write_of_70000_bytes_became"`
	} `json:"sessions"`
}

func readNoiseVectors(t *testing.T) noiseVectors {
	t.Helper()
	var v noiseVectors
	vectest.Read(t, "noise.json", &v)
	if len(v.Sessions) != 2 {
		t.Fatalf("got %d sessions, want 2", len(v.Sessions))
	}
	return v
}

func noiseKey(t *testing.T, s string) *keys.NoiseKey {
	return keys.NoiseKeyFromBytes([32]byte(vectest.Unhex(t, s)))
}

// nodes.md §3.3: "psk = SHA-256("NYMTECH_NOISE_dQw4w9WgXcQ" || responder static
// noise public key)".
func TestPresharedKey(t *testing.T) {
	for _, s := range readNoiseVectors(t).Sessions {
		if got := presharedKey(keys.Noise(vectest.Unhex(t, s.RespPub))); !bytes.Equal(got, vectest.Unhex(t, s.PSK)) {
			t.Errorf("%s: got %x, want %s", s.Name, got, s.PSK)
		}
	}
	y := vectest.Unhex(t, "ff2ee45601ec1b67310c7790404585ae697331eee1c1f8cf2419731c1fff3e6b") // nodes.md appendix A
	want := "f85bfeef2c51d896fe4c6a9fc24d30516b6866a451f1908266eca69032c6c18e"
	if got := hex.EncodeToString(presharedKey(keys.Noise(y))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// nodes.md §3.3: "Handshake: → e,es (48 bytes), ← e,ee (48), → s,se,psk (64)".
// Here we are the initiator whose ephemeral key is known, against what the
// reference answered.
func TestInitiatorVector(t *testing.T) {
	s := readNoiseVectors(t).Sessions[0]
	var out, in bytes.Buffer
	in.Write(vectest.Unhex(t, s.Messages[1].Frame))
	in.Write(vectest.Unhex(t, s.Messages[5].Frame))
	r := newMessageReader(&in)
	send, recv, err := initiate(&out, r, bytes.NewReader(vectest.Unhex(t, s.InitEph)),
		noiseKey(t, s.InitPriv), keys.Noise(vectest.Unhex(t, s.RespPub)))
	if err != nil {
		t.Fatal(err)
	}
	w := noiseWriter{w: &out, cipher: send}
	for _, m := range s.Messages[3:5] {
		if _, err := w.Write(vectest.Unhex(t, m.Plaintext)); err != nil {
			t.Fatal(err)
		}
	}
	var want []byte
	for _, i := range []int{0, 2, 3, 4} {
		want = append(want, vectest.Unhex(t, s.Messages[i].Frame)...)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("we wrote\n%x\nwant\n%x", out.Bytes(), want)
	}
	got, err := io.ReadAll(&noiseReader{m: r, cipher: recv})
	if err != nil || !bytes.Equal(got, vectest.Unhex(t, s.Messages[5].Plaintext)) {
		t.Errorf("we read %q (%v)", got, err)
	}
}

// Here we are the responder whose ephemeral key is known, and the reference
// dialed.
func TestResponderVector(t *testing.T) {
	s := readNoiseVectors(t).Sessions[1]
	var out, in bytes.Buffer
	for _, i := range []int{0, 2, 3} {
		in.Write(vectest.Unhex(t, s.Messages[i].Frame))
	}
	m := newMessageReader(&in)
	own := noiseKey(t, s.RespPriv)
	r, err := newResponder(m, &out, bytes.NewReader(vectest.Unhex(t, s.RespEph)), own)
	if err != nil {
		t.Fatal(err)
	}
	peer, recv, send, err := r.finish()
	if err != nil {
		t.Fatal(err)
	}
	if want := noiseKey(t, s.InitPriv).Public(); peer != want {
		t.Errorf("got initiator %v, want %v", peer, want)
	}
	if got := hex.EncodeToString(r.hs.ChannelBinding()); got != s.Handshake {
		t.Errorf("got handshake hash %s, want %s", got, s.Handshake)
	}
	got, err := io.ReadAll(&noiseReader{m: m, cipher: recv})
	if err != nil || !bytes.Equal(got, vectest.Unhex(t, s.Messages[3].Plaintext)) {
		t.Errorf("we read %q (%v)", got, err)
	}
	w := noiseWriter{w: &out, cipher: send}
	w.Write(vectest.Unhex(t, s.Messages[4].Plaintext))
	want := append(vectest.Unhex(t, s.Messages[1].Frame), vectest.Unhex(t, s.Messages[4].Frame)...)
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("we wrote\n%x\nwant\n%x", out.Bytes(), want)
	}
}

// nodes.md §3.3: "each Noise transport message carries at most 65519 plaintext bytes".
func TestLongWriteIsSplit(t *testing.T) {
	v := readNoiseVectors(t).Sessions[1].OneWrite
	if len(v) != 2 {
		t.Fatalf("got %d messages in the vector, want 2", len(v))
	}
	send, _ := cipherPair()
	var out bytes.Buffer
	data := make([]byte, 70000)
	rand.Read(data)
	if n, err := (&noiseWriter{w: &out, cipher: send}).Write(data); n != len(data) || err != nil {
		t.Fatal(n, err)
	}
	first := out.Bytes()[:8]
	second := out.Bytes()[8+v[0].Length+16:][:8]
	if !bytes.Equal(first, vectest.Unhex(t, v[0].Header)) || !bytes.Equal(second, vectest.Unhex(t, v[1].Header)) {
		t.Errorf("got headers %x and %x, want %s and %s", first, second, v[0].Header, v[1].Header)
	}
	// The plaintext is a byte stream: it reads the same in pieces of any size.
	for _, piece := range []int{1, 7, 100, 4096, 65519, 65520, 1 << 20} {
		_, recv := cipherPair()
		r := &noiseReader{m: newMessageReader(bytes.NewReader(out.Bytes())), cipher: recv}
		var got []byte
		p := make([]byte, piece)
		for {
			n, err := r.Read(p)
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, data) {
			t.Fatalf("pieces of %d: got other data", piece)
		}
	}
}

// cipherPair makes two ends of one direction under a fixed key.
func cipherPair() (send, recv *noise.CipherState) {
	k := [32]byte{1}
	return noise.UnsafeNewCipherState(suite, k, 0), noise.UnsafeNewCipherState(suite, k, 0)
}

// nodes.md §3.3: "The version and pattern of all later frames must equal those
// of the first; a mismatch is fatal."
func TestNoiseHeader(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      int
	}{
		{"handshake", "0101000030000000", 48},
		{"longest", "010100ffff000000", 65535},
		{"version 2", "0201000030000000", -1},
		{"version 0", "0001000030000000", -1},
		{"pattern 2", "0102000030000000", -1},
		{"pattern 0", "0100000030000000", -1},
		{"data", "0101010030000000", -1},
		{"type 2", "0101020030000000", -1},
		{"no zeros", "0101000030010000", -1},
		{"no zeros at the end", "0101000030000001", -1},
	} {
		n, err := parseNoiseHeader(vectest.Unhex(t, c.hex), typeHandshake)
		if c.want < 0 {
			if !errors.Is(err, ErrHandshake) {
				t.Errorf("%s: got %v, want ErrHandshake", c.name, err)
			}
			continue
		}
		if err != nil || n != c.want {
			t.Errorf("%s: got %d (%v), want %d", c.name, n, err, c.want)
		}
	}
}

func FuzzNoiseHeader(f *testing.F) {
	f.Add([]byte{1, 1, 0, 0, 48, 0, 0, 0})
	f.Add([]byte{1, 1, 1, 0xff, 0xff, 0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) != noiseHeader {
			return
		}
		for _, typ := range []byte{typeHandshake, typeData} {
			n, err := parseNoiseHeader(in, typ)
			if err != nil {
				continue
			}
			out := make([]byte, noiseHeader+n)
			putNoiseHeader(out, typ)
			if !bytes.Equal(out[:noiseHeader], in) {
				t.Fatalf("%x encodes as %x", in, out[:noiseHeader])
			}
		}
	})
}

// A message that was changed, left out, repeated or swapped ends the stream,
// and nothing behind it is read.
func TestTamperedNoiseStream(t *testing.T) {
	message := func(text string, send *noise.CipherState) []byte {
		var b bytes.Buffer
		(&noiseWriter{w: &b, cipher: send}).Write([]byte(text))
		return b.Bytes()
	}
	send, _ := cipherPair()
	a, b, c := message("aa", send), message("bb", send), message("cc", send)
	flip := bytes.Clone(b)
	flip[len(flip)-1] ^= 1
	short := []byte{1, 1, 1, 0, 3, 0, 0, 0, 9, 9, 9}
	for name, in := range map[string][][]byte{
		"changed": {a, flip, b, c}, "left out": {a, c}, "repeated": {a, a, b}, "swapped": {a, c, b},
		"shorter than a tag": {a, short, b}, "handshake again": {a, {1, 1, 0, 0, 0, 0, 0, 0}, b},
	} {
		_, recv := cipherPair()
		r := &noiseReader{m: newMessageReader(bytes.NewReader(bytes.Join(in, nil))), cipher: recv}
		got, err := io.ReadAll(r)
		if string(got) != "aa" || err == nil {
			t.Errorf("%s: read %q, %v", name, got, err)
		}
		if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil {
			t.Errorf("%s: read on: %d bytes, %v", name, n, err)
		}
	}
}

// Whatever a stranger sends as a handshake is refused without a panic.
func FuzzResponder(f *testing.F) {
	own := keys.NoiseKeyFromBytes([32]byte{5})
	var first bytes.Buffer
	initiate(&first, newMessageReader(bytes.NewReader(nil)), rand.Reader, keys.NewNoiseKey(), own.Public())
	f.Add(first.Bytes())
	f.Add([]byte{1, 1, 0, 0, 48, 0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		m := newMessageReader(bytes.NewReader(in))
		r, err := newResponder(m, io.Discard, rand.Reader, own)
		if err != nil {
			return
		}
		if _, _, _, err := r.finish(); err == nil {
			t.Fatal("finished a handshake with a fresh ephemeral key from recorded bytes")
		}
	})
}
