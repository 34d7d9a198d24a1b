package socks

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"nym-socks5/proxy"
)

// A forwarder passes the requests of one connection on, one after the other, to
// whatever hosts they are for. Streams to those hosts are kept for a while; those of
// different users are different ones.
//
//	app ─▶ head, body ─▶ http.Transport ─▶ stream to the host
//	app ◀─ head, body ◀─────┘
//
// Nothing is added to a request, and only what is between neighbours is taken out
// of it: no Via, no X-Forwarded-For, no User-Agent, no Accept-Encoding.
type forwarder struct {
	c          *conn
	transports map[owner]*http.Transport

	mu     sync.Mutex // guards the following
	closed bool
	dials  sync.WaitGroup // grows only while closed is false
}

// close closes the streams that are kept, and waits for those being opened.
func (f *forwarder) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.c.cancel()
	f.dials.Wait()
	f.closeIdle()
}

func (f *forwarder) closeIdle() {
	for _, t := range f.transports {
		t.CloseIdleConnections()
	}
}

// transport gives the one of a user.
func (f *forwarder) transport(who owner) *http.Transport {
	if t := f.transports[who]; t != nil {
		return t
	}
	if f.transports == nil || len(f.transports) >= maxUsers {
		f.closeIdle()
		f.transports = make(map[owner]*http.Transport)
	}
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return f.dial(ctx, addr, who)
		},
		DisableCompression:     true,
		MaxIdleConns:           maxIdleStreams,
		MaxIdleConnsPerHost:    maxIdleStreams,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxResponseHead,
		ExpectContinueTimeout:  continueTimeout,
	}
	f.transports[who] = t
	return t
}

// errNoStream says that a stream for a request could not be opened, and why.
type errNoStream struct{ code }

func (e errNoStream) Error() string { return "socks: no stream: " + strconv.Itoa(int(e.code)) }

// dial opens a stream for requests to a host. The transport may go on with it
// when its request has ended, so it ends with the connection.
func (f *forwarder) dial(ctx context.Context, addr string, who owner) (net.Conn, error) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, net.ErrClosed
	}
	f.dials.Add(1)
	f.mu.Unlock()
	defer f.dials.Done()
	c := f.c
	host, portText, err := net.SplitHostPort(addr)
	port, portErr := strconv.ParseUint(portText, 10, 16)
	if err != nil || portErr != nil {
		return nil, errNoStream{codeUnreachable}
	}
	to, bad := target(host, uint16(port))
	if bad != codeSucceeded {
		c.count(bad)
		return nil, errNoStream{bad}
	}
	limited, cancel := context.WithTimeout(c.ctx, c.s.cfg.DialTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	stream, err := c.s.cfg.Dial(limited, to, proxy.DialOptions{Isolation: c.isolation(who, to), Optimistic: c.s.cfg.Optimistic})
	what := codeOf(err)
	c.count(what)
	if err != nil {
		return nil, errNoStream{what}
	}
	return stream, nil
}

// forward passes one request on and its answer back. It reports whether another
// may follow on the connection.
func (f *forwarder) forward(req *http.Request) (again bool) {
	c := f.c
	if !namesHost(req.URL) {
		c.answerHTTP(codeUnreachable, http.StatusBadRequest, noHost)
		return false
	}
	if !c.enter() {
		c.answerHTTP(codeFailure, http.StatusServiceUnavailable, tooMany)
		return false
	}
	c.front.app.SetDeadline(time.Time{})
	who := basicOwner(req.Header.Get("Proxy-Authorization"))
	expects := strings.EqualFold(req.Header.Get("Expect"), "100-continue")
	last := req.Close || !req.ProtoAtLeast(1, 1)
	upgrade := withoutHop(req.Header)
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header["User-Agent"] = nil // or net/http would add its own
	}
	asSent(req)

	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	body := &requestBody{c: c, body: req.Body, expects: expects && req.ProtoAtLeast(1, 1), gone: cancel, over: make(chan struct{})}
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		body.ended()
	default:
		req.Body = body
	}
	ctx = httptrace.WithClientTrace(ctx, body.trace())
	resp, err := f.transport(who).RoundTrip(req.WithContext(ctx))
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols && upgrade == "" {
		resp.Body.Close()
		err = errUnasked
	}
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
		body.stop()
		f.switchTo(resp, body.conn)
		return false
	}
	if err != nil {
		whole := body.stop()
		switch {
		case c.ctx.Err() == nil && body.malformed():
			c.answerHTTP(codeFailure, http.StatusBadRequest, "The chunks of the request's body could not be read.")
			return false
		case c.ctx.Err() != nil || ctx.Err() != nil:
			return false // nobody waits for an answer
		}
		status, text := http.StatusBadGateway, "The destination broke off, or what it answers is no HTTP."
		var none errNoStream
		if errors.As(err, &none) {
			status, text = none.http()
		}
		last = last || !whole
		if _, err := c.front.app.Write(page(status, text, last)); err != nil || last {
			c.front.linger()
			return false
		}
		return true
	}
	defer resp.Body.Close()
	whole, err := f.answer(req, resp, last, body)
	if err != nil {
		return false
	}
	if !whole || last {
		c.front.linger()
		return false
	}
	return true
}

