package main

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/proxy/requester"
)

// tellDenials logs, when there were some, how many streams were refused by the
// rules, for which reasons and ports, and how many could not be opened for other
// reasons, until ctx ends.
func tellDenials(ctx context.Context, stats func() requester.Stats, refused *refusals, log zerolog.Logger) {
	t := time.NewTicker(tellEvery)
	defer t.Stop()
	save := func() {
		if err := refused.save(); err != nil {
			log.Warn().Str("reason", err.Error()).Msg("refused targets cannot be written down")
		}
	}
	defer save()
	var before requester.Stats
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		save()
		now := stats()
		denied, failed := now.Denied-before.Denied, failures(now)-failures(before)
		if kinds := refused.tell(); denied+failed > 0 {
			log.Info().Uint64("denied", denied).Uint64("failed", failed).Uint64("connected", now.Connected-before.Connected).
				Strs("denied_by", kinds).Int64("within_s", int64(tellEvery.Seconds())).Msg("streams were refused")
		}
		before = now
	}
}

// failures counts streams that could not be opened though the rules allow them.
func failures(s requester.Stats) uint64 {
	return s.DNS + s.Refused + s.Unreachable + s.Timeout + s.Limit + s.Internal + s.Unknown
}
