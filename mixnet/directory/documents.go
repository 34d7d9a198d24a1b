package directory

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"nym-socks5/mixnet/topology"
)

// The paths of what a directory serves (nodes.md §4.2, §4.11).
const (
	PathTopology    = "/v1/topology"
	PathNext        = "/v1/topology/next" // the topology that comes into force next
	PathHead        = "/v1/head"
	PathHeads       = "/v1/heads" // a piece of the history: PathHistory
	PathAnnounce    = "/v1/announce"
	PathRotation    = "/v1/epoch/key-rotation-info"
	PathRefresh     = "/v1/nym-nodes/refresh-described"
	PathByAddresses = "/v1/unstable/nym-nodes/by-addresses"

	pathMixnodes    = "/v2/unstable/nym-nodes/skimmed/mixnodes/active"
	pathGateways    = "/v2/unstable/nym-nodes/skimmed/entry-gateways"
	pathSkimmed     = "/v2/unstable/nym-nodes/skimmed"
	pathSemiSkimmed = "/v2/unstable/nym-nodes/semi-skimmed"
	pathRewardedSet = "/v1/nym-nodes/rewarded-set"
	pathDescribed   = "/v1/nym-nodes/described"
	pathOldMixnodes = "/v1/mixnodes/active"
	pathOldGateways = "/v1/gateways/described"
)

// Documents gives the bodies of all documents that a directory serves of a
// view, by path: ours, Nym's, and with legacy those of clients before 2025
// (nodes.md §4.7). All are made of the one view, so none contradicts another.
func (v *View) Documents(legacy bool) (map[string][]byte, error) {
	values := map[string]any{
		pathMixnodes:    v.skimmedList(topology.Role.IsMix),
		pathGateways:    v.skimmedList(func(r topology.Role) bool { return r == topology.RoleGateway }),
		pathSkimmed:     v.skimmedList(func(topology.Role) bool { return true }),
		pathSemiSkimmed: v.semiSkimmedList(),
		pathRewardedSet: v.rewardedSet(),
		PathRotation:    v.rotationInfo(),
		pathDescribed:   v.described(),
	}
	if legacy {
		values[pathOldMixnodes] = v.oldMixnodes()
		values[pathOldGateways] = v.oldGateways()
	}
	bodies := make(map[string][]byte, len(values)+1)
	for path, value := range values {
		body, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("directory: %s: %w", path, err)
		}
		bodies[path] = body
	}
	body, err := v.AppendDocument(nil)
	if err != nil {
		return nil, fmt.Errorf("directory: %s: %w", PathTopology, err)
	}
	bodies[PathTopology] = body
	return bodies, nil
}

// ByAddresses answers the body of a request that asks which node is at each
// address (nodes.md §4.5).
func (v *View) ByAddresses(body []byte) ([]byte, error) {
	var asked struct {
		Addresses []netip.Addr `json:"addresses"`
	}
	if err := decode(body, &asked); err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Existence map[string]*uint32 `json:"existence"`
	}{v.byAddresses(asked.Addresses)})
}

// Refresh answers the body of a request by which a node of Nym's asks for its
// description to be read again (nodes.md §4.5). There is nothing to be done,
// since descriptions come with announcements, but only the node may ask.
func Refresh(body []byte) ([]byte, error) {
	var r nymRefresh
	if err := decode(body, &r); err != nil {
		return nil, err
	}
	if !r.verify() {
		return nil, fmt.Errorf("%w: refresh not signed by its node", ErrMalformed)
	}
	return []byte("null"), nil
}
