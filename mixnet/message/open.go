package message

import (
	"fmt"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/surb"
)

// Opened is what a gateway pushed, decrypted.
type Opened struct {
	// Fragment is for a [fragment.Assembler]. It is nil for cover.
	Fragment []byte
	// UnderReply says that the fragment came under a reply key of ours: for
	// [Parse] (H12).
	UnderReply bool
	// To is the tag for which that key was made: the origin of the fragment (H13).
	To mixnet.SenderTag
}

// Open decrypts, in place, what a gateway pushed and is no SURB-ACK, that is not
// of [surb.AckSize] bytes. Lookup finds a reply key that is outstanding, and the
// tag of ours for which it was made; a key it finds is spent. Everything else is
// taken for a message sealed for enc.
//
// The fragment aliases pushed, and may be garbage: whoever knows our address can
// send us anything. Errors wrap [ErrMalformed].
func Open(pushed []byte, enc *keys.EncryptionKey, lookup func(surb.Digest) (keys.Reply, mixnet.SenderTag, bool)) (Opened, error) {
	if len(pushed) < mixnet.KeyPrefixSize {
		return Opened{}, fmt.Errorf("%w: %d bytes pushed", ErrMalformed, len(pushed))
	}
	prefix, frag := [mixnet.KeyPrefixSize]byte(pushed), pushed[mixnet.KeyPrefixSize:]
	o := Opened{Fragment: frag}
	var key messageKey
	if reply, tag, ok := lookup(prefix); ok {
		o.UnderReply, o.To = true, tag
		key = messageKey(reply)
	} else {
		shared, err := enc.Shared(prefix)
		if err != nil {
			return Opened{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		key = new(kdf).derive(&shared)
	}
	crypt(&key, frag)
	if isCover(frag) {
		o.Fragment = nil
	}
	return o, nil
}

// isCover recognises the content of cover, under a reply key too (sphinx.md §5.10).
func isCover(frag []byte) bool {
	return len(frag) >= len(coverText) && string(frag[:len(coverText)]) == coverText
}
