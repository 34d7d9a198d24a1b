package vectest

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestRead(t *testing.T) {
	var v struct {
		Packet Hex
		Sum    string
	}
	Read(t, "sample.json", &v)
	if want := []byte{0, 0xff, 0x10}; !bytes.Equal(v.Packet, want) {
		t.Errorf("got %x, want %x", v.Packet, want)
	}
	if got := Sum(v.Packet); got != v.Sum {
		t.Errorf("sum %s, want %s", got, v.Sum)
	}
	if got := Unhex(t, "00 ff10"); !bytes.Equal(got, v.Packet) {
		t.Errorf("got %x", got)
	}
}

func TestHexRefusesOtherText(t *testing.T) {
	for _, text := range []string{`"0"`, `"0g"`, `"0x00"`, `1`} {
		var h Hex
		if err := json.Unmarshal([]byte(text), &h); err == nil {
			t.Errorf("%s is taken as %x", text, h)
		}
	}
}
