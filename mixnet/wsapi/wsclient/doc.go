// Package wsclient is a program's end of the WebSocket port of nym-client (package
// wsapi, socks.md §17 and §21.8), in Go.
//
//	c, err := wsclient.Dial(ctx, "ws://127.0.0.1:1977", wsclient.Options{})
//	err = c.Send(ctx, wsclient.Message{To: address, Body: []byte("hello")})   // until it is acknowledged
//	err = c.Subscribe(ctx)
//	m, err := c.Receive(ctx)
//
// It gets no messages before it subscribes. One goroutine at a time uses a Conn. It
// knows nothing of the mixnet: whoever writes Go can do without a port, by package
// endpoint.
package wsclient
