package assembly

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"nym-socks5/config"
	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
)

// CheckRecords reports records of an endpoint that its program could not use.
func CheckRecords(s *cli.State) error {
	return Explain(endpoint.CheckStore(context.Background(), Records(s)))
}

// CheckNode reports a topology file that contradicts the node, and records that it
// could not use.
func CheckNode(n config.Network, m config.Mix, r config.Registration, s *cli.State, ks cli.Keys, gateway bool) error {
	var errs []error
	if n.Topology != "" && !r.Register {
		src, err := OpenSource(n, nil, true, zerolog.Nop())
		if err != nil {
			return err
		}
		errs = append(errs, CheckSelf(src.Current(), m, ks, gateway))
	}
	records := Records(s)
	_, err := readSequence(records)
	errs = append(errs, err, CheckRecords(s))
	text, err := endpoint.Text(context.Background(), records, ringRecord, recordVersion)
	if err == nil {
		_, err = parseRing(text)
	}
	if err != nil {
		errs = append(errs, cli.Invalid("%s: %v", records.Path(ringRecord), err))
	}
	return errors.Join(errs...)
}

// Renewing tells what to expect of a new key of a node.
func Renewing(r config.Registration, k cli.Key, program string) (expect string, err error) {
	switch {
	case k == cli.Sphinx && r.Register:
		return "", cli.Invalid("this node registers: its Sphinx keys change when the directory says so, and are not those of sphinx.pem")
	case k == cli.Sphinx:
		return fmt.Sprintf("The topology needs to have it (%s details) before the node starts with it: packets that were built for the key before are dropped, and where this node is the only one of its layer, that is all there are. Expect minutes until every client has read the new topology.", program), nil
	case r.Register:
		return "The next start announces it. Until the other nodes have read the next topology, a minute or two, they refuse this node's links.", nil
	}
	return fmt.Sprintf("The topology needs to have it (%s details) before the node starts with it: nodes that have read the one before refuse this node's links.", program), nil
}
