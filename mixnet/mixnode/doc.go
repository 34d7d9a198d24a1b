// Package mixnode takes packets from links, unwraps one layer, waits as long
// as the packet says, and passes it on. It is a mix node, and the inner half of
// a gateway.
//
//	node, err := mixnode.New(mixnode.Config{
//		Keys:     mixnode.Keys{Primary: mixnode.Key{Rotation: rotation, Key: sphinxKey, Log: replayLog}},
//		Noise:    noiseKey,
//		Addr:     addr,
//		Topology: current,
//	})
//	err = node.Run(ctx, listener)
//
//	link.Server ─▶ a queue ─▶ workers: ────────────▶ delay ─▶ link.Pool
//	               for each    open, refuse           wheel
//	               link        replays, strip, ──────────▲──▶ (no delay)
//	                           check the way on          │
//	                              │ final hop            └─── one timer
//	                              ▼
//	                           Config.Deliver (gateway), or dropped
//
// Every stage is bounded, and full means drop and count: nobody waits for
// anybody. Links are served round robin by bytes, and share the delay wheel and
// the replay filters, so that a slow, fast or hostile peer neither delays nor crowds
// out another (H15, H16, H18). Packets live in buffers
// of their own size and are worked on in place.
//
// The node keeps its replay filters in memory, one for each Sphinx key. If a key
// comes with a [ReplayLog], packets wait until their tags are in it too. It makes
// no keys and fetches no topology: both are handed in, and may change
// while it runs. What a delivered message contains is the gateway's business.
// Nothing that could tell who talks to whom is logged or counted apart.
package mixnode
