package dirserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/runtest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

// A testServer is a running Server, asked without a network.
type testServer struct {
	t *testing.T
	*Server
	key  *keys.IdentityKey
	peer string
}

// startServer runs a server in the bubble until the test ends.
func startServer(t *testing.T, change func(*Config)) *testServer {
	t.Helper()
	key := keys.NewIdentityKey()
	cfg := Config{
		Network: "test", Key: key, Schedule: scheduleNow(),
		Allow: func(keys.Identity, directory.Role) bool { return true },
	}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	runtest.Start(t, s.Run)
	synctest.Wait()
	return &testServer{t, s, key, "203.0.113.99:1234"}
}

// scheduleNow has rotation 25 begin now.
func scheduleNow() directory.Schedule {
	s := hourly
	s.Start = time.Now().Truncate(time.Second).UTC()
	return s
}

func (s *testServer) do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://directory"+path, strings.NewReader(body))
	r.RemoteAddr = s.peer
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func (s *testServer) get(path string, header ...string) *httptest.ResponseRecorder {
	return s.do(http.MethodGet, path, "", header...)
}

// announce makes a node's next announcement.
func (s *testServer) announce(n *testNode) *httptest.ResponseRecorder {
	s.t.Helper()
	n.said.Sequence++
	n.said.Issued = time.Now()
	body, err := n.said.Sign(n.key)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.do(http.MethodPost, directory.PathAnnounce, string(body))
}

// everybody announces three mixes and a gateway.
func (s *testServer) everybody() (nodes []*testNode) {
	s.t.Helper()
	for _, role := range []directory.Role{directory.RoleMixnode, directory.RoleMixnode, directory.RoleMixnode, directory.RoleGateway} {
		n := newTestNode(nil, role)
		if w := s.announce(n); w.Code != http.StatusOK {
			s.t.Fatalf("%s: %d %s", role, w.Code, w.Body)
		}
		nodes = append(nodes, n)
	}
	time.Sleep(2 * settlingPeriod) // until it is published
	return nodes
}

// The paths of Nym's documents.
const (
	pathMixnodes    = "/v2/unstable/nym-nodes/skimmed/mixnodes/active"
	pathGateways    = "/v2/unstable/nym-nodes/skimmed/entry-gateways"
	pathSkimmed     = "/v2/unstable/nym-nodes/skimmed"
	pathSemiSkimmed = "/v2/unstable/nym-nodes/semi-skimmed"
	pathRewardedSet = "/v1/nym-nodes/rewarded-set"
	pathDescribed   = "/v1/nym-nodes/described"
	pathOldMixnodes = "/v1/mixnodes/active"
	pathOldGateways = "/v1/gateways/described"
)

var nymPaths = []string{pathMixnodes, pathGateways, pathSkimmed, pathSemiSkimmed, pathRewardedSet, directory.PathRotation, pathDescribed}

// nodes.md §4.1: "Serve every route under both / and /api/", "A server may ignore
// output/Accept and always answer JSON", "Ignore them all and return everything
// in page 0", "Do not compress unless asked".
func TestNymsClientsAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, nil)
		s.everybody()
		for _, path := range nymPaths {
			plain := s.get(path)
			for _, variant := range []string{"/api" + path, path + "?page=0&output=bincode", path + "?no_legacy=true&per_page=1&epoch_id=3", path + "/"} {
				w := s.get(variant, "Accept", "application/bincode", "Content-Type", "application/bincode", "Accept-Encoding", "gzip, br")
				if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || !bytes.Equal(w.Body.Bytes(), plain.Body.Bytes()) {
					t.Errorf("%s: %d %s, another body than %s", variant, w.Code, w.Header().Get("Content-Type"), path)
				}
				if w.Header().Get("Content-Encoding") != "" || w.Header().Get("Content-Length") == "0" {
					t.Errorf("%s: headers %v", variant, w.Header())
				}
			}
			if !json.Valid(plain.Body.Bytes()) {
				t.Errorf("%s: no JSON", path)
			}
		}
		if w := s.get("/v1/network/details"); w.Code != http.StatusNotFound {
			t.Errorf("unknown document: %d", w.Code)
		}
		if w := s.get(pathOldMixnodes); w.Code != http.StatusNotFound {
			t.Errorf("legacy list without the switch: %d", w.Code)
		}
	})
}

