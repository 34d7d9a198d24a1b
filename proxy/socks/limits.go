package socks

import "time"

// Bounds of one connection. Those in [Config] have their defaults here.
const (
	// maxHandshake is how many bytes are read before a stream is asked for:
	// enough for the longest SOCKS request and for the headers of a browser.
	maxHandshake = 16 << 10
	// maxAhead is how much an application may send before its stream is open.
	maxAhead = 64 << 10
	// The texts in a SOCKS4 request, which end with a zero byte: the longest name
	// that DNS knows, and far more than any user id.
	maxUserID = 1024
	maxName4  = 255

	// Of an application that speaks HTTP: streams to hosts that are kept for its next
	// request, users it speaks for, bytes of headers of an answer.
	maxIdleStreams  = 8
	maxUsers        = 16
	maxResponseHead = 256 << 10
	// idleTimeout is how long an application, or a host, may leave a connection for
	// HTTP requests unused; browsers give up after about two minutes too.
	idleTimeout = 2 * time.Minute
	// continueTimeout is how long a host may take to ask for the body of a request
	// that waits for that. Then it is sent unasked: many never ask.
	continueTimeout = 3 * time.Second

	// replyTimeout limits how long an application may take to read a reply.
	replyTimeout = 10 * time.Second
	// halfClosedTimeout is how long the answer to an HTTP request is waited for when
	// the application has closed its direction, and may be gone.
	halfClosedTimeout = 30 * time.Second

	// A refused application may send on until it has read the reply: so long in all,
	// and without a pause longer than lingerPause.
	lingerTimeout = 10 * time.Second
	lingerPause   = time.Second

	defaultHandshakeTimeout = 15 * time.Second
	defaultDialTimeout      = 19 * time.Second // package proxy gives up before, and knows why; some applications wait for 20 s (socks.md §21.2)
)

// Bounds of a Server.
const (
	// connsPerCPU is how many connections may come in within a second, for each
	// CPU (H23): a flood of greetings then takes some thirtieth of the CPUs, and no
	// application asks for that many.
	connsPerCPU = 400

	defaultMaxConns      = 1024
	defaultMaxHandshakes = 512
	defaultPerSource     = 32 // as many as a browser opens at once
)
