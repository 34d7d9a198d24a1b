package allowlist

import "net/netip"

// special are the ranges that only a line naming addresses inside them opens
// (H30). No two overlap. An IPv4-mapped address is judged after unmapping.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network
	netip.MustParsePrefix("10.0.0.0/8"),       // private
	netip.MustParsePrefix("100.64.0.0/10"),    // carrier-grade NAT
	netip.MustParsePrefix("127.0.0.0/8"),      // loopback
	netip.MustParsePrefix("168.63.129.16/32"), // metadata: Azure
	netip.MustParsePrefix("169.254.0.0/16"),   // link-local, and the metadata of most clouds
	netip.MustParsePrefix("172.16.0.0/12"),    // private
	netip.MustParsePrefix("192.0.0.0/24"),     // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation
	netip.MustParsePrefix("192.80.8.124/32"),  // metadata: Equinix Metal
	netip.MustParsePrefix("192.88.99.0/24"),   // 6to4 relays
	netip.MustParsePrefix("192.168.0.0/16"),   // private
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("224.0.0.0/4"),      // multicast
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved, broadcast

	netip.MustParsePrefix("::/96"),           // unspecified, loopback, IPv4-compatible
	netip.MustParsePrefix("::ffff:0:0:0/96"), // IPv4-translated (SIIT)
	netip.MustParsePrefix("64:ff9b::/96"),    // NAT64
	netip.MustParsePrefix("64:ff9b:1::/48"),  // NAT64, local use
	netip.MustParsePrefix("100::/64"),        // discard
	netip.MustParsePrefix("100:0:0:1::/64"),  // dummy (RFC 9780)
	netip.MustParsePrefix("2001::/23"),       // protocol assignments: Teredo, benchmarks, ORCHID, relays
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4
	netip.MustParsePrefix("3fff::/20"),       // documentation
	netip.MustParsePrefix("5f00::/16"),       // segment routing
	netip.MustParsePrefix("fc00::/7"),        // unique local
	netip.MustParsePrefix("fe80::/10"),       // link-local
	netip.MustParsePrefix("fec0::/10"),       // site-local
	netip.MustParsePrefix("ff00::/8"),        // multicast
}

// global is where all IPv6 addresses are that the registries give out.
var global = netip.MustParsePrefix("2000::/3")

// specialBlock finds the special range of an unmapped address. An IPv6 address
// outside all ranges, and outside what the registries give out, is in the eighth of
// the whole that it lies in: overlay networks and routing inside of sites use such.
func specialBlock(addr netip.Addr) (block netip.Prefix, ok bool) {
	for _, p := range special {
		if p.Contains(addr) {
			return p, true
		}
	}
	if addr.Is6() && !global.Contains(addr) {
		return netip.PrefixFrom(addr, global.Bits()).Masked(), true
	}
	return netip.Prefix{}, false
}

// metadata reports whether a canonical name is that of a cloud's metadata
// service. Whatever it leads to, only a line with that very name opens it.
func metadata(name string) bool {
	switch name {
	case "metadata.google.internal", "metadata.goog", // Google
		"instance-data.ec2.internal",                          // AWS
		"metadata.azure.internal",                             // Azure
		"metadata.tencentyun.com",                             // Tencent
		"metadata.packet.net", "metadata.platformequinix.com", // Equinix Metal
		"metadata.cloud.ibm.com", // IBM
		"api.metadata.cloud.ibm.com",
		"metadata.hetzner.cloud": // Hetzner
		return true
	}
	return false
}
