package directory

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// vectors are answers of the reference implementation (testdata/directory.json
// tells their origin).
type vectors struct {
	Nodes []struct {
		ID       uint32 `json:"id"`
		Address  string `json:"address"`
		Sphinx   string `json:"sphinx_public"`
		Identity string `json:"identity_public"`
	} `json:"nodes"`
	Answers []struct {
		Path string `json:"path"`
		Body string `json:"body"`
	} `json:"answers"`
}

func loadVectors(t testing.TB) (v vectors) {
	t.Helper()
	vectest.Read(t, "directory.json", &v)
	return v
}

func (v *vectors) body(t testing.TB, path string) []byte {
	t.Helper()
	for _, a := range v.Answers {
		if a.Path == path {
			return []byte(a.Body)
		}
	}
	t.Fatalf("no vector for %s", path)
	return nil
}

// The schedule of the vectors.
var vectorSchedule = Schedule{
	Start: time.Date(2026, 5, 15, 6, 0, 0, 0, time.UTC), First: 8760, Initial: 10, Duration: time.Hour, Validity: 24,
}

// vectorView is the network that the vectors describe.
func vectorView(t testing.TB) *View {
	t.Helper()
	vec := loadVectors(t)
	v := &View{
		Network: "vectors", Schedule: vectorSchedule, Epoch: 8760, Rotation: 364,
		Refreshed: time.Date(2026, 5, 15, 6, 27, 52, 250_000_000, time.UTC),
	}
	var semi nymList[nymSemiSkimmed]
	if err := json.Unmarshal(vec.body(t, pathSemiSkimmed+"?page=0"), &semi); err != nil {
		t.Fatal(err)
	}
	for i, n := range vec.Nodes {
		ap := netip.MustParseAddrPort(n.Address)
		d := Node{ID: n.ID, Role: topology.Role(min(i+1, 4)), Hosts: []netip.Addr{ap.Addr()}, MixPort: ap.Port()}
		for _, k := range []struct {
			to  []byte
			hex string
		}{{d.Identity[:], n.Identity}, {d.Sphinx[:], n.Sphinx}} {
			if _, err := hex.Decode(k.to, []byte(k.hex)); err != nil {
				t.Fatal(err)
			}
		}
		if noise := semi.Nodes.Data[i].Noise; noise != nil {
			var err error
			if d.Noise, err = keys.ParseNoiseText(noise.Key); err != nil {
				t.Fatal(err)
			}
		}
		if d.Role == topology.RoleGateway {
			d.Clients.WS = 9000
		}
		v.Nodes = append(v.Nodes, d)
	}
	exit := &v.Nodes[4]
	exit.Clients.WSS, exit.Clients.Hostname = 443, "gw.example.org"
	r, err := mixnet.ParseRecipientText("CQwy2PtpERbhHVze1yfj8rBMood7jfWVk3YFaNWygYQ9.GXFmmtVCC1W6L8C233rVt1ocC93tEM2wUZ5hEcZoX7wZ@8LfT15eUjtMJF5YHZ5FNKAGwWpahZb98f2MudeDkrN3X")
	if err != nil {
		t.Fatal(err)
	}
	v.Requesters = []Requester{{Identity: r.Identity, Addresses: []mixnet.Recipient{r}}}
	return v
}

func generic(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// set changes a member at every depth: for what the reference's example has and
// our directories never say.
func set(v any, name string, to any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if k == name {
				v[k] = to
			} else {
				set(e, name, to)
			}
		}
	case []any:
		for _, e := range v {
			set(e, name, to)
		}
	}
}

// vectors/README: "Compare as JSON; member order and spacing do not matter."
func TestAnswersEqualTheReferences(t *testing.T) {
	vec, v := loadVectors(t), vectorView(t)
	docs, err := v.Documents(false)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		pathMixnodes + "?page=0", pathGateways + "?page=0", pathSkimmed + "?page=0", pathSemiSkimmed + "?page=0",
		pathRewardedSet, PathRotation,
	} {
		want := generic(t, vec.body(t, path))
		set(want, "performance", "1") // ours measure nothing
		set(want, "exit_ipr", false)  // ours route no IP packets
		doc := docs[(path + "?")[:bytes.IndexByte([]byte(path+"?"), '?')]]
		if got := generic(t, doc); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", path, doc, vec.body(t, path))
		}
	}
}

// The description of the exit, as far as it is no fiction.
func TestDescribedHasTheReferencesMembers(t *testing.T) {
	vec, v := loadVectors(t), vectorView(t)
	want := generic(t, vec.body(t, pathDescribed+"?page=0")).(map[string]any)["data"].([]any)[0].(map[string]any)
	body, err := json.Marshal(v.described())
	if err != nil {
		t.Fatal(err)
	}
	items := generic(t, body).(map[string]any)["data"].([]any)
	if len(items) != 5 {
		t.Fatalf("%d nodes described, want 5", len(items))
	}
	got := items[4].(map[string]any)
	sameMembers(t, "described", got, want)
	for _, m := range []string{"network_requester", "mixnet_websockets"} {
		g, w := got["description"].(map[string]any)[m], want["description"].(map[string]any)[m]
		if !reflect.DeepEqual(g, w) {
			t.Errorf("%s: got %v, want %v", m, g, w)
		}
	}
}

