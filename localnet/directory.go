package localnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"time"

	"nym-socks5/internal/admit"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// epochs is a schedule whose first rotation lasts a year, since the keys of
// such a network do not rotate.
const epochs = 8760

// directory makes the HTTP directory that lists the network for others.
func (n *Network) newDirectory() (*dirserver.Server, error) {
	var fixed []directory.Node
	for _, nd := range n.nodes {
		e := nd.entry()
		d := directory.Node{
			ID: e.ID, Role: e.Role, Identity: e.Identity, Sphinx: e.Sphinx, Noise: e.Noise,
			Hosts: []netip.Addr{nd.mixAddr.Addr()}, MixPort: nd.mixAddr.Port(),
		}
		if nd.role == topology.RoleGateway {
			d.Clients.WS = nd.wsAddr.Port()
		}
		fixed = append(fixed, d)
	}
	return dirserver.New(dirserver.Config{
		Network: "localnet",
		Key:     keys.NewIdentityKey(),
		Fixed:   fixed,
		Legacy:  n.spec.AllowLegacy,
		Schedule: directory.Schedule{
			Start: time.Now().Truncate(time.Hour), First: rotation * epochs, Duration: time.Hour, Validity: epochs,
		},
		Log: n.spec.Log,
	})
}

// directoryConns is how many connections the directory of a network in one process
// has at a time.
const directoryConns = 1024

// serveDirectory answers on ln until ctx ends.
func (n *Network) serveDirectory(ctx context.Context, dir *dirserver.Server, ln net.Listener) error {
	defer ln.Close()
	inner, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- dir.Run(inner) }()
	srv := &http.Server{
		Handler:           dir,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	err := srv.Serve(admit.Listen(ln, admit.New(admit.Limits{Places: directoryConns, PlacesPerPrefix: directoryConns / 8})))
	stop()
	err = errors.Join(err, <-ended)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("localnet: directory: %w", err)
}

// DirectoryURL is where the network is listed for clients of Nym and others:
// what they are given as their API's address. It is empty without Spec.Directory.
// Call it after Ready.
func (n *Network) DirectoryURL() string {
	if n.directoryAddr == nil {
		return ""
	}
	return "http://" + n.directoryAddr.String() + "/api/"
}
