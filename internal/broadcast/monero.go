package broadcast

// Types of what stands in a Monero transaction.
const (
	moneroGenerated = 0xff // input: a block's reward
	moneroSpent     = 0x02 // input: a ring of outputs, and a key image
	moneroKey       = 0x02 // output: a key
	moneroTagged    = 0x03 // output: a key and a view tag
)

// Kinds of ring signatures that change where things stand.
const (
	ringNone       = 0
	ringSimple     = 2 // has pseudo outputs in the part that is never pruned
	ringShort      = 4 // from here on amounts have 8 bytes, not a mask and 32
	ringLatestKind = 6
)

// moneroHash gives the hash of a transaction. Of the first version it is that of
// its bytes; of the second that of three hashes, since the proofs may be pruned:
//
//	H( H(prefix) | H(signature base) | H(proofs) )
//
// Proofs are not taken apart.
func moneroHash(tx []byte) (Hash, error) {
	no := malformed("this is no Monero transaction, or not all of one")
	p := reader{rest: tx}
	version := p.varint()
	p.varint() // unlock time
	inputs, outputs := p.moneroPrefix()
	prefix := tx[:len(tx)-len(p.rest)]
	switch {
	case p.bad || inputs == 0:
		return Hash{}, no
	case version == 1:
		return keccak(tx), nil
	case version != 2:
		return Hash{}, malformed("this is a Monero transaction of version %d, which is not known", version)
	}
	after := p.rest
	kind := p.take(1)
	if p.bad || kind[0] > ringLatestKind {
		return Hash{}, no
	}
	h := keccak(prefix)
	if kind[0] == ringNone {
		if len(p.rest) > 0 {
			return Hash{}, no
		}
		base, none := keccak(after), Hash{}
		return keccak(h[:], base[:], none[:]), nil
	}
	p.varint() // fee
	if kind[0] == ringSimple {
		p.take(32 * inputs)
	}
	amount := 64
	if kind[0] >= ringShort {
		amount = 8
	}
	p.take((amount + 32) * outputs) // and commitments
	if p.bad || len(p.rest) == 0 {
		return Hash{}, no
	}
	base, proofs := keccak(after[:len(after)-len(p.rest)]), keccak(p.rest)
	return keccak(h[:], base[:], proofs[:]), nil
}

// moneroPrefix reads inputs, outputs and extra.
func (p *reader) moneroPrefix() (inputs, outputs int) {
	inputs = p.varcount(2)
	for range inputs {
		switch kind := p.take(1); {
		case p.bad:
			return 0, 0
		case kind[0] == moneroGenerated:
			p.varint()
		case kind[0] == moneroSpent:
			p.varint() // amount
			for range p.varcount(1) {
				p.varint() // where in the chain
			}
			p.take(32)
		default:
			p.bad = true
		}
	}
	outputs = p.varcount(34)
	for range outputs {
		p.varint() // amount
		switch kind := p.take(1); {
		case p.bad:
			return 0, 0
		case kind[0] == moneroKey:
			p.take(32)
		case kind[0] == moneroTagged:
			p.take(33)
		default:
			p.bad = true
		}
	}
	p.take(p.varcount(1)) // extra
	return inputs, outputs
}
