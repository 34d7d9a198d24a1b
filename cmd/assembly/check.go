package assembly

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/config"
	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/node"
)

// CheckRecords reports records of an endpoint that its program could not use.
func CheckRecords(s *cli.State) error {
	return Explain(endpoint.CheckStore(context.Background(), Records(s)))
}

// CheckRequesters reports requesters none of which can be reached in the network of
// a topology file.
func CheckRequesters(named config.Requesters, n config.Network) error {
	all, err := Requesters(named)
	if err != nil || len(all) == 0 || n.Topology == "" {
		return err
	}
	src, err := OpenSource(n, nil, false, zerolog.Nop())
	if err != nil {
		return err
	}
	for _, a := range all {
		if _, there := src.Current().Gateway(a.Gateway); there {
			return nil
		}
	}
	return cli.Invalid("socks.requester: gateway %v is not in the topology %s; is the address right, and is it one of this network?", all[0].Gateway, n.Topology)
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
		sphinx, err := node.Previous(Records(s))
		if err != nil {
			return Explain(err)
		}
		noise, err := node.PreviousNoise(Records(s))
		if err != nil {
			return Explain(err)
		}
		errs = append(errs, CheckSelf(src.Current(), m, ks, Previous{sphinx, noise}, gateway))
	}
	return errors.Join(append(errs, Explain(node.Check(Records(s))), CheckRecords(s))...)
}

// Renewing tells what to expect of a new key of a node.
func Renewing(r config.Registration, k cli.Key, program string) (expect string, err error) {
	switch {
	case k == cli.Sphinx && r.Register:
		return "", cli.Invalid("this node registers: its Sphinx keys change when the directory says so, and are not those of sphinx.pem")
	case k == cli.Sphinx:
		return fmt.Sprintf("The topology needs to have it (%s details): give it to everybody now. For %d hours the node takes packets for the key before too; then those of clients that have not read the new topology are lost.", program, int(node.PreviousFor.Hours())), nil
	case r.Register:
		return "The next start announces it. Other nodes know this one by the key before until they have read the next topology.", nil
	}
	return fmt.Sprintf("The topology needs to have it (%s details): give it to everybody now. For %d hours other nodes may know this one by the key before.", program, int(node.PreviousFor.Hours())), nil
}

// Retiring has a node use a key a while longer when it gets a new one.
func Retiring(s *cli.State, k cli.Key, old cli.Keys) error {
	until := time.Now().Add(node.PreviousFor)
	if k == cli.Noise {
		return node.KeepPreviousNoise(Records(s), old.Noise, until)
	}
	return node.KeepPrevious(Records(s), old.Sphinx, until)
}
