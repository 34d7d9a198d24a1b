//go:build unix

package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// nobody is a user that no test files belong to.
const nobody = 65534

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
}

func TestServiceOf(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	service, link, file := filepath.Join(dir, "service"), filepath.Join(dir, "link"), filepath.Join(dir, "file")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Mkdir(service, 0o700))
	check(os.Chown(service, nobody, nobody))
	check(os.Symlink(service, link))
	check(os.WriteFile(file, nil, 0o600))
	check(os.Chown(file, nobody, nobody))
	for path, want := range map[string]bool{
		dir:                           false, // root's
		filepath.Join(dir, "nothing"): false,
		service:                       true,
		link:                          false, // whoever made it does not decide who we are
		file:                          false,
	} {
		s, is := serviceOf(path)
		if is != want || is && (s.uid != nobody || s.gid != nobody) {
			t.Errorf("serviceOf(%s) = %v, %v; want %v", path, s, is, want)
		}
	}
}

// becomeNobody is a program that changes its user, and says who it is then.
func becomeNobody() int {
	err := service{nobody, nobody}.become()
	groups, _ := os.Getgroups()
	_, mem := os.Open("/proc/self/mem")
	fmt.Println(os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid(), groups, err, mem != nil)
	return 0
}

// A process that changed to the service has nothing of root's left, and its
// memory is still closed (H36).
func TestBecomeService(t *testing.T) {
	needRoot(t)
	out, err := exec.Command("become-nobody").CombinedOutput()
	if want := fmt.Sprintf("%[1]d %[1]d %[1]d %[1]d [%[1]d] <nil> true\n", nobody); err != nil || string(out) != want {
		t.Errorf("got %s, %v; want %s", out, err, want)
	}
}
