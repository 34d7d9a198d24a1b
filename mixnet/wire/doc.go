// Package wire has the two envelopes a Sphinx packet travels in: the frame
// between two nodes, and the mix packet that a client hands its gateway.
//
//	node ──────── frame ────────▶ node       client ────── mix packet ──────▶ gateway
//	+---+------+------+-----+--------+       +------+-----+------------+--------+
//	| 7 | size | type |     | packet |  v7   | type |     | first hop  | packet |  kind 1
//	| 8 | size | type | rot | packet |  v8   | type | rot | first hop  | packet |  kind 2
//	+---+------+------+-----+--------+       +------+-----+------------+--------+
//
// Both forms carry the packet as it is. The old ones lack the rotation byte,
// which then reads as unknown. Outfox sizes and types are refused.
//
// The package does not look into packets, reads no connection and keeps no
// bytes: what it parses aliases the input. Reading frames from a connection is
// the business of package link, sealing mix packets that of package session.
package wire