// nodes.md §4.1: "send Access-Control-Allow-Origin: * and answer OPTIONS allowing any header"
func TestBrowsersAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, nil)
		w := s.do(http.MethodOptions, "/api"+pathMixnodes, "", "Origin", "https://example.org",
			"Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "content-type,if-none-match")
		h := w.Header()
		if w.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Headers") != "content-type,if-none-match" {
			t.Errorf("%d %v", w.Code, h)
		}
		w = s.get(pathMixnodes, "Origin", "https://example.org")
		if h := w.Header(); h.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(h.Get("Access-Control-Expose-Headers"), directory.SealHeader) {
			t.Errorf("%v", h)
		}
		for _, path := range []string{pathMixnodes, directory.PathTopology} {
			if w := s.do(http.MethodPost, path, "{}"); w.Code != http.StatusMethodNotAllowed {
				t.Errorf("POST %s: %d", path, w.Code)
			}
		}
		for _, path := range []string{directory.PathAnnounce, directory.PathRefresh, directory.PathByAddresses} {
			if w := s.get(path); w.Code != http.StatusMethodNotAllowed {
				t.Errorf("GET %s: %d", path, w.Code)
			}
			if w := s.do(http.MethodPost, path, strings.Repeat("x", directory.MaxAnnouncement+1)); w.Code != http.StatusBadRequest {
				t.Errorf("a long POST to %s: %d", path, w.Code)
			}
		}
		if w := s.do(http.MethodHead, pathMixnodes, ""); w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("ETag") == "" {
			t.Errorf("HEAD: %d with %d bytes", w.Code, w.Body.Len())
		}
		if w := s.get(pathMixnodes + "?" + strings.Repeat("x", maxSignedPathLen)); w.Code != http.StatusRequestURITooLong {
			t.Errorf("a long query: %d", w.Code)
		}
	})
}

// nodes.md §4.7: the lists of clients before 2025, behind a switch.
func TestLegacyLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, func(c *Config) { c.Legacy = true })
		s.everybody()
		var mixes, gateways []map[string]any
		for path, to := range map[string]*[]map[string]any{pathOldMixnodes: &mixes, pathOldGateways: &gateways} {
			if err := json.Unmarshal(s.get(path).Body.Bytes(), to); err != nil {
				t.Fatal(err)
			}
		}
		if len(mixes) != 3 || len(gateways) != 1 {
			t.Fatalf("%d mixes, %d gateways", len(mixes), len(gateways))
		}
		// "exactly these members (unknown members are rejected …)"
		want := `{"bond_information":{"bonding_height":1,"is_unbonding":false,"layer":1,"mix_id":1,"mix_node":{"host":"H","http_api_port":8000,"identity_key":"I","mix_port":1789,"sphinx_key":"S","verloc_port":1790,"version":"1.1.99"},"original_pledge":{"amount":"100","denom":"unym"},"owner":"none","proxy":null},"pending_changes":{"pledge_change":null},"rewarding_details":{"cost_params":{"interval_operating_cost":{"amount":"40","denom":"unym"},"profit_margin_percent":"0.1"},"delegates":"0","last_rewarded_epoch":0,"operator":"100","total_unit_reward":"0","unique_delegations":0,"unit_delegation":"1000000000"}}`
		node := mixes[0]["bond_information"].(map[string]any)["mix_node"].(map[string]any)
		node["host"], node["identity_key"], node["sphinx_key"] = "H", "I", "S"
		if got, _ := json.Marshal(mixes[0]); string(got) != want {
			t.Errorf(" got %s\nwant %s", got, want)
		}
		want = `{"bond":{"block_height":1,"gateway":{"clients_port":9000,"host":"H","identity_key":"I","location":"none","mix_port":1789,"sphinx_key":"S","version":"1.1.99"},"owner":"none","pledge_amount":{"amount":"100","denom":"unym"},"proxy":null},"self_described":null}`
		node = gateways[0]["bond"].(map[string]any)["gateway"].(map[string]any)
		node["host"], node["identity_key"], node["sphinx_key"] = "H", "I", "S"
		if got, _ := json.Marshal(gateways[0]); string(got) != want {
			t.Errorf(" got %s\nwant %s", got, want)
		}
	})
}

