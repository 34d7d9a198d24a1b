package boltstore

import (
	"encoding/hex"
	"os"
	"strings"
	"syscall"
)

// currentBoot reads what the kernel drew when it started.
func currentBoot() (id bootID) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return bootID{}
	}
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(text)), "-", ""))
	if err != nil || len(b) != len(id) {
		return bootID{}
	}
	return bootID(b)
}

// kernelFileSystems are those whose files the kernel of this machine keeps (see
// statfs(2)). Those of networks and of FUSE are not, and neither is what is not
// known.
var kernelFileSystems = map[int64]bool{
	0xef53:     true, // ext2, ext3, ext4
	0x58465342: true, // XFS
	0x9123683e: true, // Btrfs
	0xf2f52010: true, // F2FS
	0x2fc12fc1: true, // ZFS
	0xca451a4e: true, // bcachefs
	0x794c7630: true, // overlayfs, as containers have it
	0x01021994: true, // tmpfs: gone after a boot, and so are its logs
}

func keptByKernel(dir string) bool {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return false
	}
	return kernelFileSystems[int64(s.Type)&0xffffffff]
}
