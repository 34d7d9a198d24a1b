//go:build js

package main

import (
	"context"
	"syscall/js"

	"nym-socks5/endpoint"
)

// A store keeps records by two functions of JavaScript:
//
//	load(name)                → Promise of {version, body: Uint8Array}, or of null
//	save(name, version, body) → Promise, fulfilled when the record is there to stay
type store struct{ load, save js.Value }

// openStore takes the functions of an options object; without them records end
// with us.
func openStore(options js.Value) endpoint.Store {
	s := options.Get("store")
	if s.Type() != js.TypeObject {
		return endpoint.NewMemoryStore()
	}
	return &store{s.Get("load"), s.Get("save")}
}

// Load implements [endpoint.Store].
func (s *store) Load(ctx context.Context, name string) (endpoint.Record, error) {
	v, err := await(ctx, s.load.Invoke(name))
	if err != nil || v.Type() != js.TypeObject {
		return endpoint.Record{}, err
	}
	return endpoint.Record{Version: v.Get("version").Int(), Body: toBytes(v.Get("body"))}, nil
}

// Save implements [endpoint.Store].
func (s *store) Save(ctx context.Context, name string, r endpoint.Record) error {
	if err := endpoint.CheckRecord(name, r); err != nil {
		return err
	}
	_, err := await(ctx, s.save.Invoke(name, r.Version, fromBytes(r.Body)))
	return err
}
