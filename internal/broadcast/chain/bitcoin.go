package chain

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"

	"nym-socks5/internal/broadcast"
)

// bitcoin speaks JSON-RPC 1.0, as bitcoind and its kin do.
type bitcoin struct{ n *Node }

// Codes of errors (bitcoind's rpc/protocol.h).
const (
	bitcoinInChain = -27 // the transaction, or what it makes, is in the chain
	bitcoinWarmUp  = -28
	bitcoinOffline = -9  // no peer to give it to
	bitcoinSyncing = -10 // blocks are still missing
	bitcoinFull    = -7  // out of memory
)

// bitcoinMaxFee is the highest fee in BTC per 1000 bytes of a transaction that passes
// the check: what sendrawtransaction takes if nothing is said. btcd wants it said.
const bitcoinMaxFee = 0.1

func (b *bitcoin) call(ctx context.Context, method string, params ...any) (rpcReply, error) {
	r, err := b.n.call(ctx, "1.0", method, params...)
	if err == nil && r.err != nil {
		switch r.err.Code {
		case bitcoinWarmUp, bitcoinOffline, bitcoinSyncing, bitcoinFull:
			return r, fail(Busy, errors.New(r.err.Message))
		case rpcParams: // a node that wants the question put otherwise
			return r, fail(Strange, errors.New(r.err.Message))
		}
	}
	return r, err
}

func (b *bitcoin) send(ctx context.Context, tx []byte, h broadcast.Hash) (Outcome, error) {
	r, err := b.call(ctx, "sendrawtransaction", hex.EncodeToString(tx))
	switch {
	case err != nil:
		return Outcome{}, err
	case r.err == nil && r.text() == broadcast.Bitcoin.Text(h):
		return Outcome{broadcast.Accepted, r.body}, nil
	case r.err == nil:
		return Outcome{}, fail(Strange, errors.New("it names another transaction"))
	case r.err.Code == bitcoinInChain:
		return Outcome{broadcast.Known, r.body}, nil
	}
	// What was spent in the meantime looks like what never was there.
	sight, err := b.look(ctx, h)
	if err != nil {
		return Outcome{}, err
	}
	if sight.Found {
		return Outcome{broadcast.Known, r.body}, nil
	}
	return Outcome{broadcast.Refused, r.body}, nil
}

func (b *bitcoin) check(ctx context.Context, tx []byte, h broadcast.Hash) (Outcome, error) {
	r, err := b.call(ctx, "testmempoolaccept", []string{hex.EncodeToString(tx)}, bitcoinMaxFee)
	if err != nil {
		return Outcome{}, err
	}
	if r.err != nil {
		return Outcome{broadcast.Refused, r.body}, nil // it cannot be decoded
	}
	var of []struct {
		ID      string `json:"txid"`
		Allowed *bool  `json:"allowed"` // btcd leaves it out where it is false
		Reason  string `json:"reject-reason"`
	}
	if json.Unmarshal(r.result, &of) != nil || len(of) != 1 || of[0].ID != broadcast.Bitcoin.Text(h) {
		return Outcome{}, fail(Strange, errors.New("no verdict on the transaction"))
	}
	switch allowed := of[0].Allowed; {
	case allowed != nil && *allowed:
		return Outcome{broadcast.Acceptable, r.body}, nil
	case allowed != nil || of[0].Reason != "":
		return Outcome{broadcast.Refused, r.body}, nil
	}
	return Outcome{}, fail(Strange, errors.New("no verdict on the transaction"))
}

// look finds what waits and, in a node with an index of transactions, what is in a
// block.
func (b *bitcoin) look(ctx context.Context, h broadcast.Hash) (Sight, error) {
	r, err := b.call(ctx, "getrawtransaction", broadcast.Bitcoin.Text(h), 1)
	if err != nil {
		return Sight{}, err
	}
	var of struct {
		Confirmations int `json:"confirmations"`
	}
	found := r.found() && json.Unmarshal(r.result, &of) == nil
	return Sight{Found: found, Confirmed: of.Confirmations > 0, Reply: r.body}, nil
}
