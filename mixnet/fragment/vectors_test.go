package fragment

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"nym-socks5/internal/vectest"
)

type vectors struct {
	Cases []struct {
		Name        string
		Size        int      `json:"fragment_size"`
		Length      int      `json:"message_length"`
		Sets        []uint32 `json:"set_ids"`
		Fragments   int
		Zeros       int      `json:"trailing_zeros"`
		Padded      string   `json:"padded_sha256"`
		Sum         string   `json:"fragments_sha256"`
		FragBytes   []string `json:"fragment_bytes"`
		Headers     []string
		SomeHeaders []struct {
			Index  int
			Header string
		} `json:"some_headers"`
	}
	Scripts []struct {
		Name   string
		Case   string
		Order  []int
		Expect []struct {
			Step   int      `json:"complete_at_step"`
			Sets   []uint32 `json:"used_sets"`
			Result struct {
				Length int    `json:"data_length"`
				Sum    string `json:"data_sha256"`
			}
		}
	} `json:"reconstruction_scripts"`
	Parsing []struct {
		Bytes  string
		Expect struct {
			Accept         bool
			Set            uint32 `json:"set_id"`
			Total, Current uint8
			Prev           uint32 `json:"previous_set"`
			Next           uint32 `json:"next_set"`
			Payload        string
		}
	} `json:"fragment_parsing"`
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	vectest.Read(t, "fragments.json", &v)
	return v
}

// nymMessage is a plain message over the vectors' pattern.
func nymMessage(length int) []byte { return append([]byte{0}, pattern(length)...) }

func TestVectorsSplit(t *testing.T) {
	for _, c := range readVectors(t).Cases {
		t.Run(c.Name, func(t *testing.T) {
			msg := nymMessage(c.Length)
			frags := splitAs(t, msg, c.Size, c.Sets)
			if got := vectest.Sum(bytes.Join(frags, nil)); got != c.Sum || len(frags) != c.Fragments {
				t.Errorf("%d fragments with sum %s, want %d with %s", len(frags), got, c.Fragments, c.Sum)
			}
			var padded []byte
			var headers []string
			for _, f := range frags {
				_, n, err := ParseHeader(f)
				if err != nil {
					t.Fatal(err)
				}
				headers = append(headers, hex.EncodeToString(f[:n]))
				padded = append(padded, f[n:]...)
			}
			if got := vectest.Sum(padded); got != c.Padded {
				t.Errorf("padded message has sum %s, want %s", got, c.Padded)
			}
			if got := len(padded) - 1 - len(msg); got != c.Zeros {
				t.Errorf("%d zeros, want %d", got, c.Zeros)
			}
			for i, want := range c.FragBytes {
				if got := hex.EncodeToString(frags[i]); got != want {
					t.Errorf("fragment %d is %s, want %s", i, got, want)
				}
			}
			for _, want := range c.SomeHeaders {
				if headers[want.Index] != want.Header {
					t.Errorf("header %d is %s, want %s", want.Index, headers[want.Index], want.Header)
				}
			}
			for i, want := range c.Headers {
				if headers[i] != want {
					t.Errorf("header %d is %s, want %s", i, headers[i], want)
				}
			}
		})
	}
}

func TestVectorsReconstruct(t *testing.T) {
	v := readVectors(t)
	for _, s := range v.Scripts {
		t.Run(s.Name, func(t *testing.T) {
			var frags [][]byte
			var sets []uint32
			for _, c := range v.Cases {
				if c.Name == s.Case {
					frags, sets = splitAs(t, nymMessage(c.Length), c.Size, c.Sets), c.Sets
				}
			}
			var a Assembler
			done := 0
			for step, i := range s.Order {
				msg, ok, err := a.Insert(Origin{}, time.Unix(0, 0), frags[i])
				if err != nil {
					t.Fatalf("step %d: %v", step, err)
				}
				if !ok {
					continue
				}
				if done == len(s.Expect) {
					t.Fatalf("complete at step %d, want no more messages", step)
				}
				want := s.Expect[done]
				if step != want.Step || len(msg) != 1+want.Result.Length || vectest.Sum(msg[1:]) != want.Result.Sum {
					t.Errorf("message of %d bytes at step %d, want %d bytes at step %d", len(msg), step, 1+want.Result.Length, want.Step)
				}
				for _, set := range want.Sets {
					if !a.open.used.has(key{set: set}) {
						t.Errorf("set %d is not used", set)
					}
				}
				if len(sets) != len(want.Sets) {
					t.Errorf("%d sets used, want %d", len(sets), len(want.Sets))
				}
				done++
			}
			if done != len(s.Expect) {
				t.Errorf("%d messages complete, want %d", done, len(s.Expect))
			}
		})
	}
}

func TestVectorsParse(t *testing.T) {
	for _, c := range readVectors(t).Parsing {
		b := vectest.Unhex(t, c.Bytes)
		h, n, err := ParseHeader(b)
		if (err == nil) != c.Expect.Accept {
			t.Errorf("%s: %v, want accepted %v", c.Bytes, err, c.Expect.Accept)
			continue
		}
		if err != nil {
			continue
		}
		want := Header{Set: c.Expect.Set, Total: c.Expect.Total, Pos: c.Expect.Current, Prev: c.Expect.Prev, Next: c.Expect.Next}
		if h != want || hex.EncodeToString(b[n:]) != c.Expect.Payload {
			t.Errorf("%s: got %+v and %x, want %+v and %s", c.Bytes, h, b[n:], want, c.Expect.Payload)
		}
	}
}
