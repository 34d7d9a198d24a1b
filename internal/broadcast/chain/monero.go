package chain

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"unicode/utf8"

	"nym-socks5/internal/broadcast"
)

// monero speaks HTTP with JSON, as monerod does beside its JSON-RPC.
type monero struct{ n *Node }

// moneroFound is the status of a call that was answered.
const moneroFound = "OK"

// ask posts a question, and reads the answer into v as far as it has a place there.
func (m *monero) ask(ctx context.Context, path string, question, v any) (body []byte, err error) {
	b, err := json.Marshal(question)
	if err != nil {
		return nil, fail(Strange, err)
	}
	r, err := m.n.post(ctx, path, "application/json", b, nil)
	switch {
	case err != nil:
		return nil, err
	case r.status != http.StatusOK:
		return nil, fail(statusClass(r.status), errors.New("no answer"))
	case !utf8.Valid(r.body) || json.Unmarshal(r.body, v) != nil:
		return nil, fail(Strange, errors.New("no JSON"))
	}
	return r.body, nil
}

func (m *monero) send(ctx context.Context, tx []byte, h broadcast.Hash) (Outcome, error) {
	var said struct {
		Status     string `json:"status"`
		NotRelayed bool   `json:"not_relayed"`
	}
	body, err := m.ask(ctx, "/sendrawtransaction", map[string]any{"tx_as_hex": hex.EncodeToString(tx), "do_not_relay": false}, &said)
	switch {
	case err != nil:
		return Outcome{}, err
	case said.Status == moneroFound && said.NotRelayed: // there is nothing to do about it
		return Outcome{broadcast.Known, body}, nil
	case said.Status == moneroFound:
		return Outcome{broadcast.Accepted, body}, nil
	case said.Status != "Failed":
		return Outcome{}, fail(Busy, errors.New("another status"))
	}
	sight, err := m.look(ctx, h)
	if err != nil {
		return Outcome{}, err
	}
	if sight.Found {
		return Outcome{broadcast.Known, body}, nil
	}
	return Outcome{broadcast.Refused, body}, nil
}

func (m *monero) check(context.Context, []byte, broadcast.Hash) (Outcome, error) {
	return Outcome{}, errCannot
}

func (m *monero) look(ctx context.Context, h broadcast.Hash) (Sight, error) {
	type transaction struct {
		Hash string `json:"tx_hash"`
		Pool bool   `json:"in_pool"`
	}
	var said struct {
		Status string        `json:"status"`
		Txs    []transaction `json:"txs"`
		Missed []string      `json:"missed_tx"`
	}
	text := broadcast.Monero.Text(h)
	body, err := m.ask(ctx, "/get_transactions", map[string]any{"txs_hashes": []string{text}, "prune": true}, &said)
	switch {
	case err != nil:
		return Sight{}, err
	case said.Status != moneroFound:
		return Sight{}, fail(Busy, errors.New("another status"))
	}
	if i := slices.IndexFunc(said.Txs, func(t transaction) bool { return t.Hash == text }); i >= 0 {
		return Sight{Found: true, Confirmed: !said.Txs[i].Pool, Reply: body}, nil
	}
	if !slices.Contains(said.Missed, text) {
		return Sight{}, fail(Strange, errors.New("neither found nor missed"))
	}
	return Sight{Reply: body}, nil
}
