package protocol

import (
	"bytes"
	"testing"

	"nym-socks5/internal/base58"
	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

func FuzzParseLegacyOpening(f *testing.F) {
	id := keys.IdentityKeyFromSeed([32]byte{1}).Public()
	f.Add(append(id[:], fill(9, 32)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		o, err := ParseLegacyOpening(in)
		if err != nil {
			return
		}
		if out := append(bytes.Clone(o.Client[:]), o.ephemeral[:]...); !bytes.Equal(in, out) {
			t.Fatalf("%x parses as %+v", in, o)
		}
	})
}

func FuzzOpenLegacyFrame(f *testing.F) {
	key := appendixKey(f)
	f.Add(vectest.Unhex(f, "c7af64facf13990e4fdf206698e23ca76f358f69d70e69dd5ef46b4a0cf9cf924ca670bb33091f87bc"), []byte{}, false)
	packet, err := wire.MixPacket{Next: hop4, Packet: make([]byte, mixnet.AckSize.Total())}.Append(nil, false)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, packet, true)
	// With seal set, the second input is put into an envelope, or else nothing
	// that is found here would ever open.
	f.Fuzz(func(t *testing.T, in, plaintext []byte, seal bool) {
		if seal {
			in = NewLegacySealer(key).AppendPush(nil, plaintext)
		}
		s := NewLegacySealer(key)
		if p, err := s.OpenForward(bytes.Clone(in)); err == nil {
			out, err := p.Append(nil, false)
			if err != nil || !bytes.Equal(NewLegacySealer(key).AppendPush(nil, out), in) {
				t.Fatalf("%x opens as %+v, %v, which seals as something else", in, p, err)
			}
		}
	})
}

func FuzzDecodeAuthenticateV1(f *testing.F) {
	f.Add("F25s3DdjXdCxYBhh2z8FBusVEMT4b9bGNFVKJi3wFoF4", "GnQXNemcNAPovyyWiGybwFQNCwAcVqp26PKwR8Mrah2C", "N5L7eAc4PsHfZViqAMbFEH", byte(1))
	f.Add("F25s3DdjXdCxYBhh2z8FBusVEMT4b9bGNFVKJi3wFoF4", base58.Encode(fill(7, 48)), base58.Encode(fill(8, 12)), byte(3))
	f.Fuzz(func(t *testing.T, address, ciphertext, iv string, version byte) {
		l, err := (&AuthenticateV1{version, address, ciphertext, iv}).Decode()
		if err != nil {
			return
		}
		if l.Client.String() != address || base58.Encode(l.ciphertext) != ciphertext || base58.Encode(l.Nonce) != iv {
			t.Fatalf("%q %q %q decode as %+v", address, ciphertext, iv, l)
		}
		NewLegacySealer(appendixKey(t)).Undated(&l)
	})
}
