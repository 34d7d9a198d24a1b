//go:build !js

package x25519

import "github.com/cloudflare/circl/dh/x25519"

func multiply(out, scalar, point *[32]byte) {
	p := *point // it is changed
	x25519.Shared((*x25519.Key)(out), (*x25519.Key)(scalar), (*x25519.Key)(&p))
}
