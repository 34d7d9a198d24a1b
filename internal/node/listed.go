package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"nym-socks5/endpoint"
	"nym-socks5/internal/base58"
	"nym-socks5/mixnet/boltstore"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
)

// ErrLogLost reports a Sphinx key of which it is not known any more which packets
// were seen under it.
var ErrLogLost = errors.New("node: it is not known any more which packets were seen under the Sphinx key, so it must not be used again: draw another with renew-key sphinx, and tell the network")

// PreviousFor is how long a key that was renewed is still used: packets that were
// built from the topology before are not lost. Clients read a new one within the
// day, or their operators send them a HUP.
const PreviousFor = 24 * time.Hour

// Listed are the Sphinx keys of a node that somebody put into the topology by hand:
// its own and, for a while after that was renewed, the one before. Either serves
// every rotation.
type Listed struct {
	dir     string
	records endpoint.Store
	keys    mixnode.Keys
	own     *boltstore.ReplayLog
	before  *boltstore.ReplayLog // nil: there is none
	until   time.Time            // of the one before
}

// OpenListed opens the logs of packets seen under the keys, and begins one for a
// key that was never used. A key whose log is gone or damaged is refused with
// [ErrLogLost]: packets seen under it could be sent again (H18).
func OpenListed(dir string, records endpoint.Store, own *keys.SphinxKey) (l *Listed, err error) {
	l = &Listed{dir: dir, records: records}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	used, err := endpoint.Text(context.Background(), records, inUseRecord, recordVersion)
	if err != nil {
		return l, err
	}
	if l.own, err = openLog(dir, own.Public(), used); err != nil {
		return l, err
	}
	before, err := loadPrevious(records)
	if err != nil {
		return l, err
	}
	if err := l.keep(before, own.Public()); err != nil {
		return l, err
	}
	if used != own.Public().String() {
		if err := l.retire(used); err != nil {
			return l, err
		}
		if err := save(records, inUseRecord, []byte(own.Public().String())); err != nil {
			return l, err
		}
	}
	l.keys.Primary = mixnode.Key{Rotation: mixnode.NoRotation, Key: own, Log: l.own}
	return l, nil
}

// openLog opens the log of a key, and begins one unless the key is the one in use.
func openLog(dir string, key keys.Sphinx, used string) (*boltstore.ReplayLog, error) {
	if used == key.String() {
		return openClean(dir, key)
	}
	log, err := boltstore.CreateReplayLog(dir, key, boltstore.SyncEach)
	if errors.Is(err, fs.ErrExist) { // begun, and then the machine stopped before the key was used
		log, err = boltstore.OpenReplayLog(dir, key)
	}
	return log, err
}

func openClean(dir string, key keys.Sphinx) (*boltstore.ReplayLog, error) {
	log, err := boltstore.OpenReplayLog(dir, key)
	if err != nil {
		return nil, err
	}
	if !log.Clean() {
		return nil, errors.Join(ErrLogLost, log.Close())
	}
	return log, nil
}

// keep takes the key before into use, unless its time is over or its log is lost:
// then it is forgotten.
func (l *Listed) keep(p previous, own keys.Sphinx) error {
	if p.key == nil || p.key.Public() == own {
		return nil
	}
	if !time.Now().Before(p.until) {
		return l.forget(p.key.Public())
	}
	log, err := openClean(l.dir, p.key.Public())
	if errors.Is(err, ErrLogLost) {
		return l.forget(p.key.Public())
	}
	if err != nil {
		return err
	}
	l.before, l.until = log, p.until
	l.keys.Secondary = mixnode.Key{Rotation: mixnode.NoRotation, Key: p.key, Log: log}
	return nil
}

// forget removes the key before, and its log.
func (l *Listed) forget(key keys.Sphinx) error {
	if err := save(l.records, previousRecord, nil); err != nil {
		return err
	}
	return l.retire(key.String())
}

// retire removes the log of a key that is not used any more; there may be none.
func (l *Listed) retire(text string) error {
	if text == "" || l.keys.Secondary.Key != nil && l.keys.Secondary.Key.Public().String() == text {
		return nil
	}
	key, err := keys.ParseSphinxText(text)
	if err != nil {
		return fmt.Errorf("%w: %s: %v", endpoint.ErrDamaged, inUseRecord, err)
	}
	log, err := boltstore.OpenReplayLog(l.dir, key)
	if err != nil {
		return err
	}
	return log.Remove()
}

// Keys are those to begin with.
func (l *Listed) Keys() mixnode.Keys { return l.keys }

// Run has the engine forget the key before when its time is over. It returns when
// ctx ends, or there is none any more.
func (l *Listed) Run(ctx context.Context, set func(mixnode.Keys) error) error {
	if l.before == nil {
		return nil
	}
	t := time.NewTimer(time.Until(l.until))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return nil
	}
	old := l.keys.Secondary.Key.Public()
	l.keys.Secondary = mixnode.Key{}
	if err := set(l.keys); err != nil {
		return err
	}
	err := l.before.Close()
	l.before = nil
	return errors.Join(err, l.forget(old))
}

// Close closes the logs, when the engine has ended.
func (l *Listed) Close() error {
	var errs []error
	for _, log := range []*boltstore.ReplayLog{l.own, l.before} {
		if log != nil {
			errs = append(errs, log.Close())
		}
	}
	return errors.Join(errs...)
}

// previous is the key before.
type previous struct {
	key   *keys.SphinxKey // nil: there is none
	until time.Time
}

type previousJSON struct {
	Key   string    `json:"sphinx_key"`
	Until time.Time `json:"until"`
}

// KeepPrevious has a key that is about to be renewed used a while longer.
func KeepPrevious(records endpoint.Store, key *keys.SphinxKey, until time.Time) error {
	b, err := json.Marshal(previousJSON{base58.Encode(key.Bytes()[:]), until.UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	return save(records, previousRecord, b)
}

// Previous is the public half of the key before; zero: there is none that is used.
func Previous(records endpoint.Store) (keys.Sphinx, error) {
	p, err := loadPrevious(records)
	if err != nil || p.key == nil || !time.Now().Before(p.until) {
		return keys.Sphinx{}, err
	}
	return p.key.Public(), nil
}

func loadPrevious(records endpoint.Store) (p previous, err error) {
	text, err := endpoint.Text(context.Background(), records, previousRecord, recordVersion)
	if err != nil || text == "" {
		return p, err
	}
	if p, err = parsePrevious([]byte(text)); err != nil {
		err = fmt.Errorf("%w: %s: %v", endpoint.ErrDamaged, previousRecord, err)
	}
	return p, err
}

func parsePrevious(b []byte) (p previous, err error) {
	var j previousJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return p, err
	}
	key, err := base58.Decode(j.Key)
	if err != nil || len(key) != keys.Size || j.Until.IsZero() {
		return p, fmt.Errorf("it has no base58 of %d bytes and a time", keys.Size)
	}
	return previous{keys.SphinxKeyFromBytes([keys.Size]byte(key)), j.Until}, nil
}
