//go:build unix

package wholefile

import "io/fs"

func ownership(info fs.FileInfo) []int {
	uid, gid, _ := ids(info)
	return []int{uid, gid}
}
