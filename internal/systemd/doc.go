// Package systemd writes the units that run our programs as services of a
// machine:
//
//	err := systemd.Unit{Description: "mix-1 of the mixnet example", Program: "mixnode",
//		Bin: "/usr/local/bin", ID: "mix-1", Folder: systemd.User + "/example"}.Write(w)
//
// There is one text for all of them, so that a network that "localnet write"
// prepares is kept in as narrow a place as one that came by packages: a user of
// its own, two folders, no capability, no device, no other process. What a
// program needs beyond that is a field of [Unit].
package systemd
