package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The programs of a network.
const (
	progDirectory = "directory"
	progMixnode   = "mixnode"
	progGateway   = "gateway"
	progRequester = "network-requester"
	progSOCKS     = "nym-socks5"
	progClient    = "nym-client" // not every network has it
)

var programs = []string{progDirectory, progMixnode, progGateway, progRequester, progSOCKS, progClient}

// Programs says where the programs are.
type Programs map[string]string

// Find finds the programs: in dir if that is given, else beside the program
// that is running, else in PATH. Only nym-client may be missing.
func Find(dir string) (Programs, error) {
	beside := ""
	if self, err := os.Executable(); err == nil {
		beside = filepath.Dir(self)
	}
	found := make(Programs)
	for _, name := range programs {
		path, err := find(dir, beside, name)
		switch {
		case err == nil:
			found[name] = path
		case name != progClient: // that is missed when it is wanted
			return nil, err
		}
	}
	return found, nil
}

func find(dir, beside, name string) (string, error) {
	file := name
	if runtime.GOOS == "windows" {
		file += ".exe"
	}
	for _, d := range []string{dir, beside} {
		if d == "" {
			continue
		}
		path, err := filepath.Abs(filepath.Join(d, file))
		if err != nil {
			return "", err
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
		if dir != "" {
			return "", fmt.Errorf("fleet: there is no program %s in %s; make build makes it", name, dir)
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("fleet: the program %s is neither in %s nor in PATH; make build makes it", name, beside)
	}
	return filepath.Abs(path)
}

// do runs a program to its end and gives what it printed. The error is the last
// line of what it complained of.
func (p Programs) do(ctx context.Context, program string, args ...string) ([]byte, error) {
	if p[program] == "" {
		return nil, fmt.Errorf("fleet: there is no program %s; make build makes it", program)
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, p[program], args...)
	cmd.Env = environment(os.Environ())
	cmd.Stderr = &said
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) && ctx.Err() == nil {
		why := strings.TrimPrefix(lastLine(said.Bytes()), program+": ")
		if why == "" {
			why = exit.Error()
		}
		return nil, fmt.Errorf("fleet: %s %s: %s", program, args[0], why)
	}
	if err != nil {
		return nil, fmt.Errorf("fleet: %s %s: %w", program, args[0], errors.Join(ctx.Err(), err))
	}
	return out, nil
}

// instance makes the instance of a part unless there is one, and gives what it
// says of itself. The first flags are those of a new instance, the part's own
// count for all times.
func (p Programs) instance(ctx context.Context, f folder, part Part, first ...string) (map[string]string, error) {
	at := f.instance(part.Name)
	there, err := f.has(part.Name)
	if err == nil && !there {
		_, err = p.do(ctx, part.Program, slices.Concat([]string{"init"}, at, first, part.flags)...)
	}
	if err != nil || part.Program == progSOCKS { // which has nothing to tell
		return nil, err
	}
	out, err := p.do(ctx, part.Program, slices.Concat([]string{"details", "--output", "json"}, at, part.flags)...)
	if err != nil {
		return nil, err
	}
	var details map[string]string
	if err := json.Unmarshal(out, &details); err != nil {
		return nil, fmt.Errorf("fleet: %s details: %w", part.Program, err)
	}
	return details, nil
}

// allow lets an identity join the network of the directory in a folder.
func (p Programs) allow(ctx context.Context, f folder, identity, role string) error {
	_, err := p.do(ctx, progDirectory, slices.Concat([]string{"allow", identity, "--role", role}, f.instance(progDirectory))...)
	return err
}

// prefer has a part use a gateway while it can be reached.
func (p Programs) prefer(ctx context.Context, f folder, part Part, gateway string) error {
	_, err := p.do(ctx, part.Program, slices.Concat([]string{"gateways", "use", gateway}, f.instance(part.Name))...)
	return err
}

// environment leaves out what would change the settings of a program behind our
// back, or make it talk to our own supervisor.
func environment(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		if slices.Contains([]string{"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "CONFIGURATION_DIRECTORY", "STATE_DIRECTORY"}, name) {
			return true
		}
		return slices.ContainsFunc(programs, func(p string) bool {
			return strings.HasPrefix(name, strings.ToUpper(strings.ReplaceAll(p, "-", "_"))+"_")
		})
	})
}

// lastLine gives the last line that is not empty.
func lastLine(b []byte) string {
	b = bytes.TrimSpace(b)
	return string(bytes.TrimSpace(b[bytes.LastIndexByte(b, '\n')+1:]))
}
