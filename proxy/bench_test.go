package proxy

import (
	"context"
	"io"
	"sync"
	"testing"

	"nym-socks5/mixnet/mixnettest"
)

// BenchmarkDownload is what the streams alone cost: the mixnet takes no time.
func BenchmarkDownload(b *testing.B) {
	pair := mixnettest.NewPair(mixnettest.Options{})
	client, requester := New(pair.A, Config{}), New(pair.B, Config{Serve: true})
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { client.Run(ctx) })
	wg.Go(func() { requester.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	data := noise(32 << 10)
	wg.Go(func() {
		in, err := requester.Accept(ctx)
		if err != nil {
			return
		}
		c, err := in.Accept()
		if err != nil {
			return
		}
		for err == nil {
			_, err = c.Write(data)
		}
	})
	c, err := client.Dial(ctx, pair.B.Address(), "target.test:80", DialOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	buf := make([]byte, len(data))
	for b.Loop() {
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
}
