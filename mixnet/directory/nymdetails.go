package directory

import (
	"encoding/binary"
	"net/netip"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// The rarer documents for Nym's programs: descriptions of nodes (nodes.md §4.5),
// and the contract-shaped lists of clients before 2025 (§4.7).

type nymDescribed struct {
	ID          uint32         `json:"node_id"`
	Kind        string         `json:"contract_node_type"`
	Description nymDescription `json:"description"`
}

type nymDescription struct {
	Polled    string        `json:"last_polled"`
	Host      nymHost       `json:"host_information"`
	Declared  nymRoles      `json:"declared_role"`
	Auxiliary nymAuxiliary  `json:"auxiliary_details"`
	Build     nymBuild      `json:"build_information"`
	Requester *nymRequester `json:"network_requester"`
	IPRouter  *struct{}     `json:"ip_packet_router"`
	Auth      *struct{}     `json:"authenticator"`
	WireGuard *struct{}     `json:"wireguard"`
	Sockets   nymSockets    `json:"mixnet_websockets"`
}

type nymHost struct {
	Hosts    []string    `json:"ip_address"`
	Hostname *string     `json:"hostname"`
	Keys     nymHostKeys `json:"keys"`
}

type nymHostKeys struct {
	Identity string          `json:"ed25519"`
	X25519   string          `json:"x25519"`
	Current  nymRotationKey  `json:"current_x25519_sphinx_key"`
	Next     *nymRotationKey `json:"pre_announced_x25519_sphinx_key"`
	Noise    *nymNoise       `json:"x25519_versioned_noise"`
}

type nymRotationKey struct {
	Rotation uint32 `json:"rotation_id"`
	Key      string `json:"public_key"`
}

type nymAuxiliary struct {
	Location *string  `json:"location"`
	Ports    nymPorts `json:"announce_ports"`
	Accepted bool     `json:"accepted_operator_terms_and_conditions"`
}

type nymPorts struct {
	Verloc *uint16 `json:"verloc_port"`
	Mix    uint16  `json:"mix_port"`
}

type nymBuild struct {
	Name       string `json:"binary_name"`
	Timestamp  string `json:"build_timestamp"`
	Version    string `json:"build_version"`
	Commit     string `json:"commit_sha"`
	CommitTime string `json:"commit_timestamp"`
	Branch     string `json:"commit_branch"`
	Rustc      string `json:"rustc_version"`
	Channel    string `json:"rustc_channel"`
	Profile    string `json:"cargo_profile"`
	Triple     string `json:"cargo_triple"`
}

// buildOf answers for all nodes: which program a node runs helps only those who
// look for a weak one.
var buildOf = nymBuild{
	Name: "nym-socks5", Timestamp: "1970-01-01T00:00:00Z", Version: "1.1.0",
	CommitTime: "1970-01-01T00:00:00Z", Profile: "release",
}

type nymRequester struct {
	Address    string `json:"address"`
	ExitPolicy bool   `json:"uses_exit_policy"`
}

type nymSockets struct {
	WS  uint16  `json:"ws_port"`
	WSS *uint16 `json:"wss_port"`
}

// described describes all nodes. A requester stands at the gateway it is
// reached through.
func (v *View) described() nymPage[nymDescribed] {
	exits := v.exits()
	var data []nymDescribed
	for i := range v.Nodes {
		n := &v.Nodes[i]
		address, exit := exits[n.Identity]
		s := v.skimmed(n, exit)
		d := nymDescription{
			Polled: nymTime(v.Refreshed), Declared: s.Supported, Build: buildOf,
			Auxiliary: nymAuxiliary{Ports: nymPorts{Mix: n.MixPort}},
			Host: nymHost{Hosts: s.Hosts, Keys: nymHostKeys{
				Identity: s.Identity, X25519: s.Sphinx, Noise: noiseOf(n.Noise),
				Current: nymRotationKey{v.Rotation, s.Sphinx},
			}},
		}
		if n.Next != (keys.Sphinx{}) {
			d.Host.Keys.Next = &nymRotationKey{v.Rotation + 1, n.Next.String()}
		}
		if exit {
			d.Requester = &nymRequester{address, true}
		}
		if s.Entry != nil {
			d.Host.Hostname = s.Entry.Hostname
			d.Sockets = nymSockets{s.Entry.WS, s.Entry.WSS}
		}
		data = append(data, nymDescribed{n.ID, "nym_node", d})
	}
	return pageOf(data)
}

// The contract-shaped objects have exactly these members. All but hosts, keys,
// ports and layers is fiction on a network without a chain.

type oldCoin struct {
	Denom  string `json:"denom"`
	Amount string `json:"amount"`
}

type oldMixnode struct {
	Bond struct {
		ID     uint32  `json:"mix_id"`
		Owner  string  `json:"owner"`
		Pledge oldCoin `json:"original_pledge"`
		Layer  int     `json:"layer"`
		Node   struct {
			Host     string `json:"host"`
			MixPort  uint16 `json:"mix_port"`
			Verloc   uint16 `json:"verloc_port"`
			HTTP     uint16 `json:"http_api_port"`
			Sphinx   string `json:"sphinx_key"`
			Identity string `json:"identity_key"`
			Version  string `json:"version"`
		} `json:"mix_node"`
		Proxy     *string `json:"proxy"`
		Height    int     `json:"bonding_height"`
		Unbonding bool    `json:"is_unbonding"`
	} `json:"bond_information"`
	Rewarding struct {
		Cost struct {
			Margin string  `json:"profit_margin_percent"`
			Cost   oldCoin `json:"interval_operating_cost"`
		} `json:"cost_params"`
		Operator   string `json:"operator"`
		Delegates  string `json:"delegates"`
		TotalUnit  string `json:"total_unit_reward"`
		Unit       string `json:"unit_delegation"`
		LastEpoch  int    `json:"last_rewarded_epoch"`
		Delegators int    `json:"unique_delegations"`
	} `json:"rewarding_details"`
	Pending struct {
		Pledge *string `json:"pledge_change"`
	} `json:"pending_changes"`
}

// oldVersion passes the version filter of those clients, which look for 1.1.x.
const oldVersion = "1.1.99"

func (v *View) oldMixnodes() []oldMixnode {
	out := []oldMixnode{}
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if !n.Role.IsMix() {
			continue
		}
		var m oldMixnode
		m.Bond.ID, m.Bond.Owner, m.Bond.Pledge = n.ID, "none", oldCoin{"unym", "100"}
		m.Bond.Layer, m.Bond.Height = int(n.Role), 1
		b := &m.Bond.Node
		b.Host, b.MixPort, b.Verloc, b.HTTP = n.Hosts[0].String(), n.MixPort, 1790, 8000
		b.Sphinx, b.Identity, b.Version = n.Sphinx.String(), n.Identity.String(), oldVersion
		r := &m.Rewarding
		r.Cost.Margin, r.Cost.Cost = "0.1", oldCoin{"unym", "40"}
		r.Operator, r.Delegates, r.TotalUnit, r.Unit = "100", "0", "0", "1000000000"
		out = append(out, m)
	}
	return out
}

