package directory

import (
	"encoding/json"
	"errors"
	"fmt"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// errMixed reports lists of two different moments.
var errMixed = errors.New("directory: the lists are not of one moment")

// nymAnswers are the documents that a View is read from where there is no
// topology document of ours.
type nymAnswers struct {
	mixnodes, gateways, rewarded []byte
	rotation                     []byte // nil: not served
	semi                         []byte // nil: Noise keys are not wanted
}

// view reads them. Nodes that make no sense are left out, and those below half
// the performance. All lists must be of one moment (nodes.md §4.3, §4.4).
func (a *nymAnswers) view() (*View, error) {
	var set nymRewardedSet
	if err := decode(a.rewarded, &set); err != nil {
		return nil, err
	}
	var mixes, gateways nymList[json.RawMessage]
	if err := decode(a.mixnodes, &mixes); err != nil {
		return nil, err
	}
	if err := decode(a.gateways, &gateways); err != nil {
		return nil, err
	}
	m := mixes.Metadata
	if !m.sameMoment(gateways.Metadata) || m.Epoch != set.Epoch {
		return nil, errMixed
	}
	v := &View{Epoch: m.Epoch, Rotation: m.Rotation, Refreshed: parseNymTime(m.Refreshed)}
	if a.rotation != nil {
		var info nymRotationInfo
		if err := decode(a.rotation, &info); err != nil {
			return nil, err
		}
		var err error
		if v.Schedule, err = info.schedule(); err != nil {
			return nil, err
		}
	}
	roles := set.roles()
	if err := v.add(mixes.Nodes.Data, func(id uint32) topology.Role {
		if r := roles[id]; r.IsMix() {
			return r
		}
		return topology.RoleNone
	}); err != nil {
		return nil, err
	}
	// Any gateway may be a recipient's, whatever its role in this epoch.
	if err := v.add(gateways.Nodes.Data, func(uint32) topology.Role { return topology.RoleGateway }); err != nil {
		return nil, err
	}
	if a.semi != nil {
		if err := v.addNoise(a.semi, m); err != nil {
			return nil, err
		}
	}
	v.Sort()
	return v, nil
}

func (m nymMetadata) sameMoment(o nymMetadata) bool {
	return m.Epoch == o.Epoch && m.Rotation == o.Rotation
}

func (v *View) add(items []json.RawMessage, role func(id uint32) topology.Role) error {
	if len(v.Nodes)+len(items) > maxNodes {
		return fmt.Errorf("%w: %d nodes", ErrMalformed, len(items))
	}
	for _, raw := range items {
		var s nymSkimmed
		if json.Unmarshal(raw, &s) != nil || s.Performance < performanceLow {
			continue
		}
		r := role(s.ID)
		if r == topology.RoleNone {
			continue
		}
		if n, err := s.node(r); err == nil {
			v.Nodes = append(v.Nodes, n)
		}
	}
	return nil
}

// addNoise adds the Noise keys of the semi-skimmed list.
func (v *View) addNoise(b []byte, m nymMetadata) error {
	var list nymList[json.RawMessage]
	if err := decode(b, &list); err != nil {
		return err
	}
	if !m.sameMoment(list.Metadata) {
		return errMixed
	}
	noise := make(map[uint32]keys.Noise)
	for _, raw := range list.Nodes.Data {
		var s nymSemiSkimmed
		if json.Unmarshal(raw, &s) != nil || s.Noise == nil || s.Noise.Version != 1 {
			continue
		}
		if k, err := keys.ParseNoiseText(s.Noise.Key); err == nil {
			noise[s.Basic.ID] = k
		}
	}
	for i := range v.Nodes {
		v.Nodes[i].Noise = noise[v.Nodes[i].ID]
	}
	return nil
}
