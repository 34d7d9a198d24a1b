//go:build !js

package proxy

import "golang.org/x/net/idna"

// toASCII turns what people write into what DNS knows: letters beyond ASCII become
// xn-- labels, and other full stops become dots, by the rules for look-ups
// (UTS 46). What DNS carries and those rules dislike (r3---sn, _dmarc) is left alone.
// No variable holds the rules, so that a program that asks for no names is not given
// their tables.
func toASCII(name string) (string, error) {
	return idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(),
		idna.CheckHyphens(false), idna.StrictDomainName(false), idna.VerifyDNSLength(false)).ToASCII(name)
}
