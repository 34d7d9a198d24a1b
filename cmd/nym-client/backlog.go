package main

import (
	"crypto/rand"
	"encoding/hex"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/spool"
	"nym-socks5/mixnet/wsapi"
)

// Where messages are kept on disk. Without the key they are of no use: who wants to
// forget them removes it.
const (
	spoolFolder = "spool"
	spoolKey    = "spool.key"
)

// backlog opens what keeps messages while no program is connected; nil: memory does.
func backlog(env *cli.Env[*config.NymClient]) (wsapi.Backlog, error) {
	w := env.Config.WebSocket
	if !w.KeepOnDisk {
		return nil, nil
	}
	key, err := keyOfSpool(env.State)
	if err != nil {
		return nil, err
	}
	return spool.Open(env.State.Path(spoolFolder), key, spool.Limits{Messages: wsapi.DefaultKeepMessages, Bytes: int(w.Keep)})
}

// keyOfSpool reads the key, and makes it the first time.
func keyOfSpool(s *cli.State) (key [spool.KeySize]byte, err error) {
	key, there, err := readSpoolKey(s)
	if err != nil || there {
		return key, err
	}
	rand.Read(key[:])
	return key, s.WriteText(spoolKey, hex.EncodeToString(key[:]))
}

// readSpoolKey reads the key, if there is one.
func readSpoolKey(s *cli.State) (key [spool.KeySize]byte, there bool, err error) {
	text, err := s.ReadText(spoolKey)
	if err != nil || text == "" {
		return key, false, err
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(key) {
		return key, true, cli.Invalid("%s is no key; remove it to begin anew, without what is kept", s.Path(spoolKey))
	}
	return [spool.KeySize]byte(b), true, nil
}
