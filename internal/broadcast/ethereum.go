package broadcast

// ethereumHash gives the hash of a transaction in the form in which it is sent: an
// RLP list, or (EIP-2718) a type below 128 and what it says, which is one in all
// types there are.
//
//	c0…ff          a list: the oldest form
//	01…7f | list   a typed one
//	03 | [list, blobs, commitments, proofs]   its hash is that of 03 | list (EIP-4844)
func ethereumHash(tx []byte) (Hash, error) {
	no := malformed("this is no Ethereum transaction, or not all of one")
	if tx[0] >= 0x80 {
		if _, rest, ok := rlpList(tx); !ok || len(rest) > 0 {
			return Hash{}, no
		}
		return keccak(tx), nil
	}
	body, rest, ok := rlpList(tx[1:])
	if !ok || len(rest) > 0 {
		return Hash{}, no
	}
	if tx[0] == blobTx {
		if _, blobs, ok := rlpList(body); ok {
			return keccak(tx[:1], body[:len(body)-len(blobs)]), nil
		}
	}
	return keccak(tx), nil
}

// blobTx is the type of transactions with blobs.
const blobTx = 3

// rlpList reads the list that b begins with: what is in it, and what follows.
func rlpList(b []byte) (inside, rest []byte, ok bool) {
	if len(b) == 0 || b[0] < 0xc0 {
		return nil, nil, false
	}
	n, b := uint64(b[0])-0xc0, b[1:]
	if n > 55 { // that many bytes more have the size
		digits := int(n - 55)
		if len(b) < digits || b[0] == 0 {
			return nil, nil, false
		}
		n = 0
		for _, d := range b[:digits] {
			n = n<<8 | uint64(d)
		}
		if n <= 55 {
			return nil, nil, false
		}
		b = b[digits:]
	}
	if n > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}
