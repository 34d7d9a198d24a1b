package node

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet/boltstore"
	"nym-socks5/mixnet/directory/announce"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
)

// A Keychain keeps the Sphinx keys of a node that registers where they belong:
//
//	Announcer ──use──▶ record, then a replay log for each key, then the engine
type Keychain struct {
	// Ring is for the Announcer.
	Ring    *announce.Keyring
	dir     string // of the replay logs
	records endpoint.Store
	ready   chan struct{} // closed when there are keys

	mu   sync.Mutex // guards the following
	kept string     // the record as it is
	keys mixnode.Keys
	logs map[keys.Sphinx]*boltstore.ReplayLog // of the keys in use
	set  func(mixnode.Keys) error             // of the engine; nil: not yet made
}

// OpenKeychain reads the keys of an earlier life. One whose replay log is gone
// or damaged is left out, so that another is drawn (H18).
func OpenKeychain(dir string, records endpoint.Store) (*Keychain, error) {
	stored, err := loadRing(records)
	if err != nil {
		return nil, err
	}
	k := &Keychain{
		dir: dir, records: records, ready: make(chan struct{}),
		kept: ringText(stored), logs: make(map[keys.Sphinx]*boltstore.ReplayLog),
	}
	var held []announce.SphinxKey
	for _, key := range stored {
		log, err := boltstore.OpenReplayLog(dir, key.Key.Public())
		if err != nil {
			return nil, errors.Join(err, k.Close())
		}
		if !log.Clean() {
			if err := log.Remove(); err != nil {
				return nil, errors.Join(err, k.Close())
			}
			continue
		}
		k.logs[key.Key.Public()] = log
		held = append(held, key)
	}
	k.Ring = announce.NewKeyring(held...)
	return k, nil
}

// Use has the node use exactly these keys; other.Key may be nil. It is for
// [announce.Config].
func (k *Keychain) Use(current, other announce.SphinxKey) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	held := []announce.SphinxKey{current}
	if other.Key != nil {
		held = append(held, other)
	}
	using := make(map[keys.Sphinx]bool)
	var next [2]mixnode.Key
	for i, key := range held {
		log, err := k.log(key.Key.Public())
		if err != nil {
			return err
		}
		next[i] = mixnode.Key{Rotation: key.Rotation, Key: key.Key, Log: log}
		using[key.Key.Public()] = true
	}
	// A key in the record always has had its log.
	if text := ringText(held); text != k.kept {
		if err := save(k.records, ringRecord, []byte(text)); err != nil {
			return err
		}
		k.kept = text
	}
	keys := mixnode.Keys{Primary: next[0], Secondary: next[1]}
	if k.set != nil {
		if err := k.set(keys); err != nil {
			return err
		}
	} else if k.keys.Primary.Key == nil {
		close(k.ready)
	}
	k.keys = keys
	for key, log := range k.logs {
		if using[key] {
			continue
		}
		delete(k.logs, key)
		if err := log.Remove(); err != nil {
			return err
		}
	}
	return nil
}

// log gives the log of a key, and begins one for a key that is new.
func (k *Keychain) log(key keys.Sphinx) (*boltstore.ReplayLog, error) {
	if log, ok := k.logs[key]; ok {
		return log, nil
	}
	log, err := boltstore.CreateReplayLog(k.dir, key, boltstore.SyncAtEnd)
	if errors.Is(err, fs.ErrExist) { // begun by an attempt that failed later
		log, err = boltstore.OpenReplayLog(k.dir, key)
	}
	if err == nil {
		k.logs[key] = log
	}
	return log, err
}

// Attach waits for the first keys and makes the engine with them; build gives
// what changes them later.
func (k *Keychain) Attach(ctx context.Context, build func(mixnode.Keys) (set func(mixnode.Keys) error, err error)) error {
	select {
	case <-k.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	set, err := build(k.keys)
	k.set = set
	return err
}

// Close closes the replay logs, when the engine has ended.
func (k *Keychain) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for _, log := range k.logs {
		errs = append(errs, log.Close())
	}
	return errors.Join(errs...)
}

// ringBlock is the type of a key's PEM block, and rotationHeader says what
// rotation it serves.
const (
	ringBlock      = "NYM SPHINX KEY"
	rotationHeader = "Rotation"
)

func ringText(held []announce.SphinxKey) string {
	var out []byte
	for _, key := range held {
		out = append(out, pem.EncodeToMemory(&pem.Block{
			Type:    ringBlock,
			Headers: map[string]string{rotationHeader: strconv.FormatUint(uint64(key.Rotation), 10)},
			Bytes:   key.Key.Bytes()[:],
		})...)
	}
	return strings.TrimSpace(string(out))
}

// loadRing reads the keys of the record.
func loadRing(records endpoint.Store) ([]announce.SphinxKey, error) {
	text, err := endpoint.Text(context.Background(), records, ringRecord, recordVersion)
	if err != nil {
		return nil, err
	}
	held, err := parseRing(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", endpoint.ErrDamaged, ringRecord, err)
	}
	return held, nil
}

var errRing = errors.New("it holds something else than Sphinx keys with their rotations")

// parseRing reads what ringText wrote, and nothing else.
func parseRing(text string) (held []announce.SphinxKey, err error) {
	rest := []byte(text)
	for len(rest) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != ringBlock || len(block.Bytes) != keys.Size {
			return nil, errRing
		}
		rotation, err := strconv.ParseUint(block.Headers[rotationHeader], 10, 32)
		if err != nil {
			return nil, errRing
		}
		held = append(held, announce.SphinxKey{Rotation: uint32(rotation), Key: keys.SphinxKeyFromBytes([keys.Size]byte(block.Bytes))})
	}
	if len(held) > 2 || ringText(held) != text {
		return nil, errRing
	}
	return held, nil
}
