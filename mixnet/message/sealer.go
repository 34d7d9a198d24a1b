package message

import (
	"crypto/rand"
	"fmt"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/surb"
)

// Where things are in the plaintext of a packet.
const (
	keyAt      = mixnet.AckPrefixSize         // 405
	fragmentAt = keyAt + mixnet.KeyPrefixSize // 437
)

// coverText is what the content of cover begins with. No fragment does, since
// its first bit is set.
const coverText = "The cake is a lie!"

// A Path is the way of a packet to the recipient's gateway, and that of its
// receipt to our own.
type Path struct{ Out, Back []sphinx.Hop }

// A Sealer makes the packets of one client: seals the fragment, puts the
// SURB-ACK in front and wraps all in layers. One goroutine may use it at a
// time.
type Sealer struct {
	self    mixnet.Recipient
	version sphinx.Version
	acks    *surb.Acks
	builder sphinx.Builder

	// Scratch space, so that hardly anything is allocated per packet.
	jobs  [2]sphinx.Job // the receipt and the packet around it
	plain [mixnet.MaxPlaintext]byte
	kdf   kdf
	drawn drawn
}

// drawn is what one packet needs that must be fresh, besides its receipt.
type drawn [32 + 32 + sphinx.MaxPadding]byte

func (d *drawn) ephemeral() *[32]byte { return (*[32]byte)(d[:32]) }
func (d *drawn) secret() *[32]byte    { return (*[32]byte)(d[32:64]) }
func (d *drawn) padding() []byte      { return d[64:] }

// NewSealer makes a Sealer for the client that is reached at self. Receipts are
// sealed with ack. All packets, cover too, are of version v.
func NewSealer(self mixnet.Recipient, ack *keys.Ack, v sphinx.Version) *Sealer {
	return &Sealer{self: self, version: v, acks: surb.NewAcks(ack)}
}

// Seal makes packet out of the fragment named id, for to. The packet's length
// is that of a packet size, the fragment's what fits.
func (s *Sealer) Seal(packet []byte, to mixnet.Recipient, p Path, id fragment.ID, frag []byte) error {
	plain, err := s.lay(packet, frag)
	if err != nil {
		return err
	}
	return s.forward(packet, plain, to, p, id)
}

// SealCover makes packet a loop to ourselves that says nothing. It takes the
// same steps as [Sealer.Seal] (H01, H03). Its receipt carries id, which nobody
// else can read; it must be one of cover.
func (s *Sealer) SealCover(packet []byte, p Path, id fragment.ID) error {
	plain, err := s.layCover(packet)
	if err != nil {
		return err
	}
	return s.forward(packet, plain, s.self, p, id)
}

// SealReply makes packet out of the fragment named id, for the owner of r,
// which must never be used again. Back is the way of the receipt. The packet
// goes to r.SURB.First with r.Rotation.
func (s *Sealer) SealReply(packet []byte, r *surb.Reply, back []sphinx.Hop, id fragment.ID, frag []byte) error {
	plain, err := s.lay(packet, frag)
	if err != nil {
		return err
	}
	if err := s.receipt(plain, back, id); err != nil {
		return err
	}
	if err := s.build(s.jobs[:1]); err != nil {
		return err
	}
	return s.reply(packet, plain, r)
}

// lay puts the fragment where it belongs in the plaintext of packet.
func (s *Sealer) lay(packet, frag []byte) (plain []byte, err error) {
	size, ok := mixnet.PacketSizeOf(len(packet))
	if !ok || size.Fragment() <= 0 || len(frag) != size.Fragment() {
		return nil, fmt.Errorf("message: seal %d bytes in a packet of %d", len(frag), len(packet))
	}
	plain = s.plain[:size.Plaintext()]
	copy(plain[fragmentAt:], frag)
	return plain, nil
}

// layCover is lay for the content of cover.
func (s *Sealer) layCover(packet []byte) (plain []byte, err error) {
	size, ok := mixnet.PacketSizeOf(len(packet))
	if !ok || size.Fragment() <= 0 {
		return nil, fmt.Errorf("message: seal cover in a packet of %d", len(packet))
	}
	plain = s.plain[:size.Plaintext()]
	n := copy(plain[fragmentAt:], coverText+"\x01")
	clear(plain[fragmentAt+n:])
	return plain, nil
}

// forward seals the plaintext for to and builds the packet and its receipt.
func (s *Sealer) forward(packet, plain []byte, to mixnet.Recipient, p Path, id fragment.ID) error {
	if err := s.receipt(plain, p.Back, id); err != nil {
		return err
	}
	rand.Read(s.drawn[:])
	if err := s.message(packet, plain, to, p.Out); err != nil {
		return err
	}
	return s.build(s.jobs[:])
}

// receipt prepares the first job: the SURB-ACK in front of the plaintext.
func (s *Sealer) receipt(plain []byte, back []sphinx.Hop, id fragment.ID) error {
	job := &s.jobs[0]
	job.Version, job.Route, job.Dest = s.version, back, s.self.Identity
	return s.acks.Prepare(job, id, plain[:keyAt])
}

// message seals the plaintext's fragment for to with what was drawn, and
// prepares the second job: the packet.
func (s *Sealer) message(packet, plain []byte, to mixnet.Recipient, out []sphinx.Hop) error {
	ephemeral := keys.EncryptionKeyFromBytes(*s.drawn.ephemeral())
	shared, err := ephemeral.Shared(to.Encryption)
	if err != nil {
		return fmt.Errorf("message: seal: recipient's key: %w", err)
	}
	key := s.kdf.derive(&shared)
	crypt(&key, plain[fragmentAt:])
	pub := ephemeral.Public()
	copy(plain[keyAt:], pub[:])

	job := &s.jobs[1]
	job.Version, job.Route, job.Dest = s.version, out, to.Identity
	job.Secret = *s.drawn.secret()
	copy(job.Padding[:], s.drawn.padding())
	job.Message, job.Packet = plain, packet
	return nil
}

// reply seals the plaintext's fragment with the key of r and spends its SURB.
// The receipt is already in place.
func (s *Sealer) reply(packet, plain []byte, r *surb.Reply) error {
	key, digest := messageKey(r.Key), surb.DigestOf(r.Key)
	crypt(&key, plain[fragmentAt:])
	copy(plain[keyAt:], digest[:])
	if err := s.builder.Seal(&r.SURB, plain, packet); err != nil {
		return fmt.Errorf("message: seal a reply: %w", err)
	}
	return nil
}

func (s *Sealer) build(jobs []sphinx.Job) error {
	if err := s.builder.Build(jobs); err != nil {
		return fmt.Errorf("message: seal: %w", err)
	}
	return nil
}