type oldGateway struct {
	Bond struct {
		Pledge  oldCoin `json:"pledge_amount"`
		Owner   string  `json:"owner"`
		Height  int     `json:"block_height"`
		Gateway struct {
			Host     string `json:"host"`
			MixPort  uint16 `json:"mix_port"`
			Clients  uint16 `json:"clients_port"`
			Location string `json:"location"`
			Sphinx   string `json:"sphinx_key"`
			Identity string `json:"identity_key"`
			Version  string `json:"version"`
		} `json:"gateway"`
		Proxy *string `json:"proxy"`
	} `json:"bond"`
	SelfDescribed *struct{} `json:"self_described"`
}

func (v *View) oldGateways() []oldGateway {
	out := []oldGateway{}
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if n.Role != topology.RoleGateway {
			continue
		}
		var g oldGateway
		g.Bond.Pledge, g.Bond.Owner, g.Bond.Height = oldCoin{"unym", "100"}, "none", 1
		b := &g.Bond.Gateway
		b.Host, b.MixPort, b.Clients, b.Location = n.Hosts[0].String(), n.MixPort, n.Clients.WS, "none"
		b.Sphinx, b.Identity, b.Version = n.Sphinx.String(), n.Identity.String(), oldVersion
		out = append(out, g)
	}
	return out
}

// byAddresses answers which node is at each IP (nodes.md §4.5).
func (v *View) byAddresses(ips []netip.Addr) map[string]*uint32 {
	at := make(map[netip.Addr]*uint32)
	for i := range v.Nodes {
		for _, h := range v.Nodes[i].Hosts {
			if _, ok := at[h]; !ok {
				at[h] = &v.Nodes[i].ID
			}
		}
	}
	out := make(map[string]*uint32, len(ips))
	for _, ip := range ips {
		out[ip.String()] = at[ip.Unmap()]
	}
	return out
}

// nymRefresh is what a node posts to have its description read again.
type nymRefresh struct {
	Identity  string   `json:"node_identity"`
	Timestamp int64    `json:"request_timestamp"`
	Signature []uint8n `json:"signature"`
}

// verify checks the signature over identity, time and purpose (nodes.md §4.5).
func (r *nymRefresh) verify() bool {
	id, err := keys.ParseIdentityText(r.Identity)
	if err != nil {
		return false
	}
	msg := append([]byte(nil), id[:]...)
	msg = binary.BigEndian.AppendUint64(msg, uint64(r.Timestamp))
	msg = append(msg, "describe-cache-refresh-request"...)
	sig := make([]byte, len(r.Signature))
	for i, n := range r.Signature {
		sig[i] = byte(n)
	}
	return id.Verify(msg, sig)
}
