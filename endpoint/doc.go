// Package endpoint is one user of a mixnet: a client, streams over it, and what
// it takes to keep both alive: which gateways to enter by, which requesters to
// leave by, whether the directory tells everybody the same.
//
//	e, err := endpoint.New(endpoint.Config{Network: network, Requesters: []mixnet.Recipient{at}})
//	go e.Run(ctx)
//	web := &http.Client{Transport: &http.Transport{DialContext: e.DialContext}}
//
//	Config ──▶ Endpoint ──▶ proxy ──▶ client ──▶ session ──▶ gateway
//	             │  ▲         streams   packets
//	 Dial, Listen│  │Status, Changed
//
// An endpoint can be several things at once:
//
//   - It opens streams to targets through network requesters: Dial, DialContext.
//     Names of targets go to the requester as they are; nothing on this side looks
//     them up, and neither are names of gateways.
//   - It opens streams to other endpoints and takes theirs, without a requester:
//     DialAddress, Listen. Who dials stays unknown to who listens.
//   - It is the way out for others: Accept gives what strangers ask for.
//   - It sends and receives messages without streams: Messenger.
//
// # Who decides what
//
//	file             decides
//	entries.go       which gateways to enter by, and when one is replaced (H26)
//	requesters.go    which requester connects to targets, and when another does (H28)
//	candidate.go     whether a requester answers, is silent, or is gone
//	probes.go        when requesters are asked, and what follows from answers
//	outage.go        that streams fail at once where there is no way into the mixnet
//	forkcheck.go     whether the directory shows others the same network (H24)
//	changes.go       whether the machine slept or its network changed
//	dial.go          that no name of a gateway is looked up
//
// What makes an endpoint the same one after a restart is kept in a [Store]: its
// keys, its entries, the requester that was drawn, what the directory showed last.
// A [Folder] keeps it in files, a [MemoryStore] not at all.
//
// # What it does not do
//
// It reads no settings, opens no local port and speaks no SOCKS (package
// proxy/socks does, over Dial). It does not ask whether a target may be connected
// to (package proxy/requester does, over Accept). It logs no target, no address
// and no tag.
package endpoint
