// Package routetest has a route of nodes whose private keys a test knows, and
// walks packets along it, so that tests of formats see what each hop sees.
//
//	nodes, route := routetest.New()
//	got := routetest.Walk(t, nodes, route[0].Addr, packet)
//
// Only tests import it. It has no network: a packet is handed from node to node.
package routetest
