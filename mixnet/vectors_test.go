package mixnet

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"testing"

	"nym-socks5/internal/vectest"
)

func TestVectorsAddresses(t *testing.T) {
	var v struct {
		Client struct {
			Address string
			Bytes   string `json:"address_bytes"`
		}
		Recipients []struct {
			Name   string
			Text   string
			Accept bool
			Bytes  string
			Again  string `json:"text_again"`
		} `json:"recipient_strings"`
		Nodes []struct {
			Address, Bytes string
			Padded19       string `json:"padded_19"`
			Padded32       string `json:"padded_32"`
		} `json:"node_addresses"`
		Parsing []struct {
			Bytes    string
			Accept   bool
			Address  string
			Consumed int
		} `json:"node_address_parsing"`
	}
	vectest.Read(t, "addresses.json", &v)

	client, err := ParseRecipientText(v.Client.Address)
	if b, _ := client.AppendBinary(nil); err != nil || hex.EncodeToString(b) != v.Client.Bytes {
		t.Errorf("client's address is %x, %v, want %s", b, err, v.Client.Bytes)
	}
	for _, c := range v.Recipients {
		r, err := ParseRecipientText(c.Text)
		if (err == nil) != c.Accept || (err != nil && !errors.Is(err, ErrMalformed)) {
			t.Errorf("recipient %s: %v, want accepted %v", c.Name, err, c.Accept)
			continue
		}
		if err != nil {
			continue
		}
		if b, _ := r.AppendBinary(nil); hex.EncodeToString(b) != c.Bytes || r.String() != c.Again {
			t.Errorf("recipient %s is %x and %v", c.Name, b, r)
		}
		if again, err := ParseRecipient(vectest.Unhex(t, c.Bytes)); err != nil || again != r {
			t.Errorf("recipient %s: its bytes parse as %v, %v", c.Name, again, err)
		}
	}
	for _, c := range v.Nodes {
		a := NodeAddrFrom(netip.MustParseAddrPort(c.Address))
		if b, err := a.AppendBinary(nil); err != nil || hex.EncodeToString(b) != c.Bytes {
			t.Errorf("%s encodes as %x, %v, want %s", c.Address, b, err, c.Bytes)
		}
		for size, want := range map[int]string{AckAddrPadded: c.Padded19, NodeAddrPadded: c.Padded32} {
			b := make([]byte, size)
			for i := range b {
				b[i] = 0xff
			}
			if err := a.PutPadded(b); err != nil || hex.EncodeToString(b) != want {
				t.Errorf("%s pads to %x, %v, want %s", c.Address, b, err, want)
			}
		}
	}
	for _, c := range v.Parsing {
		a, n, err := ParseNodeAddr(vectest.Unhex(t, c.Bytes))
		if (err == nil) != c.Accept || n != c.Consumed {
			t.Errorf("%s: %d bytes, %v, want %d, accepted %v", c.Bytes, n, err, c.Consumed, c.Accept)
		} else if err == nil && a.String() != c.Address {
			t.Errorf("%s parses as %v, want %s", c.Bytes, a, c.Address)
		}
	}
	if len(v.Recipients) == 0 || len(v.Nodes) == 0 || len(v.Parsing) == 0 {
		t.Error("the file lacks a part")
	}
}

func TestVectorsRotations(t *testing.T) {
	var v struct {
		Rotations []struct {
			ID   uint32 `json:"rotation_id"`
			Byte Rotation
		} `json:"rotation_bytes"`
	}
	vectest.Read(t, "rotations.json", &v)
	for _, c := range v.Rotations {
		if got := RotationOf(c.ID); got != c.Byte {
			t.Errorf("rotation %d travels as %v, want %v", c.ID, got, c.Byte)
		}
	}
	if len(v.Rotations) == 0 {
		t.Error("no rotations")
	}
}
