package chain

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"nym-socks5/internal/broadcast"
)

// ethereum speaks the JSON-RPC of the execution API.
type ethereum struct {
	n     *Node
	right atomic.Bool // the node has said that it is of the right chain, and answered since
}

// call makes a call to a node of the right chain. After a failure that is asked
// again: another node may answer there.
func (e *ethereum) call(ctx context.Context, method string, params ...any) (rpcReply, error) {
	if want := e.n.spec.Number; want != 0 && !e.right.Load() {
		r, err := e.n.call(ctx, "2.0", "eth_chainId")
		if err != nil {
			return r, err
		}
		digits, hexadecimal := strings.CutPrefix(r.text(), "0x")
		got, err := strconv.ParseUint(digits, 16, 64)
		switch {
		case r.err != nil || !hexadecimal || err != nil:
			return r, fail(Strange, errors.New("no chain id"))
		case got != want:
			return r, fail(OtherChain, fmt.Errorf("chain id %d, want %d", got, want))
		}
		e.right.Store(true)
	}
	r, err := e.n.call(ctx, "2.0", method, params...)
	if err != nil {
		e.right.Store(false)
	}
	return r, err
}

func (e *ethereum) send(ctx context.Context, tx []byte, h broadcast.Hash) (Outcome, error) {
	r, err := e.call(ctx, "eth_sendRawTransaction", "0x"+hex.EncodeToString(tx))
	switch {
	case err != nil:
		return Outcome{}, err
	case r.err == nil && strings.EqualFold(r.text(), broadcast.Ethereum.Text(h)):
		return Outcome{broadcast.Accepted, r.body}, nil
	case r.err == nil:
		return Outcome{}, fail(Strange, errors.New("it names another transaction"))
	}
	// Each client has words of its own for a transaction that it has, and of one that
	// is in a block all say that its nonce is too low.
	known, err := e.call(ctx, "eth_getTransactionByHash", broadcast.Ethereum.Text(h))
	if err != nil {
		return Outcome{}, err
	}
	if known.found() {
		return Outcome{broadcast.Known, r.body}, nil
	}
	return Outcome{broadcast.Refused, r.body}, nil
}

func (e *ethereum) check(context.Context, []byte, broadcast.Hash) (Outcome, error) {
	return Outcome{}, errCannot
}

func (e *ethereum) look(ctx context.Context, h broadcast.Hash) (Sight, error) {
	r, err := e.call(ctx, "eth_getTransactionReceipt", broadcast.Ethereum.Text(h))
	if err != nil {
		return Sight{}, err
	}
	if r.found() {
		return Sight{Found: true, Confirmed: true, Reply: r.body}, nil
	}
	known, err := e.call(ctx, "eth_getTransactionByHash", broadcast.Ethereum.Text(h))
	if err != nil {
		return Sight{}, err
	}
	return Sight{Found: known.found(), Reply: r.body}, nil
}
