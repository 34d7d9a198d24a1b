package trace

import (
	"fmt"
	"strings"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
	"nym-socks5/mixnet/wire"
)

// A Record is what is known of one packet in the end.
type Record struct {
	Time  time.Time         `json:"time"` // when it was first seen
	From  string            `json:"from"` // the node that sent it then, its entry
	Frame wire.FrameVersion `json:"frame"`
	// Type is the packet type of the frame: 0, since nodes refuse others.
	Type     uint8           `json:"type"`
	Rotation mixnet.Rotation `json:"rotation"`
	Packet
	// Seen is on how many links the packet was seen, from its entry on. It is
	// the number of layers unless the packet was lost, or the trace ended.
	Seen int `json:"seen"`
}

// Whole reports whether the packet was seen on every link of its route.
func (r *Record) Whole() bool { return r.Error == "" && r.Seen == len(r.Layers) }

// A Packet is what its layers tell.
type Packet struct {
	Size   mixnet.PacketSize `json:"size"`
	Layers []Layer           `json:"layers"`
	// Error says why there is nothing behind the last of the layers; the rest
	// of the fields are zero then.
	Error string `json:"error,omitempty"`

	// Dest is the name of the client that it goes to, or [Unknown].
	Dest string `json:"dest,omitempty"`
	// ZeroID reports that the identifier beside the destination is zero.
	ZeroID  bool    `json:"zero_id"`
	Content Content `json:"content,omitempty"`
	// Plaintext is how many bytes the last layer gave.
	Plaintext int `json:"plaintext"`
	// Ack is the SURB-ACK in front of a message, AckPadded whether zeros stand
	// between its first hop and its packet.
	Ack       *Packet `json:"ack,omitempty"`
	AckPadded bool    `json:"ack_padded,omitempty"`

	dest keys.Identity
}

// Loop reports whether the packet and its SURB-ACK go to the same client: this
// is cover, or a message to oneself.
func (p *Packet) Loop() bool { return p.Ack != nil && p.Ack.Error == "" && p.dest == p.Ack.dest }

// A Layer is what one node finds when it takes its layer off.
type Layer struct {
	Node    string         `json:"node"`
	Role    topology.Role  `json:"role"`
	Version sphinx.Version `json:"version"`
	// Final is the flag: this is the last layer.
	Final bool `json:"final"`
	// Delay is how long the packet shall wait here, in nanoseconds in JSON.
	Delay time.Duration `json:"delay,omitempty"`
	// Waited is the time between the links before and behind the node, zero if
	// the packet was not seen behind it.
	Waited time.Duration `json:"waited,omitempty"`
}

// A Content is what the exit finds.
type Content string

// The contents.
const (
	Message Content = "message" // a SURB-ACK and what is sealed for the recipient
	Ack     Content = "ack"     // 21 bytes, the content of a SURB-ACK
	Garbled Content = "garbled" // neither
)

// Unknown stands for clients, and nodes, that have no name.
const Unknown = "unknown"

// A Field is one thing that a Record tells, for counting and comparing.
type Field struct{ Name, Value string }

// Fields lists what is told about the packet and its SURB-ACK, delays and times
// aside. Records of equal structure have equal Fields, save for the names of the
// clients they go to.
func (r *Record) Fields() []Field {
	fields := []Field{
		{"frame version", fmt.Sprint(uint8(r.Frame))},
		{"packet type", fmt.Sprint(r.Type)},
		{"key rotation", r.Rotation.String()},
	}
	fields = r.Packet.fields("", fields)
	if r.Ack != nil {
		fields = r.Ack.fields("ack ", append(fields,
			Field{"ack padded", fmt.Sprint(r.AckPadded)},
			Field{"ack to the same client", fmt.Sprint(r.Loop())}))
	}
	return fields
}

func (p *Packet) fields(prefix string, fields []Field) []Field {
	var route, versions, flags []string
	for _, l := range p.Layers {
		route = append(route, l.Role.String())
		versions = append(versions, l.Version.String())
		if l.Final {
			flags = append(flags, "final")
		} else {
			flags = append(flags, "forward")
		}
	}
	list := func(of []string) string { return strings.Join(of, ", ") }
	fields = append(fields,
		Field{prefix + "size", p.Size.String()},
		Field{prefix + "hops", fmt.Sprint(len(p.Layers))},
		Field{prefix + "route", list(route)},
		Field{prefix + "sphinx versions", list(versions)},
		Field{prefix + "flags", list(flags)},
	)
	if p.Error != "" {
		return append(fields, Field{prefix + "error", p.Error})
	}
	return append(fields,
		Field{prefix + "destination", p.Dest},
		Field{prefix + "identifier is zero", fmt.Sprint(p.ZeroID)},
		Field{prefix + "content", string(p.Content)},
		Field{prefix + "plaintext", fmt.Sprint(p.Plaintext)},
	)
}

// String tells it in one line.
func (r Record) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s v%d %v %v  %s", r.Time.Format("15:04:05.000"), uint8(r.Frame), r.Size, r.Rotation, r.From)
	r.Packet.write(&b)
	if r.Ack != nil {
		b.WriteString("  SURB-ACK")
		r.Ack.write(&b)
	}
	if !r.Whole() {
		fmt.Fprintf(&b, "  seen on %d of %d links", r.Seen, len(r.Layers))
	}
	return b.String()
}

func (p *Packet) write(b *strings.Builder) {
	for _, l := range p.Layers {
		fmt.Fprintf(b, " > %s/%v", l.Node, l.Version)
		if !l.Final {
			fmt.Fprintf(b, " %v", l.Delay.Round(10*time.Microsecond))
		}
	}
	if p.Error != "" {
		fmt.Fprintf(b, " > ? (%s)", p.Error)
		return
	}
	fmt.Fprintf(b, " > %s: %s, %d bytes", p.Dest, p.Content, p.Plaintext)
}