// namesHost reports whether a URL has a host and a port that streams could lead to.
func namesHost(u *url.URL) bool {
	port := uint64(80)
	if text := u.Port(); text != "" {
		var err error
		if port, err = strconv.ParseUint(text, 10, 16); err != nil {
			return false
		}
	}
	_, bad := target(u.Hostname(), uint16(port))
	return bad != codeUnreachable
}

// asSent has the path sent on as it came, however it is escaped.
func asSent(req *http.Request) {
	req.URL.User = nil // or net/http would make credentials of it
	_, rest, _ := strings.Cut(req.RequestURI, "://")
	path := ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 && rest[i] == '/' {
		path, _, _ = strings.Cut(rest[i:], "?")
	}
	switch {
	case path == "" && req.Method == http.MethodOptions && req.URL.RawQuery == "":
		req.URL.Opaque = "*" // RFC 9112 §3.2.4
	case path != "" && !strings.HasPrefix(path, "//"):
		req.URL.Opaque = path
	}
	req.RequestURI = ""
	req.Close = false
}

// answer passes an answer back. It reports whether the request was read to its
// end meanwhile; an error means that the connection is of no use any more.
func (f *forwarder) answer(req *http.Request, resp *http.Response, last bool, body *requestBody) (whole bool, err error) {
	app := f.c.front.app
	withoutHop(resp.Header)
	bodyless := req.Method == http.MethodHead || resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified
	chunked := !bodyless && resp.ContentLength < 0 && req.ProtoAtLeast(1, 1)
	toEnd := !bodyless && resp.ContentLength < 0 && !chunked
	head := appendFields([]byte("HTTP/1.1 "+statusLine(resp)+"\r\n"), resp.Header)
	if chunked {
		head = append(head, "Transfer-Encoding: chunked\r\n"...)
		for name := range resp.Trailer {
			head = append(head, "Trailer: "+name+"\r\n"...)
		}
	}
	if last {
		head = append(head, "Connection: close\r\n"...)
	}
	head = append(head, "\r\n"...)
	w := &answerWriter{w: app, pending: head, chunked: chunked}
	_, err = io.Copy(w, resp.Body)
	if err == nil {
		err = w.end(resp.Trailer)
	}
	whole = body.stop()
	switch {
	case err != nil: // it must not look whole
		if c, ok := app.(interface{ SetLinger(sec int) error }); ok {
			c.SetLinger(0)
		}
		return false, err
	case toEnd:
		return false, nil
	}
	return whole, nil
}

// statusLine gives the code and the words behind it, unless some programs could see
// the end of a line in them.
func statusLine(resp *http.Response) string {
	if resp.Status != "" && !strings.ContainsAny(resp.Status, "\r\x00") {
		return resp.Status
	}
	return strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode)
}

// An answerWriter writes an answer as its pieces come, the head with the first.
type answerWriter struct {
	w       io.Writer
	pending []byte // the head, until it is written
	chunked bool
}

// Write writes one piece of the body.
func (a *answerWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b := a.pending
	a.pending = nil
	if a.chunked {
		b = append(strconv.AppendInt(b, int64(len(p)), 16), "\r\n"...)
	}
	b = append(b, p...)
	if a.chunked {
		b = append(b, "\r\n"...)
	}
	if _, err := a.w.Write(b); err != nil {
		return 0, err
	}
	return len(p), nil
}

// end writes what follows the body.
func (a *answerWriter) end(trailer http.Header) error {
	b := a.pending
	if a.chunked {
		b = append(appendFields(append(b, "0\r\n"...), trailer), "\r\n"...)
	}
	if len(b) == 0 {
		return nil
	}
	_, err := a.w.Write(b)
	return err
}

