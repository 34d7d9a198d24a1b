package mixnode

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/wire"
)

// hardening.md H40: "Unexplained payload damage is counted per hour at exits and
// shown: it is what a tagging attack costs its author."
func TestH40DamageIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newTestNet(t, false)
		var log bytes.Buffer // only the goroutine under test writes, and never while we read
		_, stop := n.node(exit, func(c *Config) {
			c.Deliver = func(d Delivered) { d.Release() }
			c.Log = zerolog.New(&log)
		})
		defer stop()
		said := func(damaged, whole int) string {
			t.Helper()
			l := n.link(n.host(mix3), exit)
			defer l.c.Close()
			for i := range damaged + whole {
				p := n.packet(mixnet.Regular, 0, exit)
				if i < damaged {
					p[len(p)-1-i] ^= 1
				}
				l.send(wire.V8, odd(p))
			}
			time.Sleep(damageEvery)
			synctest.Wait()
			defer log.Reset()
			return log.String()
		}
		if got := said(0, 3); got != "" {
			t.Errorf("all is well, and the node says %s", got)
		}
		for _, c := range []struct {
			damaged, whole int
			want           string
		}{
			{2, 3, `"damaged":2,"whole":3`},
			{1, 0, `"damaged":1,"whole":0`},
		} {
			if got := said(c.damaged, c.whole); !strings.Contains(got, c.want) || strings.Count(got, "\n") != 1 {
				t.Errorf("the node says %q, want one line with %s", got, c.want)
			}
		}
		if got := said(0, 0); got != "" {
			t.Errorf("nothing came, and the node says %s", got)
		}
	})
}
