package assembly

import (
	"context"
	"errors"
	"io/fs"

	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/boltstore"
	"nym-socks5/mixnet/keys"
)

// OpenReplay opens the log of packets seen under the node's Sphinx key, and
// begins one for a key that was never used. A key whose log is gone or damaged
// is refused: packets seen under it could be sent again (H18).
func OpenReplay(s *cli.State, ks cli.Keys) (*boltstore.ReplayLog, error) {
	dir, key := s.Path(""), ks.Sphinx.Public()
	records := Records(s)
	used, err := endpoint.Text(context.Background(), records, inUseRecord, recordVersion)
	if err != nil {
		return nil, Explain(err)
	}
	if used == key.String() {
		log, err := boltstore.OpenReplayLog(dir, key)
		if err != nil {
			return nil, err
		}
		if !log.Clean() {
			return nil, errors.Join(cli.Invalid("it is not known any more which packets were seen under the Sphinx key, so it must not be used again: draw another with renew-key sphinx, and tell the network"), log.Close())
		}
		return log, nil
	}
	if err := removeReplay(dir, used); err != nil {
		return nil, err
	}
	log, err := boltstore.CreateReplayLog(dir, key, boltstore.SyncEach)
	if errors.Is(err, fs.ErrExist) { // begun, and then the machine stopped before the key was used
		log, err = boltstore.OpenReplayLog(dir, key)
	}
	if err != nil {
		return nil, err
	}
	if err := records.Save(context.Background(), inUseRecord, endpoint.Record{Version: recordVersion, Body: []byte(key.String())}); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return log, nil
}

// removeReplay removes the log of a key that was replaced; there may be none.
func removeReplay(dir, text string) error {
	if text == "" {
		return nil
	}
	key, err := keys.ParseSphinxText(text)
	if err != nil {
		return cli.Invalid("%s: %v", inUseRecord, err)
	}
	log, err := boltstore.OpenReplayLog(dir, key)
	if err != nil {
		return err
	}
	return log.Remove()
}
