package endpoint

import (
	"context"
	"errors"
	"time"
)

// chooseRequesters chooses among those that are named or listed. Where none is listed
// yet, it waits for one.
func (e *Endpoint) chooseRequesters(ctx context.Context) error {
	began := time.Now()
	for said := false; ; said = true {
		err := e.requesters.choose(ctx)
		if len(e.cfg.Requesters) > 0 || !errors.Is(err, ErrNoRequester) || time.Since(began) >= listedPatience {
			return err
		}
		if !said {
			e.cfg.Log.Warn().Int("patience_s", int(listedPatience.Seconds())).Str("hint", "one that registers is listed within a minute; or name one").
				Msg("the directories list no requester yet, waiting for one")
		}
		select {
		case <-time.After(listedEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
