package systemd

import (
	"embed"
	"io"
	"text/template"
)

// User is the system user, and group, that all services run as.
const User = "nym-socks5"

// A Unit is one service, or, where its ID is [Instance], one template of them.
type Unit struct {
	Description string // one line
	Program     string // such as "mixnode"
	Bin         string // folder of the program
	ID          string // instance that it runs
	// Folder is where its settings and state are, below /etc and /var/lib.
	Folder string
	// Environment is a file of variables that need not exist. If empty, there is none.
	Environment string
	// LowPorts lets it listen on ports below 1024. The capability for that counts
	// only outside of a user namespace, which the unit then goes without.
	LowPorts bool
}

// Instance is the ID of a template: what follows the @ in the name of a unit.
const Instance = "%i"

//go:embed unit.tmpl
var files embed.FS

var unit = template.Must(template.ParseFS(files, "unit.tmpl"))

// Write writes the file of a unit.
func (u Unit) Write(w io.Writer) error { return unit.Execute(w, u) }

// LowPorts is a drop-in that does to a unit what [Unit.LowPorts] does.
const LowPorts = `# Lets a service listen on ports below 1024, such as 443. A link to this file in
# /etc/systemd/system/UNIT.d/ is enough. The capability for that counts only
# outside of a user namespace.
[Service]
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE
PrivateUsers=no
`
