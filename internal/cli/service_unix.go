//go:build unix

package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// A service is the user that a program runs as where packages installed it.
type service struct{ uid, gid int }

// serviceOf gives the user that the folder of all state belongs to, unless that
// is root or there is no such folder.
func serviceOf(folder string) (s service, is bool) {
	info, err := os.Lstat(folder)
	if err != nil || !info.IsDir() {
		return s, false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return s, false
	}
	return service{int(owner.Uid), int(owner.Gid)}, true
}

// become turns this process, which is root's, into the service's for good.
func (s service) become() error {
	if err := errors.Join(syscall.Setgroups([]int{s.gid}), syscall.Setgid(s.gid)); err != nil {
		return err
	}
	if err := syscall.Setuid(s.uid); err != nil {
		return err
	}
	return NoCoreDumps() // a change of user may undo it
}

// asService has a command of root that is about a service's profile do what the
// service would do, as its user and in its folders: what it makes is the
// service's then, folders and databases too, and what it can read the service
// can read.
func (p Program[C]) asService() error {
	if os.Geteuid() != 0 || systemd("CONFIGURATION_DIRECTORY") != "" || systemd("STATE_DIRECTORY") != "" {
		return nil
	}
	s, is := serviceOf(stateOfRoot)
	if !is {
		return nil
	}
	if err := s.become(); err != nil {
		return fmt.Errorf("become the user of %s: %w", stateOfRoot, err)
	}
	return errors.Join(
		os.Setenv("CONFIGURATION_DIRECTORY", filepath.Join(configOfRoot, p.Name)),
		os.Setenv("STATE_DIRECTORY", filepath.Join(stateOfRoot, p.Name)),
	)
}