func sameMembers(t *testing.T, at string, got, want map[string]any) {
	t.Helper()
	for k, w := range want {
		g, ok := got[k]
		if !ok {
			t.Errorf("%s: member %s is missing", at, k)
			continue
		}
		if w, ok := w.(map[string]any); ok {
			if g, ok := g.(map[string]any); ok {
				sameMembers(t, at+"."+k, g, w)
			}
		}
	}
}

func TestReadingTheReferencesLists(t *testing.T) {
	vec, want := loadVectors(t), vectorView(t)
	lists := nymAnswers{
		mixnodes: vec.body(t, pathMixnodes+"?page=0"), gateways: vec.body(t, pathGateways+"?page=0"),
		rewarded: vec.body(t, pathRewardedSet), rotation: vec.body(t, PathRotation), semi: vec.body(t, pathSemiSkimmed+"?page=0"),
	}
	got, err := lists.view()
	if err != nil {
		t.Fatal(err)
	}
	want.Network, want.Requesters = "", nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf(" got %+v\nwant %+v", got, want)
	}
	n, err := got.Topology()
	if err != nil {
		t.Fatal(err)
	}
	if n.RotationID() != 364 || n.Epoch() != 8760 || len(n.Gateways()) != 2 || len(n.Layer(3)) != 1 {
		t.Errorf("rotation %d, epoch %d, %d gateways", n.RotationID(), n.Epoch(), len(n.Gateways()))
	}
	// nodes.md §4.6: over TLS if there are a name and a port, else to the first IP.
	for i, url := range []string{"ws://203.0.113.21:9000", "wss://gw.example.org:443"} {
		if got := n.Gateways()[i].Clients; got != url {
			t.Errorf("clients connect to %s, want %s", got, url)
		}
	}
}

func TestReadingTheReferencesTopologyFile(t *testing.T) {
	vec := loadVectors(t)
	v, err := ParseFile(vec.body(t, "custom topology file"))
	if err != nil {
		t.Fatal(err)
	}
	if v.Rotation != 364 || v.Epoch != 170 || len(v.Nodes) != 5 || v.Nodes[0].Role != topology.RoleMix1 || v.Nodes[4].Role != topology.RoleGateway {
		t.Errorf("read %+v", v)
	}
	for i, n := range vectorView(t).Nodes {
		g := v.Nodes[i]
		if g.Identity != n.Identity || g.Sphinx != n.Sphinx || g.Addr() != n.Addr() {
			t.Errorf("node %d: %+v", n.ID, g)
		}
	}
}

// What we write for Nym's programs has the members that the reference writes.
func TestTopologyFileForNymsPrograms(t *testing.T) {
	v := vectorView(t)
	b, err := v.AppendFile(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got, want map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	vec := loadVectors(t)
	if err := json.Unmarshal(vec.body(t, "custom topology file"), &want); err != nil {
		t.Fatal(err)
	}
	sameMembers(t, "file", got, want)
	for _, extra := range []string{"network", "rotation", "publication", "requesters"} {
		if _, ok := got[extra]; ok {
			t.Errorf("member %s is not for them", extra)
		}
	}
	node := got["node_details"].(map[string]any)["5"].(map[string]any)
	if key, ok := node["identity_key"].([]any); !ok || len(key) != 32 {
		t.Errorf("identity_key is %v, want 32 numbers", node["identity_key"])
	}
	back, err := ParseFile(b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range v.Nodes { // what the file cannot say
		v.Nodes[i].Noise, v.Nodes[i].Next = keys.Noise{}, keys.Sphinx{}
	}
	v.Network, v.Schedule, v.Requesters = "", Schedule{}, nil
	if !reflect.DeepEqual(back, v) {
		t.Errorf("read back\n got %+v\nwant %+v", back, v)
	}
}

// Our own document says all there is.
func TestTopologyDocument(t *testing.T) {
	v := vectorView(t)
	v.Cadence = Cadence{time.Minute, 20 * time.Second}
	v.Nodes[0].Next = keys.NewSphinxKey().Public()
	v.Requesters[0].Policy = Hash{1}.String()
	b, err := v.AppendDocument(nil)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, v) {
		t.Errorf("read back\n got %+v\nwant %+v", back, v)
	}
}

func TestByAddressesAndRefresh(t *testing.T) {
	vec, v := loadVectors(t), vectorView(t)
	b, err := v.ByAddresses(vec.body(t, "POST "+PathByAddresses+" (request)"))
	if err != nil {
		t.Fatal(err)
	}
	if want := vec.body(t, "POST "+PathByAddresses+" (answer)"); !reflect.DeepEqual(generic(t, b), generic(t, want)) {
		t.Errorf("by addresses: got %s, want %s", b, want)
	}
	body := vec.body(t, "POST "+PathRefresh+" (request)")
	if _, err := Refresh(body); err != nil {
		t.Errorf("refresh: %v", err)
	}
	if _, err := Refresh(bytes.Replace(body, []byte("[238,"), []byte("[239,"), 1)); err == nil {
		t.Error("a refresh with a wrong signature is taken")
	}
}