// switchTo grants another protocol and copies both ways until both have ended.
func (f *forwarder) switchTo(resp *http.Response, conn net.Conn) {
	defer resp.Body.Close()
	stream, ok := conn.(proxy.Stream)
	if !ok {
		return
	}
	withoutHop(resp.Header)
	head := appendFields([]byte("HTTP/1.1 "+statusLine(resp)+"\r\n"), resp.Header)
	if _, err := f.c.front.app.Write(append(head, "\r\n"...)); err != nil {
		return
	}
	proxy.Splice(f.c.ctx, switched{stream, resp.Body}, f.c.front.app, f.c.front.in)
}

// A switched stream is one on which another protocol was granted: what the host
// sent with the grant was read ahead.
type switched struct {
	proxy.Stream
	from io.Reader
}

// Read implements io.Reader.
func (s switched) Read(p []byte) (int, error) { return s.from.Read(p) }

// A requestBody is the body of a request while it is passed on. Once it was read
// to its end, the application is watched: if it is reset, nobody waits for an answer.
// One that closes may have closed this direction only, as "nc -N" does, so the answer
// is waited for a while; if nobody is there, writing it fails.
type requestBody struct {
	c    *conn
	body io.ReadCloser
	gone context.CancelFunc

	mu       sync.Mutex    // guards the following
	expects  bool          // the application waits for a word before it sends
	wanted   bool          // the host has said it
	answered bool          // the host has begun to say something
	over     chan struct{} // closed by stop
	whole    bool          // it was read to its end
	stopped  bool
	bad      bool          // it is not in chunks, though it says so
	conn     net.Conn      // to the host
	watching chan struct{} // closed when the watch has ended; nil: it has not begun
}

// Read implements io.Reader. The host wants the body when it is read.
func (b *requestBody) Read(p []byte) (int, error) {
	if err := b.ask(); err != nil {
		return 0, err
	}
	n, err := b.body.Read(p)
	switch {
	case err == io.EOF:
		b.ended()
	case err != nil:
		var ofSocket net.Error
		b.mu.Lock()
		b.bad = !errors.As(err, &ofSocket) && !errors.Is(err, io.ErrUnexpectedEOF)
		b.mu.Unlock()
		b.gone()
	}
	return n, err
}

// ask asks an application that waits for that to send the body.
func (b *requestBody) ask() error {
	b.mu.Lock()
	defer b.mu.Unlock() // an answer that comes now waits: they must not mix
	if !b.expects {
		return nil
	}
	b.expects = false
	if b.answered && !b.wanted {
		b.mu.Unlock()
		<-b.over // an error now would end the answer too
		b.mu.Lock()
		return errAnswered
	}
	_, err := io.WriteString(b.c.front.app, "HTTP/1.1 100 Continue\r\n\r\n")
	return err
}

// malformed reports whether the application sent what is no body.
func (b *requestBody) malformed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bad
}

// errUnasked reports another protocol that nobody asked for.
var errUnasked = errors.New("socks: switches to a protocol nobody asked for")

// errAnswered ends the sending of a body that nobody asked for.
var errAnswered = errors.New("socks: answered without the body")

// trace has the body told what the host says before it has the body.
func (b *requestBody) trace() *httptrace.ClientTrace {
	note := func(what *bool) func() {
		return func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			*what = true
		}
	}
	got := func(info httptrace.GotConnInfo) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.conn = info.Conn
	}
	return &httptrace.ClientTrace{GotConn: got, Got100Continue: note(&b.wanted), GotFirstResponseByte: note(&b.answered)}
}

// Close implements io.Closer. The rest of the body belongs to the connection.
func (b *requestBody) Close() error { return nil }

// ended notes that the body was read to its end.
func (b *requestBody) ended() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.whole || b.stopped {
		b.whole = true
		return
	}
	b.whole = true
	b.watching = make(chan struct{})
	go func() {
		defer close(b.watching)
		_, err := b.c.front.in.Peek(1)
		if err == io.EOF {
			patience := time.NewTimer(halfClosedTimeout)
			defer patience.Stop()
			select {
			case <-b.over:
			case <-patience.C:
			}
		}
		b.mu.Lock()
		stopped := b.stopped
		b.mu.Unlock()
		if err != nil && !stopped {
			b.gone()
		}
	}()
}

// stop ends the watch and reports whether the body was read to its end.
func (b *requestBody) stop() (whole bool) {
	b.mu.Lock()
	if !b.stopped {
		close(b.over)
	}
	b.stopped = true
	whole, watching := b.whole, b.watching
	b.mu.Unlock()
	if watching != nil {
		b.c.front.app.SetReadDeadline(time.Unix(1, 0)) // wakes it
		<-watching
		b.c.front.app.SetReadDeadline(time.Time{})
	}
	return whole
}