// hardening.md H25: "No answer differs by client: no cookies, ETag = SHA-256 of
// the body, and the client sends the hash it computed itself."
func TestH25AnswersDoNotDependOnWhoAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, nil)
		s.everybody()
		for _, path := range append(nymPaths, directory.PathTopology, directory.PathHead) {
			first := s.get(path, "Cookie", "a=b", "User-Agent", "one")
			s.peer = "198.51.100.7:4321"
			second := s.get(path, "User-Agent", "two", "Origin", "https://example.org", "X-Forwarded-For", "192.0.2.1")
			if !bytes.Equal(first.Body.Bytes(), second.Body.Bytes()) {
				t.Errorf("%s: two bodies", path)
			}
			for name, v := range first.Header() {
				if strings.Join(second.Header()[name], "|") != strings.Join(v, "|") {
					t.Errorf("%s: two values of %s", path, name)
				}
			}
			if len(first.Result().Cookies()) != 0 || len(first.Header()) != len(second.Header()) {
				t.Errorf("%s: headers %v and %v", path, first.Header(), second.Header())
			}
			etag := newDocument(first.Body.Bytes()).hash.ETag()
			if first.Header().Get("ETag") != etag {
				t.Errorf("%s: ETag %s, want %s", path, first.Header().Get("ETag"), etag)
			}
			third := s.get(path, "If-None-Match", etag)
			if third.Code != http.StatusNotModified || third.Body.Len() != 0 || third.Header().Get(directory.SealHeader) == "" {
				t.Errorf("%s: asked with the hash: %d, %d bytes", path, third.Code, third.Body.Len())
			}
			if again := s.get(path, "If-None-Match", `"0"`); again.Code != http.StatusOK {
				t.Errorf("%s: asked with another hash: %d", path, again.Code)
			}
		}
	})
}

// hardening.md H24: "take all lists of a start from one snapshot"; nodes.md §4.11:
// "all documents of one snapshot carry the same".
func TestH24EveryDocumentIsSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, nil)
		s.everybody()
		time.Sleep(3*DefaultPeriod + time.Second)
		sequence := s.Stats().Sequence
		if sequence < 4 {
			t.Fatalf("sequence %d after three periods", sequence)
		}
		for _, path := range append(nymPaths, directory.PathTopology, directory.PathHead) {
			for _, uri := range []string{path, "/api" + path + "?page=0&output=bincode"} {
				w := s.get(uri)
				seal, err := directory.ParseSeal(w.Header().Get(directory.SealHeader))
				if err != nil {
					t.Fatalf("%s: %v", uri, err)
				}
				if !seal.Verify(s.key.Public(), uri, newDocument(w.Body.Bytes()).hash) {
					t.Errorf("%s: the seal does not verify", uri)
				}
				if seal.Sequence != sequence || seal.Epoch != 100 {
					t.Errorf("%s: sequence %d, epoch %d, want %d, 100", uri, seal.Sequence, seal.Epoch, sequence)
				}
			}
		}
		var head directory.Head
		if err := json.Unmarshal(s.get(directory.PathHead).Body.Bytes(), &head); err != nil {
			t.Fatal(err)
		}
		if !head.Verify(s.key.Public()) || head.Sequence != sequence || head.Topology != newDocument(s.get(directory.PathTopology).Body.Bytes()).hash {
			t.Errorf("head %+v", head)
		}
	})
}

// nodes.md §4.3: "Serve all three answers from one snapshot and change epochs
// atomically."; §4.4: "Always publish them equal."
func TestEpochsChangeAtOnceEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, func(c *Config) {
			c.Schedule.Duration = 90 * time.Second
			c.ReadRate = 1000
		})
		for tick := range 400 { // 100 s in steps across periods and epochs
			type list struct {
				Metadata struct {
					Epoch    uint32 `json:"absolute_epoch_id"`
					Rotation uint32 `json:"rotation_id"`
				} `json:"metadata"`
			}
			var mixes, gateways list
			var set struct {
				Epoch uint32 `json:"epoch_id"`
			}
			var info struct {
				Epoch    uint32 `json:"current_absolute_epoch_id"`
				Progress struct {
					Rotation uint32 `json:"current_key_rotation_id"`
				} `json:"progress"`
			}
			for path, to := range map[string]any{pathMixnodes: &mixes, pathGateways: &gateways, pathRewardedSet: &set, directory.PathRotation: &info} {
				if err := json.Unmarshal(s.get(path).Body.Bytes(), to); err != nil {
					t.Fatal(err)
				}
			}
			epoch := s.cfg.Schedule.Epoch(time.Now())
			if mixes.Metadata != gateways.Metadata || mixes.Metadata.Epoch != epoch || set.Epoch != epoch || info.Epoch != epoch {
				t.Fatalf("tick %d: epochs %d, %d, %d, %d, want %d", tick, mixes.Metadata.Epoch, gateways.Metadata.Epoch, set.Epoch, info.Epoch, epoch)
			}
			if rotation := s.cfg.Schedule.Rotation(epoch); mixes.Metadata.Rotation != rotation || info.Progress.Rotation != rotation {
				t.Fatalf("tick %d: rotations %d, %d, want %d", tick, mixes.Metadata.Rotation, info.Progress.Rotation, rotation)
			}
			time.Sleep(250 * time.Millisecond)
		}
		if s.Stats().Sequence < 3 {
			t.Errorf("sequence %d", s.Stats().Sequence)
		}
	})
}

func TestTheNextTopologyIsThereAheadOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, nil)
		boundary := time.Now().Truncate(settlingPeriod).Add(settlingPeriod)
		s.announce(newTestNode(nil, directory.RoleMixnode)) // there is something new to say
		if w := s.get(directory.PathNext); w.Code != http.StatusNotFound {
			t.Errorf("before it is issued: %d", w.Code)
		}
		time.Sleep(time.Until(boundary) - settlingPeriod/4)
		w := s.get(directory.PathNext)
		seal, err := directory.ParseSeal(w.Header().Get(directory.SealHeader))
		if err != nil || w.Code != http.StatusOK {
			t.Fatalf("%d, %v", w.Code, err)
		}
		if !seal.ValidAfter.Equal(boundary) || !seal.Verify(s.key.Public(), directory.PathNext, newDocument(w.Body.Bytes()).hash) {
			t.Errorf("in force at %v, want %v", seal.ValidAfter, boundary)
		}
		if now, _ := directory.ParseSeal(s.get(directory.PathTopology).Header().Get(directory.SealHeader)); now.Sequence != seal.Sequence-1 {
			t.Errorf("sequence %d is in force, the next is %d", now.Sequence, seal.Sequence)
		}
		time.Sleep(time.Until(boundary))
		if now, _ := directory.ParseSeal(s.get(directory.PathTopology).Header().Get(directory.SealHeader)); now.Sequence != seal.Sequence {
			t.Errorf("sequence %d is in force, want %d", now.Sequence, seal.Sequence)
		}
	})
}

func TestAnnouncementsAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, nil)
		n := newTestNode(nil, directory.RoleMixnode)
		w := s.announce(n)
		var lease struct {
			Seconds float64        `json:"lease_seconds"`
			Layer   int            `json:"layer"`
			Head    directory.Head `json:"head"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &lease); err != nil {
			t.Fatal(err)
		}
		if lease.Seconds != 60 || lease.Layer != 1 || lease.Head.Sequence == 0 || !lease.Head.Verify(s.key.Public()) {
			t.Errorf("answered %s", w.Body)
		}
		n.said.Sequence--
		for name, c := range map[string]struct {
			w      *httptest.ResponseRecorder
			status int
			code   string
		}{
			"sequence":  {s.announce(n), http.StatusConflict, directory.CodeSequence},
			"malformed": {s.do(http.MethodPost, directory.PathAnnounce, "{}"), http.StatusBadRequest, directory.CodeMalformed},
		} {
			var refused directory.Refusal
			if err := json.Unmarshal(c.w.Body.Bytes(), &refused); err != nil {
				t.Fatal(err)
			}
			if c.w.Code != c.status || refused.Code != c.code || refused.Message == "" {
				t.Errorf("%s: %d %s", name, c.w.Code, c.w.Body)
			}
		}
		if st := s.Stats(); st.Accepted != 1 || st.Refused != 2 {
			t.Errorf("stats %+v", st)
		}
	})
}

// nodes.md §4.11: "a host that does not answer on mix_port with the announced
// Noise key → 4xx"
func TestUnreachableNodesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := false
		var asked []mixnet.NodeAddr
		s := startServer(t, func(c *Config) {
			c.Probe = func(ctx context.Context, a mixnet.NodeAddr, _ keys.Noise) error {
				asked = append(asked, a)
				if !up {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			}
		})
		n := newTestNode(nil, directory.RoleMixnode)
		if w := s.announce(n); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), directory.CodeUnreachable) {
			t.Errorf("nobody there: %d %s", w.Code, w.Body)
		}
		up = true
		for range 2 {
			if w := s.announce(n); w.Code != http.StatusOK {
				t.Errorf("there: %d %s", w.Code, w.Body)
			}
		}
		if len(asked) != 2 || asked[0] != addrOf(&n.said) {
			t.Errorf("asked %v", asked)
		}
	})
}

// hardening.md H23: "limits per IPv4 /32 and IPv6 /56"
func TestH23Rates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, func(c *Config) { c.ReadRate, c.AnnounceRate = 10, 1 })
		burst := func(peer string, ask func() int) (passed int) {
			s.peer = peer
			for range 100 {
				if ask() != http.StatusTooManyRequests {
					passed++
				}
			}
			return passed
		}
		read := func() int { return s.get(directory.PathHead).Code }
		write := func() int { return s.do(http.MethodPost, directory.PathAnnounce, "{}").Code }
		for _, c := range []struct {
			name, peer string
			ask        func() int
			want       int
		}{
			{"one IPv4 address", "192.0.2.1:1", read, 31},
			{"it again", "192.0.2.1:2", read, 0},
			{"its neighbour", "192.0.2.2:1", read, 31},
			{"an IPv6 address", "[2001:db8:0:ab00::1]:1", read, 31},
			{"another of its /56", "[2001:db8:0:abff::2]:1", read, 0},
			{"one of another /56", "[2001:db8:0:ac00::2]:1", read, 31},
			{"announcements", "192.0.2.1:1", write, 11},
		} {
			if got := burst(c.peer, c.ask); got != c.want {
				t.Errorf("%s: %d requests passed, want %d", c.name, got, c.want)
			}
		}
		time.Sleep(time.Second)
		if got := burst("192.0.2.1:1", read); got != 10 {
			t.Errorf("a second later: %d passed, want 10", got)
		}
		if st := s.Stats(); st.Limited == 0 {
			t.Error("nothing is counted")
		}
	})
}

func TestRatesBehindAProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, func(c *Config) {
			c.ReadRate = 1
			c.Peer = func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.Header.Get("X-Real-IP")) }
		})
		for _, ip := range []string{"192.0.2.1", "192.0.2.2"} {
			for i := range 5 {
				if w := s.get(directory.PathHead, "X-Real-IP", ip); (w.Code == http.StatusOK) != (i < 4) {
					t.Errorf("request %d of %s: %d", i, ip, w.Code)
				}
			}
		}
	})
}

// hardening.md H23: whoever asks too much holds no connection besides.
func TestH23LimitedConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startServer(t, func(c *Config) { c.ReadRate = 1 })
		for range 10 {
			w := s.get(directory.PathHead)
			if got, want := w.Header().Get("Connection") == "close", w.Code == http.StatusTooManyRequests; got != want {
				t.Errorf("status %d: closed %v", w.Code, got)
			}
		}
	})
}

// A brokenStore fails when told to.
type brokenStore struct {
	*MemoryStore
	broken atomic.Bool
}

var errBroken = errors.New("disk full")

func (s *brokenStore) PutRecord(ctx context.Context, r Record) error {
	if s.broken.Load() {
		return errBroken
	}
	return s.MemoryStore.PutRecord(ctx, r)
}

func (s *brokenStore) PutHead(ctx context.Context, before, h directory.Head, e Entry) error {
	if s.broken.Load() {
		return errBroken
	}
	return s.MemoryStore.PutHead(ctx, before, h, e)
}

// What cannot be stored is neither accepted nor published, and heals.
func TestBrokenStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &brokenStore{MemoryStore: NewMemoryStore()}
		s := startServer(t, func(c *Config) { c.Store = store })
		n := newTestNode(nil, directory.RoleMixnode)
		before := s.Stats().Sequence
		synctest.Wait()
		store.broken.Store(true)
		if w := s.announce(n); w.Code != http.StatusServiceUnavailable {
			t.Errorf("announcement: %d", w.Code)
		}
		time.Sleep(5 * time.Minute)
		if got := s.Stats().Sequence; got != before {
			t.Errorf("sequence %d was published and not stored", got)
		}
		synctest.Wait()
		store.broken.Store(false)
		time.Sleep(2 * time.Minute)
		if got := s.Stats().Sequence; got <= before {
			t.Error("nothing is published after the store has healed")
		}
		if w := s.announce(n); w.Code != http.StatusOK {
			t.Errorf("announcement: %d", w.Code)
		}
	})
}

func TestConfigRefused(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"no key":         func(c *Config) { c.Key = nil },
		"network":        func(c *Config) { c.Network = "A B" },
		"period":         func(c *Config) { c.Period = time.Millisecond },
		"lead":           func(c *Config) { c.Lead = c.Period + time.Minute },
		"lease":          func(c *Config) { c.Lease = time.Millisecond },
		"valid for":      func(c *Config) { c.ValidFor = time.Second },
		"schedule":       func(c *Config) { c.Schedule.Duration = 1 },
		"rate":           func(c *Config) { c.ReadRate = -1 },
		"fixed number":   func(c *Config) { c.Fixed = []directory.Node{{}} },
		"fixed no hosts": func(c *Config) { c.Fixed = []directory.Node{{ID: 1, Role: 1, MixPort: 1}} },
	} {
		c := Config{Network: "test", Key: keys.NewIdentityKey(), Schedule: hourly}
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	s, err := New(Config{Network: "test", Key: keys.NewIdentityKey()})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, directory.PathHead, nil))
	if w.Code != http.StatusServiceUnavailable || s.View() != nil {
		t.Errorf("before Run: %d", w.Code)
	}
}
