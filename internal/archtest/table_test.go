package archtest

// table says which of our packages each of them may import: "a: b c" means that
// a may import b and c, and nothing else of ours. "anything but b" is all of
// ours save b and what is below it.
const table = `
mixnet/keys:       internal/base58 internal/x25519
mixnet:            mixnet/keys internal/base58
mixnet/sphinx:     mixnet mixnet/keys internal/vec8
mixnet/surb:       mixnet mixnet/keys mixnet/sphinx mixnet/fragment
mixnet/fragment:
mixnet/message:    mixnet mixnet/keys mixnet/sphinx mixnet/surb mixnet/fragment internal/vec8
mixnet/wire:       mixnet mixnet/sphinx
mixnet/topology:   mixnet mixnet/keys mixnet/sphinx
mixnet/link:       mixnet mixnet/keys mixnet/wire internal/admit
mixnet/session/protocol: mixnet mixnet/keys mixnet/wire internal/gcmsiv internal/base58
mixnet/session:    mixnet mixnet/keys mixnet/wire mixnet/session/protocol
mixnet/session/sessionserver: mixnet mixnet/keys mixnet/wire mixnet/session mixnet/session/protocol internal/admit
mixnet/directory:  mixnet mixnet/keys mixnet/topology internal/base58
mixnet/directory/announce: mixnet/keys mixnet/directory
mixnet/directory/dirhttp: mixnet/directory
mixnet/directory/dirserver: mixnet mixnet/keys mixnet/topology mixnet/directory internal/admit
mixnet/mixnode:    mixnet mixnet/keys mixnet/sphinx mixnet/wire mixnet/topology mixnet/link
mixnet/gateway:    mixnet mixnet/keys mixnet/sphinx mixnet/surb mixnet/wire mixnet/session/sessionserver mixnet/mixnode internal/admit
mixnet/client:     mixnet mixnet/keys mixnet/sphinx mixnet/surb mixnet/fragment mixnet/message mixnet/wire mixnet/topology mixnet/session mixnet/session/protocol
mixnet/wsapi:      mixnet internal/admit
mixnet/spool:      mixnet internal/wholefile
mixnet/wsapi/wsclient:
mixnet/boltstore:  mixnet mixnet/keys mixnet/gateway mixnet/session/sessionserver mixnet/client mixnet/directory mixnet/directory/dirserver mixnet/mixnode internal/broadcast internal/broadcast/service
mixnet/mixnettest: mixnet mixnet/keys
mixnet/messengertest: mixnet mixnet/keys
mixnet/storetest:  mixnet mixnet/keys mixnet/gateway mixnet/session/sessionserver mixnet/client mixnet/directory mixnet/directory/dirserver mixnet/mixnode internal/broadcast internal/broadcast/service
proxy/protocol:    mixnet
proxy:             mixnet proxy/protocol
proxy/socks:       proxy internal/admit
proxy/requester:   proxy proxy/protocol
allowlist:
endpoint:          mixnet mixnet/keys mixnet/topology mixnet/session mixnet/client mixnet/directory proxy internal/wholefile internal/base58
endpoint/storetest: endpoint
localnet:          anything but cmd config mixnet/boltstore
localnet/trace:    mixnet mixnet/keys mixnet/sphinx mixnet/surb mixnet/topology mixnet/wire
config:            mixnet
internal/archtest:
internal/admit:
internal/vec8:     internal/x25519
internal/vec8/gen:
internal/vectest:
internal/routetest: mixnet mixnet/keys mixnet/sphinx
internal/linktest: mixnet/keys mixnet/wire mixnet/link internal/runtest
internal/sessiontest: mixnet mixnet/keys mixnet/wire mixnet/session/protocol
internal/runtest:
internal/gcmsiv:
internal/base58:
internal/x25519:
internal/wholefile:
internal/web:      config
internal/node:     endpoint mixnet/boltstore mixnet/directory/announce mixnet/keys mixnet/mixnode internal/base58
internal/simnet:
internal/ops:
internal/socksclient:
internal/cli:      config mixnet mixnet/keys internal/ops internal/wholefile
internal/clitest:
internal/mutants:
internal/mutants/run: internal/mutants
internal/fleet:    config localnet mixnet/keys internal/systemd internal/admit
internal/systemd:
internal/release:  internal/systemd
internal/release/run: internal/release
internal/bench:    anything but cmd
internal/bench/run: internal/bench
internal/broadcast:
internal/broadcast/chain: internal/broadcast internal/wholefile
internal/broadcast/service: mixnet internal/broadcast internal/broadcast/chain
cmd/*:             anything
examples/*:        anything but cmd
examples/chat/*:   anything but cmd
sdk/strip:
sdk/test/world:    anything but cmd
`

// Below the connections there is no network, no file, no log, no clock and no
// goroutine.
var lowerFloors = []string{
	"mixnet", "mixnet/keys",
	"mixnet/sphinx", "mixnet/surb", "mixnet/fragment", "mixnet/message", "mixnet/wire", "mixnet/topology", "mixnet/session/protocol", "proxy/protocol",
}

// forbiddenBelow is what the lower floors never import. Entries ending in a
// slash stand for all packages below them.
var (
	forbiddenBelow = []string{"net", "net/", "os", "os/", "github.com/rs/zerolog", "github.com/rs/zerolog/"}
	allowedBelow   = []string{"net/netip"}
)

// lean are packages that a browser loads, and that leave HTTP and TLS to it.
var (
	lean      = []string{"mixnet/directory"}
	notInLean = []string{"net/http", "crypto/tls"}
)

// clock are the functions of package time that read or wait for the clock.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}

// outside says where code that is not ours belongs: what begins so is imported
// by these packages only.
var outside = []struct {
	path string
	home []string
}{
	{"github.com/urfave/cli", []string{"cmd/*", "internal/cli"}},
	{"github.com/BurntSushi/toml", []string{"config"}},
	{"github.com/armon/go-socks5", []string{"proxy/socks"}},
	{"github.com/flynn/noise", []string{"mixnet/link"}},
	{"github.com/coder/websocket", []string{"mixnet/session", "mixnet/session/sessionserver", "mixnet/wsapi", "mixnet/wsapi/wsclient"}},
	{"go.etcd.io/bbolt", []string{"mixnet/boltstore", "examples/*"}},
	{"syscall/js", []string{"cmd/nym-wasm", "mixnet/session"}},
	{"testing", []string{"mixnet/mixnettest", "mixnet/messengertest", "mixnet/storetest", "endpoint/storetest", "internal/clitest", "internal/vectest", "internal/routetest", "internal/linktest", "internal/sessiontest", "internal/runtest"}},
}
