//go:build faults && linux

package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A disk is a small file system, mounted where a part keeps its state.
type disk struct{ at string }

// newDisk mounts one of so many KiB over the state of a part, with the same
// files. That takes root's rights.
func newDisk(t *testing.T, n *Network, part string, kib int) *disk {
	t.Helper()
	d := &disk{n.folder.state(part)}
	files := make(map[string][]byte)
	entries, err := os.ReadDir(d.at)
	must(t, err)
	for _, e := range entries {
		files[e.Name()], err = os.ReadFile(filepath.Join(d.at, e.Name()))
		must(t, err)
	}
	if err := syscall.Mount("none", d.at, "tmpfs", 0, fmt.Sprintf("size=%dk,mode=0700", kib)); err != nil {
		t.Fatalf("a small file system cannot be mounted; run this as root: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(d.at, syscall.MNT_DETACH)) })
	for name, b := range files {
		must(t, os.WriteFile(filepath.Join(d.at, name), b, 0o600))
	}
	return d
}

// remount changes its size, or makes it read-only.
func (d *disk) remount(t *testing.T, kib int, flags uintptr) {
	t.Helper()
	must(t, syscall.Mount("none", d.at, "tmpfs", syscall.MS_REMOUNT|flags, fmt.Sprintf("size=%dk,mode=0700", kib)))
}

// fill leaves no room at all.
func (d *disk) fill(t *testing.T) {
	t.Helper()
	f, err := os.Create(filepath.Join(d.at, "filler"))
	must(t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 512))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// run runs a program of the network beside it, to its end, and gives its exit
// code and what it complained of.
func (n *Network) run(t *testing.T, p Part) (code int, said string) {
	t.Helper()
	var errOut bytes.Buffer
	cmd := exec.Command(n.programs[p.Program], slices.Concat([]string{"run"}, n.folder.instance(p.Name), p.flags)...)
	cmd.Stderr = &errOut
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), lastLine(errOut.Bytes())
}

// A gateway whose disk is full refuses new mail, in words, and runs on; what it
// has acknowledged it still has, and with room on the disk all is as before.
func TestFaultsFullDisk(t *testing.T) {
	const small, large = 1000, 64_000
	var d *disk
	r := newRig(t, Spec{MixesPerLayer: 1, Rules: Rules{Allow: []string{"a.org"}}}, func(n *Network) {
		d = newDisk(t, n, "gateway-2", small)
	})
	alice, _ := r.newPerson(t, "gateway-1").online(t)
	bob := r.newPerson(t, "gateway-2")
	_, leave := bob.online(t)
	leave()

	mail := newPost()
	const letters = 700 // of about a kilobyte: more than the disk holds
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := range letters {
			if err := mail.send(t.Context(), alice, bob.address, fmt.Sprintf("%d %s", i, strings.Repeat("x", 900))); err != nil {
				t.Error(err)
			}
		}
	})
	log := func() string {
		b, err := os.ReadFile(r.folder.log("gateway-2"))
		must(t, err)
		return string(b)
	}
	late := time.After(healWithin)
	for tick := time.Tick(20 * time.Millisecond); !strings.Contains(log(), "the disk is full"); {
		select {
		case <-tick:
		case <-late:
			t.Fatalf("no word of the full disk after %d acknowledged messages", len(mail.acked()))
		}
	}
	stored := len(mail.acked())
	t.Logf("the disk was full after %d messages", stored)
	if i := r.List()[slices.IndexFunc(r.List(), func(i Info) bool { return i.Name == "gateway-2" })]; i.State != Running || i.Deaths != 0 {
		t.Errorf("the gateway is %+v", i)
	}

	// With a full disk it does not start, says why, and harms nothing.
	must(t, r.Kill(t.Context(), "gateway-2"))
	d.fill(t)
	before := len(log())
	brief, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := r.Start(brief, "gateway-2"); err == nil {
		t.Error("it started on a full disk")
	}
	if said := log()[before:]; !strings.Contains(said, "disk is full") && !strings.Contains(said, "no space left") {
		t.Errorf("it does not say that the disk is full:\n%s", said)
	}
	must(t, r.Kill(t.Context(), "gateway-2"))

	d.remount(t, large, 0)
	must(t, r.Start(t.Context(), "gateway-2"))
	sending.Wait()
	mail.settled(t)
	acked := mail.acked()
	t.Logf("with room, %d were acknowledged", len(acked))
	if len(acked) <= stored {
		t.Error("nothing was stored after there was room")
	}
	must(t, r.Kill(t.Context(), "gateway-2"))
	must(t, r.Start(t.Context(), "gateway-2"))
	c, leave := bob.online(t)
	box := collect(t, c)
	box.await(t, acked)
	leave()
	<-box.done
}

// A gateway that cannot write says so at its start and ends with an error; what
// it has stays as it is.
func TestFaultsStateIsReadOnly(t *testing.T) {
	const size = 64_000
	var d *disk
	r := newRig(t, Spec{MixesPerLayer: 1, Rules: Rules{Allow: []string{"a.org"}}}, func(n *Network) {
		d = newDisk(t, n, "gateway-2", size)
	})
	alice, _ := r.newPerson(t, "gateway-1").online(t)
	bob := r.newPerson(t, "gateway-2")
	_, leave := bob.online(t)
	leave()
	mail := newPost()
	for i := range 20 {
		must(t, mail.send(t.Context(), alice, bob.address, fmt.Sprint(i)))
	}
	mail.settled(t)

	must(t, r.Kill(t.Context(), "gateway-2"))
	before := snapshot(t, d.at)
	d.remount(t, size, syscall.MS_RDONLY)
	code, said := r.run(t, r.part(t, "gateway-2"))
	t.Logf("exit code %d: %s", code, said)
	if code != 1 || !strings.Contains(said, "read-only file system") {
		t.Errorf("exit code %d, want 1\n%s", code, said)
	}
	d.remount(t, size, 0)
	if after := snapshot(t, d.at); after != before {
		t.Errorf("the folder was\n%s\nand is\n%s", before, after)
	}

	must(t, r.Start(t.Context(), "gateway-2"))
	c, leave := bob.online(t)
	box := collect(t, c)
	box.await(t, mail.acked())
	leave()
	<-box.done
}

// snapshot describes the files of a folder.
func snapshot(t *testing.T, dir string) (s string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		s += fmt.Sprintf("%s %d %x\n", path, len(b), b[:min(len(b), 1<<16)])
		return err
	}))
	return s
}

// Two programs never share a folder of state: the second ends, and its exit code
// says that it may be tried again later (EX_TEMPFAIL).
func TestFaultsTwoGatewaysOneFolder(t *testing.T) {
	r := newRig(t, Spec{MixesPerLayer: 1, Rules: Rules{Allow: []string{"a.org"}}})
	p := r.part(t, "gateway-2")
	code, said := r.run(t, p)
	if code != 75 || !strings.Contains(said, "another program uses "+r.folder.state(p.Name)) {
		t.Errorf("exit code %d, want 75\n%s", code, said)
	}
	_, leave := r.newPerson(t, "gateway-2").online(t) // nobody was disturbed
	leave()
	must(t, r.Kill(t.Context(), "gateway-2")) // whose lock ends with it
	must(t, r.Start(t.Context(), "gateway-2"))
}
