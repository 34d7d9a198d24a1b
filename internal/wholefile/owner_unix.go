//go:build unix

package wholefile

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// ids gives the numbers of the user and group that a file belongs to.
func ids(info fs.FileInfo) (uid, gid int, ok bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(s.Uid), int(s.Gid), true
}

// foreign tells whose a file is that is neither ours nor, for root, that of the
// owner of its folder.
func foreign(info, folder fs.FileInfo) (who string, is bool) {
	uid, _, ok := ids(info)
	if !ok || uid == os.Geteuid() {
		return "", false
	}
	if above, _, ok := ids(folder); ok && above == uid && os.Geteuid() == 0 {
		return "", false
	}
	return ownerOf(info), true
}

// ownerOf names the user that a file belongs to.
func ownerOf(info fs.FileInfo) string {
	uid, _, _ := ids(info)
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", uid)
}

// HandOver gives a new file to the owner of its folder, if root made it there.
func HandOver(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	folder, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	uid, gid, ok := ids(folder)
	if !ok || uid == 0 {
		return nil
	}
	return f.Chown(uid, gid)
}
