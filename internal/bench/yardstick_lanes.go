package bench

import (
	"crypto/subtle"

	"nym-socks5/internal/vec8"
)

// yardLanes does with eight packets what [yardstick.unwrap] does with one: the
// kernels of package vec8 with as little as possible between them. Groups of
// package sphinx are held against it.
type yardLanes struct {
	unit            vec8.Unit
	schedule, seeds *vec8.HKDF
	keys            [vec8.Lanes]yardKeys
	scalar, point   [vec8.Lanes][32]byte
	product, sum    [vec8.Lanes][32]byte
	key             [vec8.Lanes][16]byte
	stream          [vec8.Lanes][vec8.StreamSize]byte
	payload         [vec8.Lanes][192]byte
	hash            [vec8.Lanes][64]byte
	in, out, right  [vec8.Lanes][]byte
}

func newYardLanes() *yardLanes {
	return &yardLanes{schedule: vec8.NewHKDF("", yardInfo, 288), seeds: vec8.NewHKDF(yardSeedSalt, yardSeedInfo, 192)}
}

// unwrap takes one layer off eight packets in place, at a hop that passes them on.
func (y *yardLanes) unwrap(key *[32]byte, pkts *[vec8.Lanes][]byte) error {
	const n = vec8.Lanes
	for i, p := range pkts {
		y.scalar[i], y.point[i] = *key, [32]byte(p)
		y.in[i], y.out[i] = y.product[i][:], y.keys[i][:]
	}
	y.unit.X25519(n, &y.product, &y.scalar, &y.point)
	y.unit.HKDF(y.schedule, n, &y.out, &y.in)
	for i, p := range pkts {
		y.key[i], y.in[i] = [16]byte(y.keys[i].mu()), p[48:yardHeader]
	}
	y.unit.HMAC(n, &y.sum, &y.key, &y.in)
	for i, p := range pkts {
		if subtle.ConstantTimeCompare(y.sum[i][:16], p[32:48]) != 1 {
			return errYardstick
		}
		y.key[i] = [16]byte(y.keys[i].rho())
	}
	y.unit.AESStream(n, &y.stream, &y.key)
	for i, p := range pkts {
		subtle.XORBytes(y.stream[i][:], y.stream[i][:], p[48:yardHeader])
		y.scalar[i] = *y.keys[i].blinding()
	}
	y.unit.X25519(n, &y.product, &y.scalar, &y.point)
	for i, p := range pkts {
		copy(p, y.product[i][:])
		copy(p[32:yardHeader], y.stream[i][44:])
		y.in[i], y.out[i] = y.keys[i].seed(), y.payload[i][:]
		y.right[i] = p[yardHeader+32:]
	}
	y.unit.HKDF(y.seeds, n, &y.out, &y.in)
	for half := 96; half >= 0; half -= 96 {
		for i := range pkts {
			y.hash[i] = [64]byte(y.payload[i][half+32:])
		}
		y.unit.BLAKE2b(n, &y.sum, &y.hash, &y.right)
		for i, p := range pkts {
			left := p[yardHeader:][:32]
			subtle.XORBytes(left, left, y.sum[i][:])
			subtle.XORBytes(y.scalar[i][:], left, y.payload[i][half:])
		}
		y.unit.ChaCha20(n, &y.scalar, &y.right)
	}
	return nil
}
