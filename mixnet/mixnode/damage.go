package mixnode

import "time"

// tellDamage logs, at most once an hour, how many payloads came to their last
// hop damaged. Headers are checked at every hop and payloads only there: who
// wants to follow a packet can damage its payload at one place and look out for
// it at another, and this count is what that costs. Broken links cannot cause
// it where Noise is on.
func (n *Node) tellDamage(stop <-chan struct{}) {
	t := time.NewTicker(damageEvery)
	defer t.Stop()
	var told, delivered uint64
	for {
		select {
		case <-t.C:
		case <-stop:
			return
		}
		damaged, whole := n.dropped[DropPayload].Load(), n.delivered.Load()
		if damaged > told {
			n.cfg.Log.Warn().Uint64("damaged", damaged-told).Uint64("whole", whole-delivered).
				Msg("payloads arrived damaged in the last hour: somebody may be tagging packets")
		}
		told, delivered = damaged, whole
	}
}
