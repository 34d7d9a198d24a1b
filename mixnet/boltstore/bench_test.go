package boltstore

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
)

// BenchmarkPut stores messages of regular size durably, with 1 and with 64
// senders that each wait for their own. Beside it stands what the disk does:
// one write of the same size and one fsync at a time.
func BenchmarkPut(b *testing.B) {
	message := bytes.Repeat([]byte{7}, 2048)
	b.Run("fsync", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "plain"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		for b.Loop() {
			if _, err := f.Write(message); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "fsyncs/s")
	})
	for _, senders := range []int{1, 64} {
		b.Run(fmt.Sprint("senders=", senders), func(b *testing.B) {
			g, err := OpenGateway(filepath.Join(b.TempDir(), "gateway.db"), gateway.Limits{ClientBytes: 1 << 30, TotalBytes: 1 << 30})
			if err != nil {
				b.Fatal(err)
			}
			defer g.Close()
			work := make(chan struct{})
			var wg sync.WaitGroup
			for s := range senders {
				mail := []gateway.Mail{{Client: keys.Identity{byte(s)}, Message: message, Arrived: time.Unix(1, 0)}}
				wg.Go(func() {
					for range work {
						if err := g.Put(b.Context(), mail)[0]; err != nil {
							b.Error(err)
						}
					}
				})
			}
			b.ResetTimer()
			for range b.N {
				work <- struct{}{}
			}
			close(work)
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
		})
	}
}

// BenchmarkReplayLog appends the tags of 2 ms at 20 000 packets a second.
func BenchmarkReplayLog(b *testing.B) {
	l, err := CreateReplayLog(b.TempDir(), keys.NewSphinxKey().Public(), SyncEach)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	tags := make([]mixnode.ReplayTag, 40)
	for b.Loop() {
		if err := l.Append(tags); err != nil {
			b.Fatal(err)
		}
	}
}
