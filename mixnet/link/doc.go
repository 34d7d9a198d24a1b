// Package link carries frames between nodes over TCP, plain or inside Noise.
//
//	pool := link.NewPool(link.PoolConfig{Key: ours, NoiseKey: announced})
//	go pool.Run(ctx)
//	err := pool.Send(nextHop, wire.Frame{Rotation: rotation, Packet: packet}) // at once: queued or dropped
//
//	server := link.NewServer(link.ServerConfig{Key: ours, Serve: func(ctx context.Context, in *link.Inbound) {
//		for {
//			frames, err := in.Read()
//			if err != nil {
//				return
//			}
//			// … frames are valid until the next Read
//		}
//	}})
//	err = server.Run(ctx, listener)
//
//	              one-way: the side that dials only writes
//
//	Pool ─▶ queue ─▶ writer ══════ conn ══════▶ Server ─▶ Inbound.Read
//	        per       up to 64 KB    plain or    limits,    up to 64 KB,
//	        next hop  a write        Noise       handshake  many frames
//
// A Pool keeps one connection for each next hop, opened by the first packet
// for it. Its queue is bounded; when full, packets are dropped and counted:
// nobody ever waits for a peer. A next hop that closes is connected to again at
// once, then once a second, and packets wait meanwhile (H15). A Server accepts connections within limits,
// tells by the first byte whether a connection is plain (7, 8) or Noise (1),
// and hands it over as a stream of frames.
//
// The Noise protocol is Noise_XKpsk3_25519_AESGCM_SHA256, as nodes.md §3.3 has
// it. Which peers announce a key, and whom to believe, is told by functions in
// the configuration: the package knows no topology, and nothing of what is in
// a packet.
package link
