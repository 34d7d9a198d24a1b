//go:build !unix

package wholefile

import (
	"io/fs"
	"os"
)

// Elsewhere files have no owner of this kind.

func foreign(_, _ fs.FileInfo) (who string, is bool) { return "", false }
func ownerOf(fs.FileInfo) string                     { return "you" }

// HandOver gives a new file to the owner of its folder, if root made it there.
func HandOver(*os.File) error { return nil }
